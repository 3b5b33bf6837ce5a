"""The RTL against the emulator at length, in Verilator: random chips, and a whole epoch of MNIST.

python benchmarks/cosim.py chips [--chips 400]     random chips on a few builds; 0 mismatches or exit code 1
python benchmarks/cosim.py epoch [--config FILE]   60,000 samples learned by the RTL and by the emulator
"""

import argparse
import sys
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests" / folder) for folder in (".", "datapath", "cosim")]

EPOCH = ROOT / "configs" / "drtp_100.yaml"


def chips(count, first):
    """Random chips: wide builds that hold hundreds, one-lane builds, and the smallest build of single chips."""
    from rtl_chips import check, drawn

    from neuro_emu.cosim.rtl import Rtl
    from neuro_emu.golden.build import Build

    exact = max(count // 25, 1)
    one_lane = max(count // 10, 1)
    parts = {
        "any chip on one build": [drawn(count - exact - one_lane, number=first)],
        "one lane, one bank, one activation unit": [
            drawn(one_lane, number=first + 1, most_lanes=1, weight_banks=1, activation_units=1)
        ],
        "the smallest build of each chip": [drawn(1, number=first + 100 + n, most_lanes=6) for n in range(exact)],
    }
    total, kinds = Counter(), Counter()
    for name, lots in parts.items():
        begin, done = time.monotonic(), Counter()
        for found in lots:
            build = Build.of_all([case.chip for case in found])
            with Rtl(build) as rtl:
                for case in found:
                    done += check(rtl, case)
                    done["chips"] += 1
                    kinds.update(kinds_of(case.chip))
        total += done
        print(f"{name}: {summary(done)}, {time.monotonic() - begin:.0f} s", flush=True)
    print(f"0 mismatches: {summary(total)}")
    print("chips by kind: " + ", ".join(f"{name} {n}" for name, n in sorted(kinds.items())))


def summary(counts):
    return ", ".join(f"{counts[name]:,} {name}" for name in ("chips", "samples", "records", "cycles"))


def kinds_of(chip):
    yield chip.learning.rule.name
    yield f"{len(chip.network.layers)} layers"
    yield f"zero_input {chip.design.zero_input.value}"
    yield f"rounding {chip.numerics.update_rounding.value}"
    yield f"words {chip.numerics.word_source.value}"
    yield f"accumulator {chip.numerics.accumulator_overflow.value}"
    yield f"weights {chip.numerics.overflow.value}"
    yield f"banks {chip.design.weight_banks}"
    yield "mini-batch" if chip.learning.batch > 1 else "on line"
    if chip.learning.error_gate is not None:
        yield "error gate"


def epoch(config):
    """A whole epoch; says the rates of both sides."""
    from neuro_emu import load
    from neuro_emu.api.rtl import cosimulate_long
    from neuro_emu.report.progress import ProgressLine

    experiment = load(config)
    line = ProgressLine()
    begin, cpu = time.monotonic(), time.process_time()
    verdict = cosimulate_long(experiment, report=line.count)
    line.close()
    wall, cpu = time.monotonic() - begin, time.process_time() - cpu
    print(f"{experiment.config.name}, {experiment.chip.network}: {verdict}")
    print(f"{wall:.0f} s, {cpu:.0f} s of CPU, {verdict.cycles / cpu / 1e6:.2f} million cycles a second")
    return int(verdict.mismatch is not None)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    some = verbs.add_parser("chips")
    some.add_argument("--chips", type=int, default=400, metavar="N", help="default: 400")
    some.add_argument("--seed", type=int, default=0, metavar="N", help="other chips (default: 0)")
    whole = verbs.add_parser("epoch")
    whole.add_argument("--config", type=Path, default=EPOCH, metavar="FILE")
    args = parser.parse_args()
    if args.verb == "epoch":
        return epoch(args.config)
    try:
        chips(args.chips, args.seed * 1000)
    except AssertionError as error:
        print(f"MISMATCH {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
