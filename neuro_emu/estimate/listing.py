"""What there is to choose from: technologies with their constants, components with their attributes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from neuro_emu.estimate.library import COMPONENTS
from neuro_emu.estimate.record import constants_record, sram_record
from neuro_emu.estimate.technology import NAMES, find_technology


def technology_records() -> list[dict[str, Any]]:
    """Return the technologies that come with the tool, and how many constants of which kind each has."""
    found = []
    for name in NAMES:
        technology = find_technology(name)
        kinds = Counter(constant.kind for constant in technology.constants.values())
        found.append(
            {
                "name": name,
                "title": technology.title,
                "node_nm": technology.node_nm,
                "voltage": technology.nominal_voltage,
                "kinds": dict(sorted(kinds.items())),
            }
        )
    return found


def technology_record(name: str | Path, replaced: Sequence[str | Path] = ()) -> dict[str, Any]:
    """Return one technology with every constant."""
    technology = find_technology(name, replaced)
    return {
        "name": technology.name,
        "title": technology.title,
        "node_nm": technology.node_nm,
        "voltage": technology.nominal_voltage,
        "constants": constants_record(technology),
        "sram": sram_record(technology),
    }


def component_records() -> list[dict[str, Any]]:
    """Return the component library."""
    return [
        {
            "name": name,
            "about": component.about,
            "attributes": list(component.names),
            "actions": list(component.actions),
        }
        for name, component in COMPONENTS.items()
    ]
