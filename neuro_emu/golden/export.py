"""Writing and reading a directory of golden vectors."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from neuro_emu import __version__
from neuro_emu.config.dump import dump
from neuro_emu.config.experiment import Experiment, load_text
from neuro_emu.errors import RunError
from neuro_emu.files import json_text
from neuro_emu.golden.adversarial import missed
from neuro_emu.golden.build import Build, limits_of
from neuro_emu.golden.files import set_files
from neuro_emu.golden.layout import FILES, RECORD, TRACE_KINDS
from neuro_emu.golden.sets import VectorSet, total_sites
from neuro_emu.golden.settings import chip_settings, layer_settings
from neuro_emu.golden.sites import MEANINGS, unreachable
from neuro_emu.golden.sources import rtl_sources, testbench_sources
from neuro_emu.machine.chip import Chip
from neuro_emu.numerics import SEMANTICS_VERSION

FORMAT_VERSION = 1
"""Version of the files of a directory of golden vectors."""

_WHAT = "golden vectors"
"""That graphs of layers do not have."""
MANIFEST = "manifest.json"
DUT = "nemu_dut.sv"


@dataclass(frozen=True)
class Vectors:
    """A directory of golden vectors as read back.

    Attributes:
        folder: where it is.
        manifest: its manifest.
        experiment: the chip.
        build: parameters of the RTL that it was made for.

    """

    folder: Path
    manifest: dict[str, Any]
    experiment: Experiment
    build: Build

    @property
    def sets(self) -> list[str]:
        """Names of the sets."""
        return [str(entry["name"]) for entry in self.manifest["sets"]]

    @property
    def sources(self) -> list[Path]:
        """Everything to compile, in order."""
        return [self.folder / name for name in self.manifest["sources"]]


def check_buildable(experiment: Experiment) -> None:
    """Refuse a chip that the RTL cannot be.

    Raises:
        ConfigError: naming each reason.

    """
    reasons = limits_of(experiment.dense_chip(_WHAT))
    if reasons:
        raise experiment.document.error("training.rule", "the RTL cannot be this chip: " + "; ".join(reasons))


def export(
    experiment: Experiment,
    folder: Path,
    sets: Sequence[VectorSet],
    report: Callable[[str], None] = lambda _: None,
) -> None:
    """Write *sets*, the RTL and a testbench to *folder* in one step; an older directory of vectors is replaced.

    Raises:
        RunError: if *folder* holds something else, or cannot be written.

    """
    chip = experiment.dense_chip(_WHAT)
    check_replaceable(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".part-"))
    except OSError as error:
        raise RunError(f"cannot write to {folder.parent}: {error.strerror or error}") from error
    try:
        report("writing vectors")
        written = write_vectors(chip, experiment.config.name, experiment.digest, temporary, sets)
        manifest = {**_manifest(experiment, Build.of(chip), sets), **written}
        (temporary / MANIFEST).write_text(json_text(manifest), encoding="utf-8")
        temporary.chmod(0o755)
        if folder.exists():
            old = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".old-"))
            folder.replace(old / "vectors")
            temporary.replace(folder)
            shutil.rmtree(old, ignore_errors=True)
        else:
            temporary.replace(folder)
    except OSError as error:
        raise RunError(f"cannot write {folder}: {error.strerror or error}") from error
    finally:
        with contextlib.suppress(OSError):
            shutil.rmtree(temporary)


def check_replaceable(folder: Path) -> None:
    """Raise RunError if *folder* is there and is neither empty nor a directory of vectors."""
    if folder.exists() and not (folder / MANIFEST).is_file() and (not folder.is_dir() or any(folder.iterdir())):
        raise RunError(f"{folder} is there and holds no golden vectors; choose another --out")


def read_vectors(folder: Path, *, own_rtl: bool = False) -> Vectors:
    """Read a directory of vectors and verify every file of it.

    Args:
        folder: as :func:`export` wrote it.
        own_rtl: the device under test comes from elsewhere; its files here are not verified.

    Raises:
        RunError: if it is incomplete, changed, or made by another version of the contract or of the format.

    """
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        version, semantics = int(manifest["format_version"]), str(manifest["semantics_version"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"{folder} holds no golden vectors ({error}); `neuro-emu golden` writes them") from error
    if version != FORMAT_VERSION:
        raise RunError(f"{path}: format version {version}; this neuro_emu reads {FORMAT_VERSION}: export again")
    if semantics != SEMANTICS_VERSION:
        raise RunError(f"{path}: semantics version {semantics}; this neuro_emu has {SEMANTICS_VERSION}: export again")
    for name, expected in manifest["files"].items():
        if own_rtl and (name == DUT or name.startswith("rtl/")):
            continue
        try:
            found = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        except OSError as error:
            raise RunError(f"{folder / name} is missing; export the vectors again") from error
        if found != expected:
            hint = "; a chip of your own goes to --rtl" if name == DUT or name.startswith("rtl/") else ""
            raise RunError(f"{folder / name} has changed since it was exported (SHA-256){hint}")
    experiment = load_text(manifest["config"], str(path))
    return Vectors(folder, manifest, experiment, Build(**manifest["build"]))


def write_vectors(chip: Chip, name: str, digest: str, folder: Path, sets: Sequence[VectorSet]) -> dict[str, Any]:
    """Write every file but the manifest to *folder*; returns the manifest's part about them.

    Args:
        chip: the chip.
        name: of the configuration, for comments.
        digest: of the configuration.
        folder: an empty directory.
        sets: at least one.

    """
    build = Build.of(chip)
    files: dict[str, str] = {}
    for vectors in sets:
        files |= {f"{vectors.name}/{file}": text for file, text in set_files(chip, build, vectors).items()}
    sources = ["rtl/lint.vlt", "nemu_golden_pkg.sv"]
    for path in rtl_sources():
        files[f"rtl/{path.name}"] = path.read_text(encoding="utf-8")
        sources += [f"rtl/{path.name}"] if path.suffix == ".sv" else []
    for path in testbench_sources():
        files[path.name] = path.read_text(encoding="utf-8")
        sources.append(path.name)
    files["nemu_golden_pkg.sv"] = _package(chip, f"{name}, configuration {digest}", build, sets)
    files["sources.f"] = "".join(f"{file}\n" for file in sources if file.endswith(".sv"))
    for file, text in files.items():
        target = folder / file
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    sums = {file: hashlib.sha256(text.encode()).hexdigest() for file, text in sorted(files.items())}
    return {"sources": sources, "files": sums}


def _package(chip: Chip, title: str, build: Build, sets: Sequence[VectorSet]) -> str:
    """Return the SystemVerilog package of parameters."""
    parameters = {
        **build.parameters,
        "SignalW": max(build.feedback_bits, build.delta_bits),
        "WriteW": build.write_bits,
        "MemoryW": build.memory_bits,
        "TraceW": build.trace_bits,
        "MostRegisters": len(chip_settings(chip)) + 20 * len(chip.network.layers),
        "MostSamples": max(len(vectors.samples) for vectors in sets),
        "MostInputs": chip.network.inputs,
        "MostRecords": max(len(vectors.golden.records) for vectors in sets),
    }
    lines = [
        f"// Parameters of the golden vectors of {title}.",
        "package nemu_golden_pkg;",
        *(f"  localparam int {name} = {value};" for name, value in parameters.items()),
        "endpackage",
    ]
    return "\n".join(lines) + "\n"


def _manifest(experiment: Experiment, build: Build, sets: Sequence[VectorSet]) -> dict[str, Any]:
    chip = experiment.dense_chip(_WHAT)
    state = sets[0].state
    return {
        "format_version": FORMAT_VERSION,
        "semantics_version": SEMANTICS_VERSION,
        "neuro_emu_version": __version__,
        "name": experiment.config.name,
        "config_digest": experiment.digest,
        "seed": chip.learning.seed,
        "build": asdict(build),
        "parameters": build.parameters,
        "registers": {
            "chip": chip_settings(chip),
            "layers": [
                {name.removeprefix("layer_"): value for name, value in layer_settings(chip, layer, state).items()}
                for layer in chip.network.layers
            ],
        },
        "layout": FILES,
        "record": RECORD,
        "trace": TRACE_KINDS,
        "sets": [_set_entry(vectors) for vectors in sets],
        "unreachable_sites": unreachable(chip),
        "missed_sites": missed(chip, total_sites(sets)),
        "site_meanings": MEANINGS,
        "config": dump(experiment.config),
    }


def _set_entry(vectors: VectorSet) -> dict[str, Any]:
    return {
        "name": vectors.name,
        "samples": len(vectors.samples),
        "learned": int(vectors.samples.learn.sum()),
        "records": len(vectors.golden.records),
        "cycles": sum(vectors.golden.cycles),
        "epoch": vectors.state.epoch,
        "flush": vectors.flush,
        "sites": vectors.sites,
    }
