"""The verb `papers`: published experiments, run again."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

FOLDER = Path("configs/papers")


def add_papers(parser: argparse.ArgumentParser) -> None:
    """Configure `neuro-emu papers`."""
    parser.add_argument("studies", nargs="*", metavar="STUDY", help="studies to run (default: all; see --list)")
    parser.add_argument("--list", action="store_true", help="list the studies and run nothing")
    parser.add_argument(
        "--only",
        action="append",
        choices=("paper", "chip", "twin"),
        help="float twins with the recipe"
        " of the paper, the integers of a chip, or their own twins; may be repeated (default: all)",
    )
    parser.add_argument("--configs", type=Path, default=FOLDER, metavar="DIR", help=f"studies (default: {FOLDER})")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("runs/papers"),
        metavar="DIR",
        help="results, kept there so that an interrupted set goes on (default: runs/papers)",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="override one setting of every training, e.g. --set training.epochs=2; may be repeated",
    )
    parser.add_argument("--json", action="store_true", help="print the record as JSON instead of the table")
    parser.set_defaults(verb=papers)


def papers(args: argparse.Namespace) -> int:
    """Run published experiments again and print them beside the papers; write papers.json, papers.txt, papers.svg."""
    from neuro_emu.api import papers as api
    from neuro_emu.files import check_writable, json_text
    from neuro_emu.report.papers import papers_row, papers_table
    from neuro_emu.report.progress import ProgressLine

    if args.list:
        for name, study in api.read_studies(args.configs).items():
            rows = ", ".join(row.name for row in study.rows)
            print(f"{name:20} {study.network}: {rows}\n{'':20} {study.source}")
        return 0
    check_writable(args.out)
    line = ProgressLine()
    seen: set[str] = set()

    def finished(study: str, entry: dict[str, Any]) -> None:
        line.note("")
        if not args.json:
            if study not in seen:
                print(study)
            seen.add(study)
            print(papers_row(entry), flush=True)

    try:
        record = api.run_papers(
            args.configs,
            args.studies,
            out=args.out,
            kinds=args.only or api.KINDS,
            overrides=args.set,
            started=line.note,
            report=line,
            finished=finished,
        )
    finally:
        line.close()
    api.write_papers(record, args.out)
    print(
        json_text(record) if args.json else "\n" + papers_table(record) + f"wrote {args.out}",
        end="" if args.json else "\n",
    )
    return 0
