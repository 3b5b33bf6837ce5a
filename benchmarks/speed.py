"""Time one training sample: the emulator against float32 loops that learn by the same rule.

    python benchmarks/speed.py [--samples N] [--out DIR] [--check-peer] [--no-bars]

Everything runs in one process on one thread, pinned to one core where the system allows it. One round is one epoch
of `drtp_mnist` as shipped, followed by a segment of every peer, so that whatever else the machine does hits all
of them; the emulator's figure is the mean over its whole schedule, a peer's the median of its segments. Subnormal
numbers are flushed to 0, which only the peers notice: it makes Adam faster.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean, median
from typing import TYPE_CHECKING, Any

import common

if TYPE_CHECKING:
    from peers import Peer, Samples

    from neuro_emu.training.engines import FastEngine
    from neuro_emu.training.loop import Split

CONFIG = common.CONFIGS / "drtp_mnist.yaml"
OURS, INFERENCE = "neuro_emu, training", "neuro_emu, inference"
BAR_MICROSECONDS = 10.0
BAR_RATIOS = {"torch autograd, Adam": 100.0, "torch autograd, SGD": 40.0}
BLOCK = 2000
"""Samples a call, as the run does it."""
PEER_SAMPLES = 20000
WARM_UP, SEGMENT = 300, 300
"""Steps of a peer before the first round, and in each round: 3000 in ten epochs."""
CHECK_STEPS, CHECK_ACCURACY = 20000, 80.0
AGREEMENT = 1e-3


@dataclass
class Timing:
    """Microseconds a sample of every segment: on the clock, and of this thread's own processor time."""

    wall: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)

    def time(self, work: Callable[[], object], samples: int) -> None:
        """Run *work* over *samples* samples and note what each took."""
        clock, processor = time.perf_counter(), time.thread_time()
        work()
        self.processor.append((time.thread_time() - processor) / samples * 1e6)
        self.wall.append((time.perf_counter() - clock) / samples * 1e6)

    def record(self) -> dict[str, Any]:
        """Return all of it, rounded to a nanosecond."""
        return {
            "mean_us": round(fmean(self.wall), 3),
            "median_us": round(median(self.wall), 3),
            "best_us": round(min(self.wall), 3),
            "processor_us": round(fmean(self.processor), 3),
            "segments_us": [round(t, 3) for t in self.wall],
        }


def _train_epoch(engine: FastEngine, epoch: int, order: Any) -> None:
    engine.begin_epoch(epoch, order)
    for start in range(0, len(order), BLOCK):
        engine.train(start, min(start + BLOCK, len(order)))
    engine.end_epoch()


def _peer_samples(training: Split) -> Samples:
    from peers import Samples

    count = min(PEER_SAMPLES, len(training))
    return Samples((training.codes[:count] / 256).astype("float32"), training.labels[:count])


def measure(samples: int, progress: Callable[[str], None]) -> dict[str, Any]:
    """Time the emulator and its peers in turn; returns the record."""
    import numpy as np
    import peers

    from neuro_emu import api, jit
    from neuro_emu.machine.initialise import initial_state
    from neuro_emu.numerics.words import sample_order
    from neuro_emu.training.engines import FastEngine

    experiment = api.load(CONFIG, [f"dataset.train={samples}"] if samples < 60000 else [])
    training, _, test = api.split_data(experiment, api.load_data(experiment))
    chip = experiment.chip
    progress("compiling")
    begin = time.perf_counter()
    engine = FastEngine(chip, initial_state(chip), training.codes, training.labels)
    setup = time.perf_counter() - begin - jit.compile_seconds()

    progress("warming up the peers")
    images = _peer_samples(training)
    away = peers.disagreement(images)
    if away > AGREEMENT:
        raise SystemExit(f"the peers descend differently: {away:.1e} of the way apart after a few steps")
    everyone: dict[str, Peer] = peers.all_peers(images)
    for peer in everyone.values():
        peer.train(0, WARM_UP)
    engine.infer(test.codes)  # lists the active inputs of the test samples once, as the first epoch of a run does

    times = {name: Timing() for name in (OURS, INFERENCE, *everyone)}
    step, epochs = WARM_UP, experiment.config.training.epochs
    for epoch in range(epochs):
        progress(f"round {epoch + 1} of {epochs}")
        order = sample_order(chip.learning.seed, epoch, len(training))
        times[OURS].time(lambda epoch=epoch, order=order: _train_epoch(engine, epoch, order), len(training))
        times[INFERENCE].time(lambda: engine.infer(test.codes), len(test))
        for name, peer in everyone.items():
            times[name].time(lambda peer=peer, step=step: peer.train(step, step + SEGMENT), SEGMENT)
        step += SEGMENT
    predictions = engine.infer(test.codes)
    return {
        "config": CONFIG.name,
        "config_digest": experiment.digest,
        "sources": jit.source_digest(),
        "samples": len(training),
        "epochs": epochs,
        "test_accuracy": round(100 * float(np.mean(predictions == test.labels)), 2),
        "compile_seconds": round(jit.compile_seconds(), 2),
        "setup_seconds": round(setup, 2),
        "peer_disagreement": away,
        "peer_steps": SEGMENT * epochs,
        "times": {name: timing.record() for name, timing in times.items()},
    }


