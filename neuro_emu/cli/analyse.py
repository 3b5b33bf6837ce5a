"""The verb `analyse`: why feedback aligns, and where training leads."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neuro_emu.errors import NeuroEmuError

if TYPE_CHECKING:
    from neuro_emu.config.experiment import Experiment
    from neuro_emu.datasets import Dataset
    from neuro_emu.report.progress import ProgressLine

PAPER, CHIP = Path("configs/papers/fa_review_paper.yaml"), Path("configs/papers/fa_review_chip.yaml")
"""What is analysed when no configuration is given: float twins with the paper's recipe, or integers of a chip."""
AT = (0, 1, 2, 5)
"""Epochs with the first rule, unless others are asked for."""

Prepared = tuple[str, Callable[["ProgressLine"], dict[str, Any]]]
"""The name of what is analysed, and what makes the record."""


def add_analyse(parser: argparse.ArgumentParser) -> None:
    """Configure `neuro-emu analyse`."""
    kinds = parser.add_subparsers(metavar="WHAT", required=True, dest="what")
    of_terms = kinds.add_parser("terms", help="what of the past turns W towards B, by order", description=terms.__doc__)
    _add_config(of_terms, f"mini-batches and fixed feedback (default: {PAPER})")
    of_terms.add_argument(
        "--orders", type=int, default=120, metavar="N", help="mini-batches to look back (default: 120)"
    )
    _add_fractions(of_terms, "0")
    _add_output(of_terms, terms)
    loop = kinds.add_parser("open-loop", help="alignment without a task", description=open_loop.__doc__)
    loop.add_argument("--iterations", type=int, default=300, metavar="N", help="updates (default: 300)")
    loop.add_argument("--seeds", type=int, default=10, metavar="N", help="draws to average over (default: 10)")
    _add_output(loop, open_loop)
    of_labels = kinds.add_parser("labels", help="labels without meaning", description=labels.__doc__)
    _add_config(of_labels)
    _add_datapath(of_labels)
    _add_fractions(of_labels, "0,25,50,75,100")
    _add_output(of_labels, labels)
    of_switch = kinds.add_parser("switch", help="one rule, then another", description=switch.__doc__)
    _add_config(of_switch)
    _add_datapath(of_switch)
    _add_to(of_switch)
    of_switch.add_argument(
        "--at", metavar="LIST", help="epochs with the first rule (default: 0,1,2,5 as far as training.epochs goes)"
    )
    _add_output(of_switch, switch)
    paths = kinds.add_parser("trajectories", help="where two rules lead", description=trajectories.__doc__)
    _add_config(paths)
    _add_datapath(paths)
    _add_to(paths)
    _add_output(paths, trajectories)


def _add_config(parser: argparse.ArgumentParser, text: str = f"default: {CHIP}, with --datapath float {PAPER}") -> None:
    parser.add_argument("config", nargs="?", type=Path, metavar="CONFIG", help=text)
    text = "override one setting, e.g. --set training.epochs=2; may be repeated"
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help=text)


def _add_datapath(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--datapath",
        choices=("fast", "float"),
        default="fast",
        help="fast: the integers of the chip; float: the float twin (default: fast)",
    )


def _add_fractions(parser: argparse.ArgumentParser, default: str) -> None:
    text = f"percent of the labels that are shuffled (default: {default})"
    parser.add_argument("--fractions", default=default, metavar="LIST", help=text)


