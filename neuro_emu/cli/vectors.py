"""The verbs around the RTL: golden vectors and co-simulation."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from neuro_emu.errors import NeuroEmuError

if TYPE_CHECKING:
    from neuro_emu.cosim.longrun import LongVerdict
    from neuro_emu.cosim.session import Verdict
    from neuro_emu.report.progress import ProgressLine

_SET_HELP = "override one setting, e.g. --set machine.lanes=8; may be repeated"


def add_golden(parser: argparse.ArgumentParser) -> None:
    """Configure `neuro-emu golden`."""
    parser.add_argument("config", type=Path, metavar="CONFIG", help="YAML file, e.g. configs/drtp_mnist.yaml")
    parser.add_argument("--out", type=Path, metavar="DIR", help="directory to write (default: vectors/NAME-DIGEST)")
    _add_common(parser)
    parser.set_defaults(verb=golden)


def add_cosim(parser: argparse.ArgumentParser) -> None:
    """Configure `neuro-emu cosim`."""
    parser.add_argument("target", type=Path, metavar="CONFIG|DIR", help="configuration, or directory of golden vectors")
    parser.add_argument(
        "--simulator",
        choices=("verilator", "icarus"),
        default="verilator",
        help="verilator: fast; icarus: four-state logic, slow (default: verilator)",
    )
    _add_common(parser)
    parser.add_argument(
        "--rtl",
        type=Path,
        nargs="+",
        metavar="FILE",
        help="with a DIR: your own chip, a module nemu_dut with the ports of DIR/nemu_dut.sv and all it needs",
    )
    parser.add_argument("--no-trace", action="store_true", help="with a DIR: the chip has no trace port")
    parser.add_argument("--no-cycles", action="store_true", help="with a DIR: clock cycles may differ")
    parser.add_argument(
        "--waves", type=Path, metavar="FILE.vcd", help="waveform of 200 cycles around the first mismatch"
    )
    parser.add_argument(
        "--long", type=int, metavar="N", help="also N samples without trace, block by block (0: a whole epoch)"
    )
    parser.add_argument("--json", action="store_true", help="print the verdict as JSON")
    parser.set_defaults(verb=cosim)


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--samples", type=int, default=5, metavar="N", help="natural samples, the first of epoch 0 (default: 5)"
    )
    parser.add_argument("--no-adversarial", action="store_true", help="natural samples only")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help=_SET_HELP)


def golden(args: argparse.Namespace) -> int:
    """Export golden vectors: memory images, stimuli, trace, final weights, RTL and a self-checking testbench."""
    from neuro_emu import api
    from neuro_emu.api.rtl import export_golden
    from neuro_emu.cli import load_data_shown, warn
    from neuro_emu.report.progress import ProgressLine
    from neuro_emu.report.vectors import exported

    _check_samples(args)
    experiment = api.load(args.config, args.set)
    warn(experiment.warnings)
    chip = experiment.dense_chip("golden vectors")
    out = args.out or Path("vectors") / f"{experiment.config.name}-{experiment.digest[:8]}"
    data = load_data_shown(experiment)
    line = ProgressLine()
    try:
        sets = export_golden(
            experiment, out, samples=args.samples, adversarial=not args.no_adversarial, data=data, report=line.note
        )
    finally:
        line.close()
    print(exported(chip, sets, out), end="")
    return 0


def cosim(args: argparse.Namespace) -> int:
    """Run golden vectors through the RTL in a simulator; names the first mismatch and its likely cause."""
    from neuro_emu.files import json_text
    from neuro_emu.report.progress import ProgressLine

    _check_samples(args)
    line = ProgressLine()
    try:
        verdict, long = _directory(args, line) if args.target.is_dir() else _configuration(args, line)
    finally:
        line.close()
    if args.json:
        record = verdict.as_dict()
        if long:
            record["long"] = long.as_dict()
        print(json_text(record), end="")
    else:
        print(verdict)
        if long:
            print(f"long run: {long}")
    return int(verdict.mismatch is not None or (long is not None and long.mismatch is not None))


def _directory(args: argparse.Namespace, line: ProgressLine) -> tuple[Verdict, LongVerdict | None]:
    from neuro_emu.api.rtl import cosimulate_vectors

    if args.set or args.long is not None or args.no_adversarial:
        raise NeuroEmuError("--set, --long and --no-adversarial need a configuration, not a directory of vectors")
    verdict = cosimulate_vectors(
        args.target,
        simulator=args.simulator,
        rtl=args.rtl or (),
        trace=not args.no_trace,
        cycles=not args.no_cycles,
        waves=args.waves,
        report=line.note,
    )
    return verdict, None


def _configuration(args: argparse.Namespace, line: ProgressLine) -> tuple[Verdict, LongVerdict | None]:
    from neuro_emu import api
    from neuro_emu.api.rtl import cosimulate, cosimulate_long
    from neuro_emu.cli import load_data_shown, warn

    if args.rtl or args.no_trace or args.no_cycles:
        raise NeuroEmuError("--rtl, --no-trace and --no-cycles need a directory: `neuro-emu golden` writes one")
    experiment = api.load(args.target, args.set)
    warn(experiment.warnings)
    data = load_data_shown(experiment)
    verdict = cosimulate(
        experiment,
        simulator=args.simulator,
        samples=args.samples,
        adversarial=not args.no_adversarial,
        data=data,
        waves=args.waves,
        report=line.note,
    )
    if args.long is None or verdict.mismatch:
        return verdict, None
    return verdict, cosimulate_long(experiment, args.long or None, data=data, report=line.count)


def _check_samples(args: argparse.Namespace) -> None:
    if args.samples < 1:
        raise NeuroEmuError(f"--samples {args.samples}: at least one")