def ratios(record: dict[str, Any]) -> dict[str, float]:
    """Return how many times longer than the emulator each peer takes."""
    ours = record["times"][OURS]["mean_us"]
    return {
        name: round(timing["median_us"] / ours, 1)
        for name, timing in record["times"].items()
        if name not in {OURS, INFERENCE}
    }


def check_peers(progress: Callable[[str], None]) -> dict[str, float]:
    """Train every peer on one pass of 20000 samples; returns its accuracy on 4000 test samples."""
    import peers

    from neuro_emu import api

    experiment = api.load(CONFIG)
    training, _, test = api.split_data(experiment, api.load_data(experiment))
    tested = peers.Samples((test.codes[:4000] / 256).astype("float32"), test.labels[:4000])
    found = {}
    for name, peer in peers.all_peers(_peer_samples(training)).items():
        progress(f"does it learn? {name}")
        peer.train(0, CHECK_STEPS)
        found[name] = round(peer.accuracy(tested), 2)
    return found


def missed_bars(record: dict[str, Any]) -> list[str]:
    """Return the bars that *record* misses, in words."""
    ours = record["times"][OURS]["mean_us"]
    missed = [] if ours <= BAR_MICROSECONDS else [f"{ours:.2f} µs a sample, bar {BAR_MICROSECONDS:g} µs"]
    missed += [
        f"{record['ratios'][name]:.1f} times faster than {name}, bar {bar:g}"
        for name, bar in BAR_RATIOS.items()
        if record["ratios"][name] < bar
    ]
    missed += [
        f"{name} reaches {accuracy:.1f} %, a peer that learns reaches {CHECK_ACCURACY:g} %"
        for name, accuracy in record.get("peer_accuracy", {}).items()
        if accuracy < CHECK_ACCURACY
    ]
    return missed


def report(record: dict[str, Any]) -> str:
    """Return the record as a table."""
    rows = []
    for name, timing in record["times"].items():
        ours = name in {OURS, INFERENCE}
        typical = timing["mean_us"] if name == OURS else timing["median_us"]
        ratio = "" if ours else f"{record['ratios'][name]:.1f}"
        bar = BAR_RATIOS.get(name)
        wanted = f"<= {BAR_MICROSECONDS:g} µs" if name == OURS else f">= {bar:g}" if bar else ""
        rows.append(
            (name, f"{typical:.2f}", f"{timing['best_us']:.2f}", f"{timing['processor_us']:.2f}", ratio, wanted)
        )
    epochs = " ".join(f"{t:.2f}" for t in record["times"][OURS]["segments_us"])
    return "\n".join(
        [
            common.table(("µs per sample", "typical", "best", "processor", "ratio", "bar"), rows),
            "",
            f"{record['config']}: {record['samples']} samples, {record['epochs']} epochs, "
            f"test accuracy {record['test_accuracy']:.2f} %",
            f"µs per sample, epoch by epoch: {epochs}",
            f"compiling {record['compile_seconds']:.2f} s (0 = cached), listing active inputs and the rest of the "
            f"set-up {record['setup_seconds']:.2f} s; neither is in the table",
        ]
    )


def main() -> int:
    """Run the benchmark; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=60000, metavar="N", help="training samples an epoch")
    parser.add_argument("--out", type=Path, default=common.RESULTS, metavar="DIR", help="where the result goes")
    parser.add_argument("--core", type=int, metavar="N", help="core to stay on (default: the last one)")
    parser.add_argument("--check-peer", action="store_true", help="also show that the peers learn (minutes)")
    parser.add_argument("--no-bars", action="store_true", help="only report")
    args = parser.parse_args()
    common.one_thread()
    core = common.pin(args.core)
    try:
        import torch
    except ImportError:
        parser.error("the peers need PyTorch: pip install -e '.[benchmark]'")
    torch.set_num_threads(1)
    # Adam's moments of inputs that are always 0 decay into subnormal numbers, which would slow the peer by half again.
    flushed = torch.set_flush_denormal(True)

    def progress(text: str) -> None:
        if sys.stderr.isatty():
            print(f"\r\033[K{text} …", end="", file=sys.stderr, flush=True)

    facts = common.environment("numpy", "numba", "torch")
    print(common.describe(facts))
    print("one thread" + (", free to move between cores" if core is None else f", pinned to core {core}") + "\n")
    record = facts | {"pinned_core": core, "flush_subnormals": flushed} | measure(args.samples, progress)
    record["ratios"] = ratios(record)
    if args.check_peer:
        record["peer_accuracy"] = check_peers(progress)
    record["load_average_after"] = common.load_average()
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr)
    print(report(record))
    for name, accuracy in record.get("peer_accuracy", {}).items():
        print(f"{name}: {accuracy:.1f} % after {CHECK_STEPS} samples")
    common.write_json(args.out / f"speed-{common.cpu_slug()}.json", record)
    return common.verdict(missed_bars(record), enforced=not args.no_bars)


if __name__ == "__main__":
    sys.exit(main())
