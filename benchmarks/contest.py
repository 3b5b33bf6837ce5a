"""Ours and peers in turns: whatever else the machine does hits all of them.

A round is one epoch of every chip of ours, then segments of every peer. Of ours the blocks of an epoch are timed one
by one, as a run hands them to the engine; an epoch counts by its median block, the chip by the mean over its epochs, so
that each learning rate of the schedule has its share. A peer counts by the median of its segments. What counts is the
processor time of the one thread, which is that of the clock unless others want the same core; both are recorded.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import fmean, median
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from peers import Peer, Samples

    from neuro_emu.config.experiment import Experiment
    from neuro_emu.training.engines import FastEngine
    from neuro_emu.training.loop import Split

OWN = Path(__file__).resolve().parent / "configs"
BLOCK = 2000
"""Samples a call, as the run does it."""
PEER_SAMPLES = 20000
WARM_UP = 300
STEPS = {1: 100, 60: 10, 1000: 5}
"""Steps of a peer's segment by its batch."""
SEGMENTS = 3
"""Segments of a peer in a round."""
INFERENCES = 3
EVENLY = (0, 4, 9)
"""Epochs of a schedule of ten for what is timed more briefly."""

T = TypeVar("T")
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Ours:
    """A chip of ours in a contest.

    Attributes:
        name: in tables and records.
        config: its configuration.
        backend: of the compiled datapath.
        threads: it may use.
        epochs: of the schedule that are timed; none: all.
        overrides: of the configuration.
        infers: whether inference is timed instead of training.
        floor: test accuracy in percent that it must reach after its whole schedule.

    """

    name: str
    config: Path
    backend: str = "auto"
    threads: int = 1
    epochs: tuple[int, ...] = ()
    overrides: tuple[str, ...] = ()
    infers: bool = False
    floor: float | None = None


@dataclass
class Timing:
    """Microseconds a sample: of each segment on the clock, and of this thread's own processor time."""

    wall: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)

    def time(self, work: Callable[[], T], samples: int) -> T:
        """Run *work* over *samples* samples and note what each took; returns what it returned."""
        clock, processor = time.perf_counter(), time.thread_time()
        result = work()
        self.processor.append((time.thread_time() - processor) / samples * 1e6)
        self.wall.append((time.perf_counter() - clock) / samples * 1e6)
        return result


def record_of(segments: Sequence[Timing], *, wall: bool = False) -> dict[str, Any]:
    """Return what *segments*, one entry an epoch or a single one, come to, rounded to a nanosecond.

    Args:
        segments: what was timed.
        wall: whether the typical and the best are those of the clock, as two threads need it.

    """
    chosen = [timing.wall if wall else timing.processor for timing in segments]
    return {
        "typical_us": round(fmean(map(median, chosen)), 3),
        "best_us": round(min(map(min, chosen)), 3),
        "wall_us": round(fmean(median(timing.wall) for timing in segments), 3),
        "mean_wall_us": round(fmean(t for timing in segments for t in timing.wall), 3),
        "segments": sum(map(len, chosen)),
        "rounds_us": [round(median(times), 3) for times in chosen],
    }


def make_engine(experiment: Experiment, training: Split, backend: str, threads: int) -> FastEngine:
    """Return an engine with compiled kernels, at the initial state."""
    from neuro_emu.machine.initialise import initial_state
    from neuro_emu.training.engines import FastEngine

    chip = experiment.chip
    return FastEngine(chip, initial_state(chip), training.codes, training.labels, backend=backend, threads=threads)


