"""The use cases around the RTL as plain functions: golden vectors and co-simulation.

>>> from neuro_emu import load
>>> from neuro_emu.api.rtl import cosimulate
>>> print(cosimulate(load("configs/drtp_small.yaml"), samples=2))
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from neuro_emu.api import load_data, split_data
from neuro_emu.config.experiment import Experiment
from neuro_emu.errors import RunError

if TYPE_CHECKING:
    from neuro_emu.cosim.longrun import LongVerdict
    from neuro_emu.cosim.session import Verdict
    from neuro_emu.datasets import Dataset
    from neuro_emu.golden.sets import VectorSet

Report = Callable[[str], None]
_WHAT = "golden vectors and no co-simulation"
"""That graphs of layers do not have."""


def _silent(text: str) -> None:
    del text


def golden_sets(
    experiment: Experiment,
    *,
    samples: int = 5,
    adversarial: bool = True,
    data: Dataset | None = None,
    report: Report = _silent,
) -> list[VectorSet]:
    """Return the natural set, and the adversarial ones, of a chip.

    Args:
        experiment: see :func:`neuro_emu.load`.
        samples: natural samples, the first of epoch 0.
        adversarial: whether to search for samples that reach every site.
        data: the data set, if it is loaded already.
        report: called with what is being done.

    Raises:
        ConfigError: if the RTL cannot be this chip.

    """
    from neuro_emu.golden.export import check_buildable
    from neuro_emu.golden.sets import adversarial_sets, natural_set

    check_buildable(experiment)
    chip = experiment.dense_chip(_WHAT)
    training, _, _ = split_data(experiment, data or load_data(experiment))
    report(f"tracing {samples} natural samples")
    sets = [natural_set(chip, training.codes, training.labels, samples)]
    if adversarial:
        report("searching adversarial samples")
        sets += adversarial_sets(chip)
    return sets


def export_golden(
    experiment: Experiment,
    out: str | Path,
    *,
    samples: int = 5,
    adversarial: bool = True,
    data: Dataset | None = None,
    report: Report = _silent,
) -> list[VectorSet]:
    """Write golden vectors, RTL and testbench to the directory *out*; arguments as :func:`golden_sets`.

    Raises:
        ConfigError: if the RTL cannot be this chip.
        RunError: if *out* cannot be written, or holds something else.

    """
    from neuro_emu.golden.export import check_replaceable, export

    check_replaceable(Path(out))
    sets = golden_sets(experiment, samples=samples, adversarial=adversarial, data=data, report=report)
    export(experiment, Path(out), sets, report)
    return sets


def cosimulate(
    experiment: Experiment,
    *,
    simulator: str = "verilator",
    samples: int = 5,
    adversarial: bool = True,
    data: Dataset | None = None,
    waves: Path | None = None,
    report: Report = _silent,
) -> Verdict:
    """Run golden vectors through the RTL of the project and compare everything.

    Args:
        experiment: see :func:`neuro_emu.load`.
        simulator: ``verilator`` (compiled library) or ``icarus`` (testbench).
        samples: natural samples.
        adversarial: whether to run the adversarial sets too.
        data: the data set, if it is loaded already.
        waves: file for a waveform around the first mismatch.
        report: called with what is being done.

    Raises:
        ToolError: if the simulator is missing or fails.

    """
    from neuro_emu.cosim import session
    from neuro_emu.cosim.simulators import LibrarySimulator
    from neuro_emu.cosim.tools import compiler, icarus, verilator
    from neuro_emu.golden.build import Build

    chip = experiment.dense_chip(_WHAT)
    if simulator == "icarus":
        icarus()
        with tempfile.TemporaryDirectory(prefix="neuro-emu-") as folder:
            export_golden(
                experiment, Path(folder) / "vectors", samples=samples, adversarial=adversarial, data=data, report=report
            )
            return cosimulate_vectors(Path(folder) / "vectors", simulator=simulator, waves=waves, report=report)
    verilator()  # a missing tool is said before the work
    compiler()
    sets = golden_sets(experiment, samples=samples, adversarial=adversarial, data=data, report=report)
    report("compiling the RTL (once per build)")
    return session.cosimulate(chip, LibrarySimulator(chip, Build.of(chip)), sets, waves=waves, report=report)


def cosimulate_vectors(
    folder: str | Path,
    *,
    simulator: str = "verilator",
    rtl: Sequence[Path] = (),
    trace: bool = True,
    cycles: bool = True,
    waves: Path | None = None,
    report: Report = _silent,
) -> Verdict:
    """Run a directory of golden vectors with its testbench.

    Args:
        folder: as :func:`export_golden` wrote it.
        simulator: ``verilator`` or ``icarus``.
        rtl: another chip: a module `nemu_dut` and all it needs; empty: the directory's own.
        trace: compare trace records.
        cycles: compare clock cycles.
        waves: file for a waveform around the first mismatch.
        report: called with what is being done.

    Raises:
        RunError: if the vectors are damaged or of another version.
        ToolError: if the simulator is missing or fails.

    """
    from neuro_emu.cosim import session
    from neuro_emu.cosim.testbench import TestbenchSimulator
    from neuro_emu.cosim.tools import compiler, icarus, verilator
    from neuro_emu.golden.export import DUT, read_vectors
    from neuro_emu.golden.files import read_samples, read_state
    from neuro_emu.golden.sets import vector_set

    if simulator == "icarus":
        icarus()
    else:
        verilator()
        compiler()
    vectors = read_vectors(Path(folder), own_rtl=bool(rtl))
    chip, build = vectors.experiment.dense_chip(_WHAT), vectors.build
    sources = vectors.sources
    if rtl:
        missing = [str(path) for path in rtl if not path.is_file()]
        if missing:
            raise RunError(f"--rtl: no such file: {', '.join(missing)}")
        own = [path for path in sources if path.parent.name == "rtl" or path.name == DUT]
        kept = [path for path in sources if path not in own]
        waivers = [path for path in own if path.suffix == ".vlt"]
        package = [path for path in kept if path.name == "nemu_golden_pkg.sv"]
        sources = [*waivers, *package, *(path.resolve() for path in rtl), *(p for p in kept if p not in package)]
    sets = []
    for entry in vectors.manifest["sets"]:
        name = str(entry["name"])
        report(f"reading {name}")
        state = read_state(chip, build, vectors.folder / name, int(entry["epoch"]))
        samples = read_samples(vectors.folder / name, chip.network.inputs)
        sets.append(vector_set(chip, name, state, samples))
    bench = TestbenchSimulator(chip, build, vectors.folder, sources, simulator == "icarus", trace, cycles, lint=not rtl)
    report("compiling the testbench (once per source)")
    return session.cosimulate(chip, bench, sets, waves=waves, report=report)


def cosimulate_long(
    experiment: Experiment,
    samples: int | None = None,
    *,
    data: Dataset | None = None,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> LongVerdict:
    """Train the RTL and the compiled emulator on *samples* of epoch 0 (None: all) and compare.

    Raises:
        ConfigError: if the RTL cannot be this chip.
        ToolError: if Verilator is missing or fails.

    """
    from neuro_emu.cosim.longrun import long_run
    from neuro_emu.golden.export import check_buildable
    from neuro_emu.golden.sets import natural_samples

    check_buildable(experiment)
    training, _, _ = split_data(experiment, data or load_data(experiment))
    count = min(samples or len(training), len(training))
    chip = experiment.dense_chip(_WHAT)
    chosen = natural_samples(chip, training.codes, training.labels, count)
    return long_run(chip, chosen, report=report)
