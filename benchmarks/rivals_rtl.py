"""The same chip as RTL in Verilator, simulated sample by sample: what the emulator spares.

Only the simulated learning samples are timed: neither the build nor loading the memories. Predictions are compared
with ours on the way, so that both did the same work.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import common
from contest import BLOCK, Contest, Ours, Progress, Runner, Timing, make_engine, record_of

if TYPE_CHECKING:
    from neuro_emu.cosim.rtl import Rtl

ZERO_INPUT = ("none", "skip")
CONFIG = common.CONFIGS / "drtp_mnist.yaml"
ROUNDS, SECONDS = 4, 4.0
"""Segments of each chip, and about how long one takes."""
FIRST = 20
"""Samples that say how many fit into a segment."""

CONTEST = Contest(
    tuple(
        Ours(f"drtp_mnist, zero_input {how}", CONFIG, epochs=(0, 9), overrides=(f"machine.zero_input={how}",))
        for how in ZERO_INPUT
    )
)


def missing() -> str | None:
    """Say why there is nothing to measure; None if Verilator and a compiler are there."""
    from neuro_emu.cosim.tools import compiler, verilator
    from neuro_emu.errors import ToolError

    try:
        verilator()
        compiler()
    except ToolError as error:
        return str(error).splitlines()[0]
    return None


class _Simulation:
    """One chip in Verilator, and the emulator at the same sample."""

    def __init__(self, runner: Runner, progress: Progress) -> None:
        from neuro_emu.cosim.rtl import Rtl, library
        from neuro_emu.golden.build import Build
        from neuro_emu.golden.sets import natural_samples
        from neuro_emu.machine.initialise import initial_state
        from neuro_emu.numerics.words import sample_order

        chip, training = runner.experiment.chip, runner.training
        progress("building the RTL (once per build)")
        build = Build.of(chip)
        self.rtl: Rtl = Rtl(build, library(build, trace=False))
        self.rtl.start(chip, initial_state(chip))
        count = min(BLOCK, len(training))
        self._samples = natural_samples(chip, training.codes, training.labels, count)
        engine = make_engine(runner.experiment, training, runner.ours.backend, 1)
        engine.begin_epoch(0, sample_order(chip.learning.seed, 0, len(training)))
        self._expected = engine.train(0, count)
        self.timing = Timing()
        self._at, self.cycles, self.simulated, self._count = 0, 0, 0, FIRST
        self.segment()
        self._count = max(1, int(SECONDS * 1e6 / self.timing.wall[0]))
        self.timing = Timing()

    def segment(self) -> None:
        """Simulate as many samples as make a segment."""
        first, self._at = self._at, min(self._at + self._count, len(self._samples))
        if first == self._at:
            return
        part = self._samples.part(first, self._at)
        outcome = self.timing.time(lambda: self.rtl.run(part), len(part))
        self.cycles += int(outcome.cycles.sum())
        self.simulated += len(part)
        if outcome.fault or (outcome.predictions != self._expected[first : self._at]).any():
            raise SystemExit(
                f"the RTL does something else than the emulator: {outcome.fault or 'a prediction differs'}"
            )

    def record(self) -> dict[str, Any]:
        """Return what was measured, and free the simulated chip."""
        found, cycles = record_of([self.timing]), self.cycles / self.simulated
        with self.rtl:
            return found | {
                "peer": True,
                "samples": self.simulated,
                "cycles_per_sample": round(cycles),
                "million_cycles_per_second": round(cycles / found["typical_us"], 2),
            }


def measure(samples: int, progress: Progress) -> dict[str, Any]:
    """Time both chips and their RTL in turns; returns a record of each by its name."""
    runners = [Runner(ours, samples) for ours in CONTEST.ours]
    simulations = [_Simulation(runner, progress) for runner in runners]
    for n in range(ROUNDS):
        progress(f"RTL, round {n + 1} of {ROUNDS}")
        for runner, simulation in zip(runners, simulations, strict=True):
            for epoch in runner.epochs[n : n + 1]:
                runner.round(epoch)
            simulation.segment()
    found: dict[str, Any] = {runner.ours.name: runner.record() for runner in runners}
    for how, simulation in zip(ZERO_INPUT, simulations, strict=True):
        found[f"Verilator, zero_input {how}"] = simulation.record()
    return found