class Runner:
    """One chip of ours at work."""

    def __init__(self, ours: Ours, samples: int, *, wall: bool = False) -> None:
        from neuro_emu import api, jit

        self.ours = ours
        limit = [f"dataset.train={samples}"] if samples < 60000 else []
        self.experiment = api.load(ours.config, [*ours.overrides, *limit])
        self.training, _, self.test = api.split_data(self.experiment, api.load_data(self.experiment))
        compiled, begin = jit.compile_seconds(), time.perf_counter()
        self.engine = make_engine(self.experiment, self.training, ours.backend, ours.threads)
        self.engine.infer(self.test.codes)  # lists the active inputs once, as the first epoch of a run does
        self.compiling = jit.compile_seconds() - compiled
        self.setup = time.perf_counter() - begin - self.compiling
        every = range(self.experiment.config.training.epochs)
        self.epochs = [e for e in every if e in ours.epochs or not ours.epochs]
        self.timings: list[Timing] = []
        self.wall = wall
        if ours.infers:
            self._epoch(0)

    def _epoch(self, epoch: int) -> Timing:
        """Train one epoch; returns the time of every block."""
        from neuro_emu.numerics.words import sample_order

        timing, count = Timing(), len(self.training)
        self.engine.begin_epoch(epoch, sample_order(self.experiment.chip.learning.seed, epoch, count))
        for start in range(0, count, BLOCK):
            stop = min(start + BLOCK, count)
            timing.time(partial(self.engine.train, start, stop), stop - start)
        self.engine.end_epoch()
        return timing

    def _inferences(self) -> Timing:
        timing = Timing()
        for _ in range(INFERENCES):
            timing.time(partial(self.engine.infer, self.test.codes), len(self.test))
        return timing

    def round(self, epoch: int) -> None:
        """Time *epoch* if it is one of ours, or a few passes of inference."""
        if epoch in self.epochs:
            self.timings.append(self._inferences() if self.ours.infers else self._epoch(epoch))

    def record(self) -> dict[str, Any]:
        """Return what was measured, the accuracy after a whole schedule, and the operations of a sample."""
        whole = len(self.epochs) == self.experiment.config.training.epochs and not self.ours.infers
        right = float((self.engine.infer(self.test.codes) == self.test.labels).mean()) if whole else None
        return record_of(self.timings, wall=self.wall) | {
            "config": self.ours.config.name,
            "config_digest": self.experiment.digest,
            "overrides": list(self.ours.overrides),
            "backend": self.engine.runs,
            "threads": self.ours.threads,
            "samples": len(self.training),
            "epochs": self.epochs,
            "test_accuracy": None if right is None else round(100 * right, 2),
            "compile_seconds": round(self.compiling, 2),
            "setup_seconds": round(self.setup, 2),
            "work": self._work(),
        }

    def _work(self) -> dict[str, Any]:
        """Return a sample's operations over active rows, layer by layer, and what the weights hold."""
        from neuro_emu.machine.counts import Component, Phase

        chip = self.experiment.chip
        found = self.engine.counts()[int(self.ours.infers)]
        loads = int(found.events[Phase.LOAD, 0, Component.INPUT_WRITE])
        samples = loads / chip.network.inputs
        return {
            "macs": [round(int(n) / samples, 1) for n in found.events[Phase.FORWARD, :, Component.MAC]],
            "updates": [round(int(n) / samples, 1) for n in found.events[Phase.UPDATE, :, Component.UPDATE]],
            "weights": [layer.rows * layer.units for layer in chip.network.layers],
            "bytes": [
                1 if layer.weight.bits <= 8 else 2 if layer.weight.bits <= 16 else 4 for layer in chip.network.layers
            ],
            "inputs": chip.network.inputs,
            "batch": chip.learning.batch,
        }


@dataclass(frozen=True)
class Contest:
    """What takes turns: chips of ours, and peers by their names in peers.py."""

    ours: tuple[Ours, ...]
    peers: tuple[str, ...] = ()


def peer_samples(training: Split) -> Samples:
    """Return the samples that peers learn from."""
    from peers import Samples

    count = min(PEER_SAMPLES, len(training))
    return Samples((training.codes[:count] / 256).astype("float32"), training.labels[:count])


def hold(contest: Contest, samples: int, progress: Progress) -> dict[str, dict[str, Any]]:
    """Time all of *contest*; returns a record of each by its name.

    Args:
        contest: who.
        samples: training samples of ours.
        progress: told what is being done.

    """
    runners = []
    for ours in contest.ours:
        progress(f"preparing {ours.name}")
        runners.append(Runner(ours, samples))
    others = _warm_peers(contest, runners[0], progress)
    timings = {name: Timing() for name in others}
    steps = dict.fromkeys(others, WARM_UP)
    rounds = max(runner.experiment.config.training.epochs for runner in runners)
    for epoch in range(rounds):
        for runner in runners:
            progress(f"round {epoch + 1} of {rounds}: {runner.ours.name}")
            runner.round(epoch)
        for name, peer in others.items():
            progress(f"round {epoch + 1} of {rounds}: {name}")
            count = STEPS[peer.batch]
            for _ in range(SEGMENTS):
                timings[name].time(partial(peer.run, steps[name], steps[name] + count), count * peer.batch)
                steps[name] += count
    found = {runner.ours.name: runner.record() for runner in runners}
    return found | {name: record_of([timing]) | {"peer": True} for name, timing in timings.items()}


def _warm_peers(contest: Contest, runner: Runner, progress: Progress) -> dict[str, Peer]:
    if not contest.peers:
        return {}
    import peers as all_peers

    samples = peer_samples(runner.training)
    found = {}
    for name in contest.peers:
        progress(f"warming up {name}")
        found[name] = all_peers.MAKERS[name](samples)
        found[name].run(0, WARM_UP // found[name].batch + 1)
    return found
