"""The command 'neuro-emu data': list, fetch, where, verify.

Results go to standard output, progress and errors to standard error. Exit codes: 0 fine, 1 a file is
missing or corrupt, 2 bad input or data that cannot be had.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from neuro_emu.datasets import catalogue
from neuro_emu.datasets.content import FileCheck
from neuro_emu.datasets.locate import Location
from neuro_emu.datasets.progress import ProgressLine
from neuro_emu.datasets.registry import REGISTRY, specification
from neuro_emu.errors import DataError

_EPILOG = """\
places searched, in order: --path alone, or $NEURO_EMU_DATA, the user cache, system data directories
downloads go to:           --path, else $NEURO_EMU_DATA, else the user cache
NEURO_EMU_OFFLINE=1        forbids downloads"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verbs list, fetch, where and verify to ``parser``."""
    parser.epilog = _EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    verbs = parser.add_subparsers(dest="data_verb", metavar="VERB", required=True)
    helps = {
        "list": "show the data sets and where they are",
        "fetch": "download what is not there and verify it",
        "where": "print the directory a data set is read from",
        "verify": "compare every file with its SHA-256",
    }
    for verb, text in helps.items():
        sub = verbs.add_parser(verb, help=text, description=text)
        sub.add_argument("--json", action="store_true", help="machine-readable output")
        if verb == "list":
            continue
        sub.add_argument("name", nargs="?", metavar="NAME", help=f"{', '.join(REGISTRY)} [default: all]")
        sub.add_argument("--path", metavar="P", help="the only data root to use")
        if verb == "fetch":
            sub.add_argument("--force", action="store_true", help="download again, e.g. over a corrupt copy")


def execute(args: argparse.Namespace) -> int:
    """Run the verb that :func:`configure` parsed and return the exit code."""
    verbs: dict[str, Callable[[argparse.Namespace], int]] = {
        "list": _list,
        "fetch": _fetch,
        "where": _where,
        "verify": _verify,
    }
    try:
        return verbs[args.data_verb](args)
    except DataError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _list(args: argparse.Namespace) -> int:
    descriptions = catalogue.describe()
    if args.json:
        _print_json([asdict(each) for each in descriptions])
        return 0
    for each in descriptions:
        absent = f"not here; get {each.obtain}" if each.obtain else "not here; 'neuro-emu data fetch' gets it"
        place = each.directory or each.origin or absent
        print(f"{each.name:<16} {each.summary}")
        print(f"{'':<16} {_extent(each)}, licence: {each.licence}")
        print(f"{'':<16} {place}")
    return 0


def _extent(each: catalogue.Description) -> str:
    rows, columns = each.image_shape
    colour = f", {each.channels} channels" if each.channels > 1 else ""
    shape = f"samples, {rows * columns} real numbers" if each.real else f"images, {rows}x{columns}{colour}"
    size = f", {each.size / 1e6:.1f} MB" if each.size else ""
    classes = f"{each.classes} {'functions' if each.regression else 'classes'}"
    return f"{each.train:,} + {each.test:,} {shape}, {classes}{size}"


def _fetch(args: argparse.Namespace) -> int:
    line = ProgressLine() if sys.stderr.isatty() else None
    found, errors = [], []
    for name in _names(args):
        if not args.name and REGISTRY[name].obtain:
            continue  # nothing here can fetch it: an error only for who asks for it
        try:
            found.append(catalogue.fetch(name, args.path, force=args.force, progress=line))
        except DataError as error:  # the other sets still get their turn
            errors.append(error)
        finally:
            if line:
                line.close()
    _print_places(found, args)
    for each in errors:
        print(f"error: {each}", file=sys.stderr)
    return 2 if errors else 0


def _where(args: argparse.Namespace) -> int:
    if args.name:
        _print_places([catalogue.where(args.name, args.path)], args)
        return 0
    found = []
    for name in REGISTRY:
        try:
            found.append(catalogue.where(name, args.path))
        except DataError:
            found.append(Location(name, "not found", None))
    _print_places(found, args)
    return 0


def _verify(args: argparse.Namespace) -> int:
    results = {name: catalogue.verify(name, args.path) for name in _names(args)}
    # Asked about everything, a set that was never fetched is no failure; asked by name, it is.
    failed = [name for name, checks in results.items() if not _passed(checks, tolerate_absent=not args.name)]
    if args.json:
        _print_json(
            [
                {"name": name, "passed": name not in failed, "files": [asdict(each) for each in checks]}
                for name, checks in results.items()
            ]
        )
    else:
        for name, checks in results.items():
            _print_checks(name, checks)
        for name in failed:
            repair = catalogue.repair_command(name, args.path) or f"get {REGISTRY[name].obtain}"
            print(f"repair: {repair}", file=sys.stderr)
    return 1 if failed else 0


def _passed(checks: list[FileCheck], *, tolerate_absent: bool) -> bool:
    statuses = {each.status for each in checks}
    return statuses <= {"ok"} or (tolerate_absent and statuses == {"missing"})


def _names(args: argparse.Namespace) -> list[str]:
    return [specification(args.name).name] if args.name else list(REGISTRY)


def _print_checks(name: str, checks: list[FileCheck]) -> None:
    if not checks:
        print(f"{name}: generated in memory, nothing to verify")
    for each in checks:
        reason = f": {each.reason}" if each.reason else ""
        print(f"{name}: {each.status:<8} {each.path or each.file}{reason}")


def _print_places(places: list[Location], args: argparse.Namespace) -> None:
    """Print where each set lies; for a set asked for by name the directory alone, as scripts want it."""
    if args.json:
        _print_json([asdict(place) for place in places])
        return
    for place in places:
        bare = str(place.directory or place.origin)
        origin = f" ({place.origin})" if place.directory else ""
        print(bare if args.name else f"{place.name}: {bare}{origin}")


def _print_json(value: object) -> None:
    print(json.dumps(value, indent=2, default=_plain))


def _plain(value: object) -> str:
    if isinstance(value, Path):
        return os.fspath(value)
    raise TypeError(f"no JSON form for {type(value).__name__}")
