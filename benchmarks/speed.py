"""How fast one sample is: the emulator beside float loops, its own RTL in Verilator, and what the processor allows.

    python benchmarks/speed.py [PART ...] [--samples N] [--out DIR] [--check-peer] [--no-bars]

Parts (default: all, about ten minutes; only then the result is written):

    drtp       drtp_mnist, vector and portable code, against PyTorch (autograd: Adam, fused Adam, plain SGD; by hand)
               and NumPy, one sample a step, and against PyTorch with batches of 60
    nearest    16-bit weights rounded to nearest        dfa, bp, kp  other rules, each against its own loop
    two        two hidden layers                        batch        mini-batches of 60
    inference  against batches of 1000                  rtl          the same chip in Verilator
    threads    two against one                          memory       most memory of training drtp_mnist
    peaks      measured peaks of the processor, the event-driven limit of a training sample (roofline.py), products

Everything but `threads` and `memory` runs in this process on one thread, pinned to one core where the system allows
it, in turns (contest.py). Subnormal numbers are flushed to 0, which only the peers notice: it makes Adam faster.
Compiling and listing active inputs are not in the times. The bars are meant for x86 with AVX-512 VNNI; elsewhere they
are only reported.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import Any

import common
import speed_parts
from contest import PEER_SAMPLES, Progress, peer_samples
from speed_parts import Check

CHECK_ACCURACY, CHECK_ANGLE, CHECK_STEPS = 80.0, 45.0, 2000
AGREEMENT = 1e-3


def check_peers(progress: Progress) -> list[Check]:
    """Train every peer for a pass of 20000 samples, at least 2000 steps; checks what it learned on test samples."""
    import peers

    from neuro_emu import api

    experiment = api.load(common.CONFIGS / "drtp_mnist.yaml")
    training, _, test = api.split_data(experiment, api.load_data(experiment))
    tested = peers.Samples((test.codes[:4000] / 256).astype("float32"), test.labels[:4000])
    found = []
    for name, make in peers.MAKERS.items():
        if not name.startswith("torch inference"):
            progress(f"does it learn? {name}")
            peer = make(peer_samples(training))
            peer.run(0, max(PEER_SAMPLES // peer.batch, CHECK_STEPS))
            found.append(Check(f"{name} learns", peer.accuracy(tested), CHECK_ACCURACY, " %"))
            if isinstance(peer, peers.Autograd) and peer.twinned:
                found.append(Check(f"{name}, B to weights", peer.feedback_angle(), CHECK_ANGLE, "°", most=True))
    return found


def check_agreement() -> float:
    """Say by how much the three plain descents differ.

    Raises:
        SystemExit: if they do not descend alike.

    """
    import peers

    from neuro_emu import api

    experiment = api.load(common.CONFIGS / "drtp_mnist.yaml", ["dataset.train=1000"])
    training, _, _ = api.split_data(experiment, api.load_data(experiment))
    away = peers.disagreement(peer_samples(training))
    if away > AGREEMENT:
        raise SystemExit(f"the peers descend differently: {away:.1e} of the way apart after a few steps")
    return away


def table_of(result: dict[str, Any]) -> str:
    """Return the times of a part: ours numbered, and how many times longer than each of them a peer takes."""
    times = result["times"]
    ours = [name for name, timing in times.items() if not timing.get("peer")]
    compared = ours if len(ours) < len(times) else []
    rows = []
    for name, timing in times.items():
        found = [f"{timing[key]:.2f}" for key in ("typical_us", "best_us", "wall_us")]
        ratios = [f"{speed_parts.ratio(result, o, name):.1f}" if timing.get("peer") else "" for o in compared]
        accuracy = timing.get("test_accuracy")
        label = f"{ours.index(name) + 1} {name}" if name in compared else name
        rows.append((label, *found, *ratios, "" if accuracy is None else f"{accuracy:.2f} %"))
    numbers = [f"x {n + 1}" for n in range(len(compared))]
    return common.table(("µs per sample", "typical", "best", "clock", *numbers, "accuracy"), rows)


def describe(name: str, result: dict[str, Any]) -> str:
    """Return what a part found."""
    if "skipped" in result:
        return f"{name}: skipped: {result['skipped']}"
    lines = [f"{name}:", *([table_of(result)] if "times" in result else [])]
    compiled = sum(timing.get("compile_seconds", 0) for timing in result.get("times", {}).values())
    if compiled:
        lines.append(f"compiling {compiled:.1f} s, not in the table")
    if name == "memory":
        cold = f", {result['peak_mb_compiling']:.0f} MB when it compiles" if "peak_mb_compiling" in result else ""
        lines.append(f"{result['peak_mb']:.0f} MB with compiled kernels{cold}")
    if name == "peaks":
        bound = result["limit"]
        lines += [
            f"VNNI {bound['vnni_gmac_per_second']:.0f} GMAC/s; {bound['level']}, which holds the weights, is read,"
            f" changed and written at {bound['level_gb_per_second']:.0f} GB/s",
            f"event-driven limit {bound['limit_us']:.2f} µs: {bound['macs']:,} MACs {bound['forward_us']:.2f} µs,"
            f" {bound['updated_bytes']:,} bytes updated {bound['update_us']:.2f} µs; ours reaches"
            f" {bound['share_percent']:.0f} % of it",
            "products, GMAC/s: " + ", ".join(f"{name} {p['gmac']:.0f}" for name, p in result["products"].items()),
        ]
    return "\n".join(lines)


def draw(result: dict[str, Any], folder: Path) -> None:
    """Write the roofline."""
    from peaks import SHAPES
    from roofline import Peaks
    from roofline_picture import picture, point_of, product_point

    peaks = Peaks(result["vnni_gmac_per_second"], result["read_gb_per_second"], result["change_gb_per_second"])
    points = [point_of(name, timing, infers="inference" in name) for name, timing in result["times"].items()]
    points += [product_point(name, SHAPES[name], one["gmac"]) for name, one in result["products"].items()]
    path = folder / f"roofline-{common.cpu_slug()}.svg"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(picture(f"One core of {common.cpu_model()}", peaks, points), encoding="utf-8")
    print(f"wrote {path.name}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(speed_parts.PARTS)}")
    parser.add_argument("--samples", type=int, default=speed_parts.WHOLE, metavar="N", help="of ours an epoch")
    parser.add_argument("--out", type=Path, metavar="DIR", help="where results go, those of single parts too")
    parser.add_argument("--core", type=int, metavar="N", help="core to stay on (default: the last one)")
    parser.add_argument("--check-peer", action="store_true", help="also show that the peers learn (minutes)")
    parser.add_argument("--no-bars", action="store_true", help="only report")
    args = parser.parse_args()
    unknown = set(args.parts) - set(speed_parts.PARTS)
    if unknown:
        parser.error(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(speed_parts.PARTS)}")
    return args


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\033[K{text} …", end="", file=sys.stderr, flush=True)


def _erase() -> None:
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr)


def _measure(args: argparse.Namespace, cores: list[int]) -> dict[str, Any]:
    """Measure the parts asked for and print each as soon as it is known."""
    setting = speed_parts.Setting(args.samples, cores, _progress)
    found: dict[str, Any] = {}
    for name in args.parts or speed_parts.PARTS:
        begin = time.perf_counter()
        result = speed_parts.PARTS[name](setting)
        result["seconds"] = round(time.perf_counter() - begin, 1)
        found[name] = result
        _erase()
        print(describe(name, result) + "\n", flush=True)
    return found


def main() -> int:
    """Run the benchmark; returns the exit code."""
    args = _arguments()
    common.one_thread()
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    core = common.pin(args.core)
    try:
        import torch
    except ImportError:
        raise SystemExit("the peers need PyTorch: pip install -e '.[benchmark]'") from None
    torch.set_num_threads(1)
    # Adam's moments of inputs that are always 0 decay into subnormal numbers, which would slow the peer by half again.
    flushed = torch.set_flush_denormal(True)
    facts = common.environment("numpy", "numba", "torch")
    print(common.describe(facts))
    print("one thread" + (", free to move between cores" if core is None else f", pinned to core {core}") + "\n")
    away = check_agreement()
    parts = _measure(args, cores)
    checks = [check for name, result in parts.items() for check in speed_parts.checks(name, result)]
    checks += check_peers(_progress) if args.check_peer else []
    _erase()
    rows = [(c.what, f"{c.value:.1f}{c.unit}", c.wanted, "" if c.met else "MISSED") for c in checks]
    print(common.table(("bar", "measured", "wanted", ""), rows))
    record = facts | {
        "pinned_core": core,
        "flush_subnormals": flushed,
        "peer_disagreement": away,
        "load_average_after": common.load_average(),
        "checks": [check.record() for check in checks],
        "parts": parts,
    }
    if args.out or not args.parts:
        folder = args.out or common.RESULTS
        common.write_json(folder / f"speed-{common.cpu_slug()}.json", record)
        if "times" in parts.get("peaks", {}):
            draw(parts["peaks"], folder)
    missed = sum(not check.met for check in checks)
    print(f"{missed} of {len(checks)} bars missed" if missed else "every bar met")
    return int(missed > 0 and not args.no_bars and common.has_vnni())


if __name__ == "__main__":
    sys.exit(main())