def _add_to(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--to", default="bp", metavar="RULE", help="the second rule (default: bp)")


def _add_output(parser: argparse.ArgumentParser, prepare: Callable[[argparse.Namespace], Prepared]) -> None:
    text = "directory to write (default: runs/analyse-WHAT-NAME)"
    parser.add_argument("--out", type=Path, metavar="DIR", help=text)
    parser.add_argument("--json", action="store_true", help="print the record as JSON instead of the text")
    parser.set_defaults(verb=analyse, prepare=prepare)


def analyse(args: argparse.Namespace) -> int:
    """Analyse why feedback aligns and where training leads; write analysis.json, analysis.txt, analysis.svg."""
    from neuro_emu.api.analysis import write_analysis
    from neuro_emu.files import check_writable, json_text
    from neuro_emu.report.analysis import analysis_text
    from neuro_emu.report.progress import ProgressLine

    prepared: Prepared = args.prepare(args)
    name, work = prepared
    out = args.out or Path("runs") / "-".join(part for part in ("analyse", args.what, name) if part)
    check_writable(out)
    line = ProgressLine()
    try:
        record = work(line)
    finally:
        line.close()
    write_analysis(record, out)
    print(json_text(record) if args.json else f"{analysis_text(record)}wrote {out}", end="" if args.json else "\n")
    return 0


def terms(args: argparse.Namespace) -> Prepared:
    """Show how well each alignment term, a mini-batch and one some orders before it, is aligned with B (figure 3)."""
    from neuro_emu.api import analysis as api

    experiment = _load(args, PAPER)
    fractions = _numbers(args.fractions, "--fractions", float)

    def work(line: ProgressLine) -> dict[str, Any]:
        return api.alignment_terms(experiment, args.orders, fractions, fetch=_fetch, started=line.note)

    return experiment.config.name, work


def open_loop(args: argparse.Namespace) -> Prepared:
    """Show when feedback aligns without any task, with inputs and errors that are noise (figure 2b)."""
    from neuro_emu.api import analysis as api

    def work(line: ProgressLine) -> dict[str, Any]:
        return api.open_loops(args.iterations, args.seeds, started=line.note)

    return "", work


def labels(args: argparse.Namespace) -> Prepared:
    """Train with part of the labels shuffled: what becomes of accuracy and alignment (figure 5)."""
    from neuro_emu.api import analysis as api

    experiment = _load(args, _usual(args))
    fractions = _numbers(args.fractions, "--fractions", float)

    def work(line: ProgressLine) -> dict[str, Any]:
        return api.shuffled_labels(
            experiment,
            fractions,
            datapath=args.datapath,
            fetch=_fetch,
            started=line.note,
            report=line,
        )

    return experiment.config.name, work


def switch(args: argparse.Namespace) -> Prepared:
    """Train with the rule of CONFIG for some epochs, then with another rule (figure 7)."""
    from neuro_emu.api import analysis as api

    first = _load(args, _usual(args))
    second = api.with_rule(args.config or _usual(args), args.to, args.set, first)
    at = _numbers(args.at, "--at", int) if args.at else [n for n in AT if n <= first.config.training.epochs]

    def work(line: ProgressLine) -> dict[str, Any]:
        return api.switched((first, second), at, datapath=args.datapath, fetch=_fetch, started=line.note)

    return first.config.name, work


def trajectories(args: argparse.Namespace) -> Prepared:
    """Train two rules from equal weights and follow their parameters along two principal components (figure 6e)."""
    from neuro_emu.api import analysis as api

    first = _load(args, _usual(args))
    second = api.with_rule(args.config or _usual(args), args.to, args.set, first)

    def work(line: ProgressLine) -> dict[str, Any]:
        return api.trajectories((first, second), datapath=args.datapath, fetch=_fetch, started=line.note, report=line)

    return first.config.name, work


def _usual(args: argparse.Namespace) -> Path:
    """The configuration that is analysed when none is given."""
    return PAPER if args.datapath == "float" else CHIP


def _load(args: argparse.Namespace, usual: Path) -> Experiment:
    from neuro_emu.api import load
    from neuro_emu.cli import warn

    experiment = load(args.config or usual, args.set)
    warn(experiment.warnings)
    return experiment


def _fetch(experiment: Experiment) -> Dataset:
    from neuro_emu.cli import load_data_shown

    return load_data_shown(experiment)


def _numbers(text: str, option: str, kind: Callable[[str], Any]) -> list[Any]:
    """Read a comma-separated list."""
    try:
        return [kind(part) for part in text.split(",")]
    except ValueError:
        raise NeuroEmuError(f"{option} {text}: expected numbers with commas between them, e.g. 0,1,2") from None
