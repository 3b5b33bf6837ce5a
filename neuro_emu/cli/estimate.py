"""The verbs about cost: `estimate`, `chips`, `technologies`."""

from __future__ import annotations

import argparse
from pathlib import Path

from neuro_emu.errors import NeuroEmuError

CHIPS = Path("configs/chips")


def add_estimate(parser: argparse.ArgumentParser) -> None:
    """Configure `neuro-emu estimate`."""
    parser.add_argument(
        "config", type=Path, metavar="CONFIG", help="configuration, or a run directory: then its counts"
    )
    parser.add_argument(
        "--technology", metavar="T", help="see `neuro-emu technologies`, or a YAML file (default: config)"
    )
    parser.add_argument("--voltage", type=float, metavar="V", help="supply in V (default: config, or the technology's)")
    parser.add_argument("--clock", type=float, metavar="F", help="clock in MHz (default: machine.clock_mhz)")
    parser.add_argument(
        "--density",
        metavar="D[,D…]",
        help="share of input codes that are not 0, by layer (default: that of the data set)",
    )
    parser.add_argument(
        "--learning",
        type=float,
        default=1.0,
        metavar="SHARE",
        help="share of the samples that hidden layers learn from, with an error gate (default: 1)",
    )
    parser.add_argument(
        "--constants", action="append", default=[], metavar="FILE", help="constants of your own; may be repeated"
    )
    parser.add_argument(
        "--tables", nargs=2, type=Path, metavar=("ERT", "ART"), help="energies and areas of your own, by part"
    )
    parser.add_argument("--export", type=Path, metavar="DIR", help="write ERT.yaml and ART.yaml there")
    parser.add_argument(
        "--toggles", type=int, default=0, metavar="N", help="look at the operands of N samples instead of typical ones"
    )
    parser.add_argument(
        "--external",
        type=float,
        metavar="KIB",
        help="add external memory: KIB on the chip hold parameters and kept activations, the rest lies outside",
    )
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="write estimate.json, estimate.txt and estimate.svg there"
    )
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override one setting")
    parser.add_argument("--full", action="store_true", help="print every part, use and constant, with the arithmetic")
    parser.add_argument("--json", action="store_true", help="print the record as JSON")
    parser.set_defaults(verb=estimate)


def add_chips(parser: argparse.ArgumentParser) -> None:
    """Configure `neuro-emu chips`."""
    parser.add_argument("chips", nargs="*", type=Path, metavar="FILE", help=f"presets (default: all of {CHIPS})")
    parser.add_argument("--json", action="store_true", help="print the comparison as JSON")
    parser.set_defaults(verb=chips)


def add_technologies(parser: argparse.ArgumentParser) -> None:
    """Configure `neuro-emu technologies`."""
    parser.add_argument("technology", nargs="?", metavar="T", help="show the constants of one, by name or YAML file")
    parser.add_argument("--constants", action="append", default=[], metavar="FILE", help="constants of your own")
    parser.add_argument("--components", action="store_true", help="list the components that parts can be")
    parser.add_argument("--json", action="store_true", help="print as JSON")
    parser.set_defaults(verb=technologies)


def _density(text: str | None) -> tuple[float, ...] | None:
    if text is None:
        return None
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise NeuroEmuError(f"--density {text}: write shares between 0 and 1, e.g. 0.19 or 0.19,0.6") from None


def estimate(args: argparse.Namespace) -> int:
    """Estimate energy, power, area and leakage of a chip; nothing is trained."""
    from neuro_emu.api import estimate as api
    from neuro_emu.cli import warn
    from neuro_emu.files import json_text
    from neuro_emu.report.estimate import estimate_text

    for name in ("voltage", "clock"):
        value = getattr(args, name)
        if value is not None and not 0 < value < float("inf"):
            raise NeuroEmuError(f"--{name} {value:g}: give a positive number")
    if args.toggles < 0:
        raise NeuroEmuError(f"--toggles {args.toggles}: give a number of samples")
    tables = None
    if args.tables:
        from neuro_emu.estimate.exchange import read_tables

        tables = read_tables(*args.tables)
    settings = api.Settings(
        args.technology,
        args.voltage,
        args.clock,
        tuple(args.constants),
        _density(args.density),
        tables,
        args.toggles,
        args.learning,
        args.external,
    )
    made = api.estimate(args.config, args.set, settings)
    if made.experiment and not args.json:
        warn(made.experiment.warnings)
    if args.out:
        api.write_estimate(made, args.out)
    if args.export:
        api.export_tables(made, args.export)
    print(json_text(made.record) if args.json else estimate_text(made.record, full=args.full), end="")
    if not args.json:
        for folder in (args.out, args.export):
            print(f"wrote {folder}" if folder else "", end="\n" if folder else "")
    return 0


def chips(args: argparse.Namespace) -> int:
    """Estimate published chips and print each figure beside what was published; 1 if a promised bar is missed."""
    from neuro_emu.api import estimate as api
    from neuro_emu.files import json_text
    from neuro_emu.report.chips import chips_text

    paths = args.chips or sorted(CHIPS.glob("*.yaml"))
    if not paths:
        raise NeuroEmuError(f"no presets in {CHIPS}: run from the project's folder, or name files")
    rows = api.compared_chips(paths)
    print(json_text(rows) if args.json else chips_text(rows), end="")
    return 1 if any(row["met"] is False for row in rows) else 0


def technologies(args: argparse.Namespace) -> int:
    """List the technologies, or show the constants of one with their sources."""
    from neuro_emu.estimate.listing import component_records, technology_record, technology_records
    from neuro_emu.files import json_text
    from neuro_emu.report.technologies import components_text, technologies_text, technology_text

    if args.constants and (args.components or not args.technology):
        raise NeuroEmuError("--constants: name the technology whose constants they replace")
    if args.components:
        records = component_records()
        print(json_text(records) if args.json else components_text(records), end="")
    elif args.technology:
        record = technology_record(args.technology, args.constants)
        print(json_text(record) if args.json else technology_text(record), end="")
    else:
        records = technology_records()
        print(json_text(records) if args.json else technologies_text(records), end="")
    return 0
