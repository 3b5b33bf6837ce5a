"""Time the DRTP convolutional chip beside PyTorch loops of the same network and rule, in turns on one core.

    python benchmarks/deep_speed.py [--rounds N] [--core N] [--out DIR] [--no-bars]

32c5p2-2p-500-10 on MNIST with fixed kernels. Ours is the chip of deep.py, in integers, batches of 100, its real shifts.
The peers are float32 on one thread with tensors loaded beforehand: *autograd* is the loop as one writes it, with Adam
or plain descent; *by hand* computes the three updates of DRTP without autograd. Milliseconds of the thread's own
processor time an image, medians of segments; the bar is ten times the fastest peer at batch 1. The products of a 3×3
convolution of 16×16×64 → 256 are timed beside them, gathering of patches included.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import common

OURS, CLASSES = "drtp_conv_mnist", 10
SEGMENT = {OURS: 2000, "autograd, Adam": 40, "autograd, SGD": 40, "by hand, SGD": 80, "autograd, Adam, batch 100": 1000}
"""Images of a segment."""
BAR, GMAC_BAR = 10.0, 90.0
SHAPE = (16, 16, 64, 256)


def ours(images: Any, labels: Any) -> Callable[[int, int], None]:
    """Our chip, in the middle of its schedule: images *start* … *stop* − 1 of an epoch without end."""
    import deep
    import numpy as np

    from neuro_emu.machine.deep.initialise import initial_state
    from neuro_emu.training.deep_engine import DeepEngine

    chip = deep.chip_of(deep.SETTINGS["centred"], 1)
    engine = DeepEngine(chip, initial_state(chip), images, labels)

    def run(start: int, stop: int) -> None:
        engine.begin_epoch(0, np.arange(start, stop) % len(labels))
        engine.train(0, stop - start)

    return run


class Peer:
    """DRTP on 32c5p2-2p-500-10 in PyTorch; the labels' rows of B stand in for the hidden errors."""

    def __init__(self, images: Any, labels: Any, optimiser: str, batch: int, *, autograd: bool) -> None:
        import torch

        torch.manual_seed(1)
        self._torch, self._autograd, self._rate = torch, autograd, 1e-3
        whole = len(labels) // batch * batch
        pixels = torch.from_numpy(images[:whole].astype("float32") / 255).reshape(-1, 1, 28, 28)
        classes = torch.from_numpy(labels[:whole].astype("int64"))
        self._images = pixels.split(batch)
        self._labels, self._targets = classes.split(batch), torch.eye(CLASSES)[classes].split(batch)
        self._batch = batch
        self._kernels = torch.nn.Conv2d(1, 32, 5, padding=2).requires_grad_(requires_grad=False)
        self._hidden, self._last = torch.nn.Linear(6272, 500), torch.nn.Linear(500, CLASSES)
        for layer in (self._hidden, self._last):
            layer.requires_grad_(autograd)
        self._feedback = torch.empty(CLASSES, 500).uniform_(-1, 1)
        learning = [*self._hidden.parameters(), *self._last.parameters()]
        made = {"Adam": torch.optim.Adam, "SGD": torch.optim.SGD}[optimiser]
        self._optimiser = made(learning, lr=1.5e-4 if optimiser == "Adam" else self._rate) if autograd else None

    def run(self, start: int, stop: int) -> None:
        """Images *start* … *stop* − 1, batch by batch."""
        for step in range(start // self._batch, stop // self._batch):
            at = step % len(self._images)
            (self._by_autograd if self._autograd else self._by_hand)(at)

    def _by_autograd(self, at: int) -> None:
        torch, optimiser = self._torch, self._optimiser
        assert optimiser is not None
        optimiser.zero_grad()
        functional = torch.nn.functional
        patches = functional.max_pool2d(torch.tanh(self._kernels(self._images[at])), 2).flatten(1)
        y = torch.tanh(self._hidden(patches))
        torch.autograd.backward(y, self._feedback[self._labels[at]])
        predicted = torch.sigmoid(self._last(y.detach()))
        functional.binary_cross_entropy(predicted, self._targets[at], reduction="sum").backward()
        optimiser.step()

    def _by_hand(self, at: int) -> None:
        torch = self._torch
        with torch.inference_mode():
            patches = torch.nn.functional.max_pool2d(torch.tanh(self._kernels(self._images[at])), 2).flatten(1)
            y = torch.tanh(self._hidden(patches))
            error = torch.sigmoid(self._last(y)) - self._targets[at]
            delta = self._feedback[self._labels[at]] * (1 - y * y)
            for layer, d, h in ((self._hidden, delta, patches), (self._last, error, y)):
                layer.weight.addmm_(d.T, h, alpha=-self._rate)
                layer.bias.sub_(d.sum(0), alpha=self._rate)


def products(repeats: int = 5) -> float:
    """GMAC/s of 3×3 products of 16×16×64 → 256, patches gathered, u8 × s8."""
    import numpy as np

    from neuro_emu.datapath.deep.products import Products
    from neuro_emu.network.deep.builder import Builder, Formats
    from neuro_emu.numerics.formats import Format

    height, width, channels, units = SHAPE
    byte, code = Format.parse("s8f7"), Format.parse("u8f8")
    made = Builder((height, width, channels), code)
    made.conv(units, 3, Formats(byte, code, byte), padding=1, activation="relu")
    node, draw = made.layers[0], np.random.default_rng(1)
    x = draw.integers(0, 256, (64, *SHAPE[:3])).astype(np.uint8)
    weights = draw.integers(-128, 128, (node.rows, units)).astype(np.int32)
    work = Products()
    packed = work.pack(weights, node.depth, node.bias_code, code, 1)
    times = []
    for _ in range(repeats + 1):
        begun = time.thread_time()
        work.product(x, node.window, units, packed)
        times.append(time.thread_time() - begun)
    return len(x) * node.positions * node.depth * units / median(times[1:]) / 1e9


def measure(rounds: int) -> dict[str, Any]:
    """All of it: milliseconds an image by name, ratios to ours, GMAC/s."""
    from neuro_emu import datasets

    data = datasets.load("mnist")
    images, labels = data.train_images, data.train_labels
    contestants: dict[str, Callable[[int, int], None]] = {OURS: ours(images, labels)}
    for name, optimiser, batch, autograd in (
        ("autograd, Adam", "Adam", 1, True),
        ("autograd, SGD", "SGD", 1, True),
        ("by hand, SGD", "SGD", 1, False),
        ("autograd, Adam, batch 100", "Adam", 100, True),
    ):
        contestants[name] = Peer(images[:10_000], labels[:10_000], optimiser, batch, autograd=autograd).run
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for turn in range(rounds + 1):
        for name, run in contestants.items():
            count, begun = SEGMENT[name], time.thread_time()
            run(turn * count, (turn + 1) * count)
            if turn:  # the first warms up
                times[name].append((time.thread_time() - begun) / count * 1e3)
    typical = {name: median(seen) for name, seen in times.items()}
    return {
        "milliseconds": {name: round(ms, 4) for name, ms in typical.items()},
        "best": {name: round(min(seen), 4) for name, seen in times.items()},
        "ratios": {name: round(ms / typical[OURS], 1) for name, ms in typical.items()},
        "gmac_per_second": round(products(), 1),
    }


def main() -> int:
    """Measure, print, and say whether the bars are reached."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9, metavar="N", help="segments of each (default: 9)")
    parser.add_argument("--core", type=int, metavar="N", help="core to stay on (default: the last one)")
    parser.add_argument("--out", type=Path, default=common.RESULTS, metavar="DIR", help="where the result goes")
    parser.add_argument("--no-bars", action="store_true", help="only report")
    given = parser.parse_args()
    common.one_thread()
    common.pin(given.core)
    facts = common.environment("numpy", "numba", "torch")
    found = measure(given.rounds)
    print(common.describe(facts))
    rows = [
        (name, f"{ms:.3f}", f"{found['best'][name]:.3f}", f"{found['ratios'][name]:.1f}")
        for name, ms in found["milliseconds"].items()
    ]
    print(common.table(("ms an image", "typical", "best", "x ours"), rows))
    print(f"3x3 products of {'x'.join(map(str, SHAPE))}: {found['gmac_per_second']:.0f} GMAC/s")
    common.write_json(given.out / f"deep-speed-{common.cpu_slug()}.json", {"machine": facts, **found})
    alone = {name: ratio for name, ratio in found["ratios"].items() if name != OURS and "batch" not in name}
    missed = [f"{name}: {ratio:.1f} of {BAR:.0f}" for name, ratio in alone.items() if ratio < BAR]
    if found["gmac_per_second"] < GMAC_BAR:
        missed.append(f"products: {found['gmac_per_second']} of {GMAC_BAR} GMAC/s")
    return common.verdict(missed, enforced=not given.no_bars)


if __name__ == "__main__":
    sys.exit(main())
