"""The verb `networks`: networks by name."""

from __future__ import annotations

import argparse


def add_networks(parser: argparse.ArgumentParser) -> None:
    """Configure `neuro-emu networks`."""
    parser.add_argument("--json", action="store_true", help="print the record as JSON")
    parser.set_defaults(verb=networks)


def networks(args: argparse.Namespace) -> int:
    """List networks by name: short form, options, parameters, multiplications a sample."""
    from neuro_emu.api import networks as api
    from neuro_emu.files import json_text
    from neuro_emu.report.networks import networks_list

    presets, table = api.preset_options(), api.networks_table()
    print(json_text({"presets": presets, "networks": table}) if args.json else networks_list(presets, table), end="")
    return 0
