"""The verb about external memory: `external`."""

from __future__ import annotations

import argparse
from pathlib import Path

from neuro_emu.errors import NeuroEmuError


def add_external(parser: argparse.ArgumentParser) -> None:
    """Configure `neuro-emu external`."""
    parser.add_argument(
        "networks",
        nargs="*",
        metavar="NETWORK",
        help="vgg11 … vgg19, resnet18 … resnet50, sizes such as 784-500-10, or a configuration (default: all named)",
    )
    parser.add_argument(
        "--rules",
        metavar="LIST",
        help="comma-separated, options after a slash: bp,asap/block=4 (default: every rule)",
    )
    parser.add_argument(
        "--count", choices=("thesis", "full", "both"), default="both", help="what is counted (default: both)"
    )
    parser.add_argument(
        "--data",
        choices=("cifar10", "cifar100", "tiny_imagenet", "imagenet"),
        default="cifar10",
        help="images of named networks (default: cifar10)",
    )
    parser.add_argument("--width", type=int, default=64, metavar="N", help="channels of the first stage (default: 64)")
    parser.add_argument("--batch", type=int, default=128, metavar="N", help="samples of a step (default: 128)")
    parser.add_argument("--bits", type=int, default=8, metavar="N", help="bits of a number (default: 8)")
    parser.add_argument(
        "--slope-bits", type=int, default=1, metavar="N", help="bits kept for f′ of a neuron (default: 1, as for ReLU)"
    )
    parser.add_argument(
        "--velocity-bits", type=int, default=0, metavar="N", help="bits of a momentum register (default: 0, none)"
    )
    parser.add_argument(
        "--capacity",
        type=float,
        default=0.0,
        metavar="KIB",
        help="memory on the chip for parameters and kept activations (default: 0)",
    )
    parser.add_argument(
        "--generated", action="store_true", help="fixed random matrices come from generators and are not read"
    )
    parser.add_argument(
        "--technology", default="ihp130", metavar="T", help="whose energy of a bit is taken (default: ihp130)"
    )
    parser.add_argument(
        "--constants", action="append", default=[], metavar="FILE", help="constants of your own; may be repeated"
    )
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="write external.json, external.txt and external.svg there"
    )
    parser.add_argument("--full", action="store_true", help="print every access, by phase, kind and layer")
    parser.add_argument("--json", action="store_true", help="print the record as JSON")
    parser.set_defaults(verb=external)


def external(args: argparse.Namespace) -> int:
    """Compare rules by what a training step reads and writes when parameters and activations do not fit on the chip."""
    from neuro_emu.api import external as api
    from neuro_emu.estimate.external.named import DEFAULT
    from neuro_emu.estimate.external.published import NAMES
    from neuro_emu.files import json_text
    from neuro_emu.report.external import external_text

    rules = DEFAULT
    if args.rules is not None:
        rules = tuple(name for name in (part.strip() for part in args.rules.split(",")) if name)
        if not rules:
            raise NeuroEmuError("--rules: name some, e.g. bp,asap/block=4")
    settings = api.Settings(
        args.data,
        args.width,
        args.batch,
        args.bits,
        args.slope_bits,
        args.velocity_bits,
        args.capacity,
        args.generated,
        args.technology,
        tuple(args.constants),
        args.full,
    )
    counts = ("thesis", "full") if args.count == "both" else (args.count,)
    record = api.external(args.networks or NAMES, rules, counts, settings)
    if args.out:
        api.write_external(record, args.out)
    print(json_text(record) if args.json else external_text(record, full=args.full), end="")
    if args.out and not args.json:
        print(f"wrote {args.out}")
    return 0
