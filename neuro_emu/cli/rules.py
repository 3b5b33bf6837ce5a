"""The verbs that set rules side by side: `rules` and `compare`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from neuro_emu.errors import NeuroEmuError

_SET_HELP = "override one setting for all rules, e.g. --set training.epochs=2; may be repeated"


def add_rules(parser: argparse.ArgumentParser) -> None:
    """Configure `neuro-emu rules`."""
    parser.add_argument(
        "config", nargs="?", type=Path, metavar="CONFIG", help="design point (default: 784-128-128-10, 8 bits)"
    )
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help=_SET_HELP)
    parser.add_argument("--json", action="store_true", help="print the record as JSON")
    parser.set_defaults(verb=rules)


def add_compare(parser: argparse.ArgumentParser) -> None:
    """Configure `neuro-emu compare`."""
    parser.add_argument("config", type=Path, metavar="CONFIG", help="design point, e.g. configs/rules_mnist.yaml")
    parser.add_argument("--rules", default="all", metavar="LIST", help="all, or names: drtp,dfa,bp (default: all)")
    parser.add_argument("--seeds", type=int, default=1, metavar="N", help="train N seeds of each rule (default: 1)")
    parser.add_argument("--float", action="store_true", help="also train the float twins (slow)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="directory to write (default: runs/compare-NAME)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help=_SET_HELP)
    parser.add_argument("--json", action="store_true", help="print the record as JSON instead of the table")
    parser.set_defaults(verb=compare)


def rules(args: argparse.Namespace) -> int:
    """List the learning rules: what hidden layers wait for, extra memory, feedback, multiplications, options."""
    from neuro_emu.api import rules as api
    from neuro_emu.files import json_text
    from neuro_emu.report.comparison import rules_list

    if args.set and args.config is None:
        raise NeuroEmuError("--set needs a CONFIG to override")
    record = api.rules_table(args.config, args.set)
    print(json_text(record) if args.json else rules_list(record), end="")
    return 0


def compare(args: argparse.Namespace) -> int:
    """Train several rules on one design point; write compare.json, compare.txt, compare.svg."""
    from neuro_emu.api import load
    from neuro_emu.api import rules as api
    from neuro_emu.cli import load_data_shown
    from neuro_emu.files import check_writable, json_text
    from neuro_emu.report.comparison import comparison_header, comparison_row
    from neuro_emu.report.progress import ProgressLine

    if args.seeds < 1:
        raise NeuroEmuError(f"--seeds {args.seeds}: train at least one seed")
    names = api.rule_names(args.rules)
    first = load(args.config, args.set)
    out = args.out or Path("runs") / f"compare-{first.config.name}"
    check_writable(out)
    line = ProgressLine()

    def finished(entry: dict[str, Any]) -> None:
        line.note("")
        if not args.json:
            print(comparison_row(entry), flush=True)

    if not args.json:
        regression = first.chip.learning.targets.regression
        print(comparison_header(args.float, regression=regression), flush=True)
    try:
        record = api.compare(
            args.config,
            args.rules if args.rules == "all" else names,
            args.set,
            seeds=args.seeds,
            with_float=args.float,
            data=load_data_shown(first),
            started=line.note,
            report=line,
            finished=finished,
        )
    finally:
        line.close()
    api.write_comparison(record, out)
    print(json_text(record) if args.json else f"wrote {out}", end="" if args.json else "\n")
    return 0
