"""Technologies: tables of constants, each with its range, unit, source and kind.

A technology is a YAML file; what concerns the flow and not the process (wires, clock trees, placement) comes from
`flow.yaml` unless the technology says otherwise, and a user's file may replace any line of either.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Literal

from neuro_emu.config.nodes import suggest
from neuro_emu.config.typed import FieldError, load, load_text
from neuro_emu.errors import RunError
from neuro_emu.estimate.band import Band
from neuro_emu.estimate.sram import SramFit, load_fits
from neuro_emu.estimate.units import UnitError, factor

FOLDER = Path(__file__).parent / "technologies"
"""Where the technologies that come with the tool are."""

NAMES = ("ihp130", "sky130", "gf180", "n65", "n45", "n40", "n28", "n22", "asap7")
"""Technologies that come with the tool."""

CONSTANTS = {
    "voltage": ("V", "nominal supply; low and high: where energies may be scaled to by the square of the voltage"),
    "gate_area": ("um2/gate", "area of one gate of the formulas (components/), before placement"),
    "gate_energy": ("fJ/gate", "switching energy of an operation on random operands, without glitches and wires"),
    "gate_leakage": ("nW/gate", "leakage of one gate equivalent at the nominal voltage"),
    "flop_gates": ("1", "area and leakage of a flip-flop with reset in gate equivalents"),
    "flop_energy": ("fJ/bit", "energy of one flip-flop and one clock edge, its data random, without clock tree"),
    "wires": ("1", "energy of logic with wires over that of pins alone"),
    "clock_tree": ("1", "energy of clocked flip-flops with the clock tree over that without"),
    "clock_gated": (
        "1",
        "clock energy that a register with an enable takes while it is not enabled, of that while it is",
    ),
    "control": ("1", "share of its gates that control logic switches in a cycle, of that on random operands"),
    "idle_logic": ("1", "energy of logic whose operands move while its result is not wanted, of an operation"),
    "operands": ("1", "energy of an operation on typical operands over that on random ones"),
    "gate_count": ("1", "gates of a finished netlist over those of the formulas"),
    "utilisation": ("1", "area of standard cells over the area they are placed in"),
    "leakage_exponent": ("1", "leakage power goes as this power of the voltage"),
    "rom_area": ("1", "area of a mask ROM over an SRAM of its size"),
    "rom_energy": ("1", "energy of reading a mask ROM over an SRAM of its size"),
    "dram_energy": ("pJ/bit", "energy of a bit to or from external memory"),
}
"""Constants that every technology has: unit and meaning."""


@cache
def memory_fits() -> dict[str, SramFit]:
    """Return the fits of memory macros that come with the tool."""
    return load_fits()


@dataclass(frozen=True)
class Constant:
    """A number that somebody can look up."""

    value: float = field(metadata={"help": "best estimate"})
    low: float = field(metadata={"help": "lower end of its range"})
    high: float = field(metadata={"help": "upper end of its range"})
    unit: str = field(metadata={"help": "e.g. fJ/gate, um2/gate, nW/gate, V, or 1 for a factor"})
    kind: Literal["measured macro", "gate level", "model", "interpolated", "published", "assumed"] = field(
        metadata={"help": "where such a number comes from"}
    )
    source: str = field(metadata={"help": "where it can be looked up; for what is assumed, the reason"})
    node_nm: float | None = field(
        default=None, metadata={"help": "node it was measured at, if not the technology's", "min": 1.0}
    )
    at_voltage: float | None = field(default=None, metadata={"help": "supply it was measured at in V", "min": 0.1})

    def __post_init__(self) -> None:
        if not (0 < self.low <= self.value <= self.high):
            message = f"{self.low:g} / {self.value:g} / {self.high:g} is no range of a positive number"
            raise FieldError(
                "low" if self.low > self.value or self.low <= 0 else "high", message, "low <= value <= high"
            )
        if not self.source.strip():
            raise FieldError("source", "a constant without a source", "say where it can be looked up")
        try:
            factor(self.unit, self.unit)
        except UnitError as error:
            raise FieldError("unit", str(error)) from None

    def band(self, unit: str) -> Band:
        """Return it in *unit*."""
        scale = factor(self.unit, unit)
        return Band(self.low * scale, self.value * scale, self.high * scale)


@dataclass(frozen=True)
class SramRoute:
    """One way to the figures of a memory macro: a fit, scaled to this technology."""

    fit: str = field(metadata={"help": "ihp130, or cacti28-lstp and the like"})
    source: str = field(metadata={"help": "why it stands for this technology"})
    energy: float = field(default=1.0, metadata={"help": "energies of the fit are multiplied by this", "min": 1e-6})
    area: float = field(default=1.0, metadata={"help": "areas of the fit are multiplied by this", "min": 1e-6})
    leakage: float = field(default=1.0, metadata={"help": "leakages of the fit are multiplied by this", "min": 1e-6})

    def __post_init__(self) -> None:
        known = memory_fits()
        if self.fit not in known:
            raise FieldError("fit", f"no memory fit {self.fit!r}", suggest(self.fit, known, "fits"))


@dataclass(frozen=True)
class Sram:
    """Memory macros of a technology: one route, or several whose geometric mean counts."""

    routes: tuple[SramRoute, ...] = field(metadata={"help": "fits and their scaling"})
    energy_spread: float = field(metadata={"help": "an energy lies within times or over this", "min": 1.0})
    area_spread: float = field(metadata={"help": "an area lies within times or over this", "min": 1.0})
    leakage_spread: float = field(metadata={"help": "a leakage lies within times or over this", "min": 1.0})
    why: str = field(metadata={"help": "what the spreads and the largest macro stand on"})
    widest: int = field(default=64, metadata={"help": "bits of the widest macro", "min": 1})
    deepest: int = field(default=4096, metadata={"help": "words of the deepest macro", "min": 1})

    def __post_init__(self) -> None:
        if not self.routes:
            raise FieldError("routes", "no way to the figures of a memory", "name at least one fit")
        if not self.why.strip():
            raise FieldError("why", "spreads that stand on nothing", "say where they come from")


@dataclass(frozen=True)
class Technology:
    """A process, as far as estimates need it."""

    name: str = field(metadata={"help": "e.g. ihp130"})
    title: str = field(metadata={"help": "what it is"})
    node_nm: float = field(metadata={"help": "node in nm", "min": 1.0})
    constants: dict[str, Constant] = field(metadata={"help": "see docs/estimate.md"})
    sram: Sram = field(metadata={"help": "memory macros"})

    def __post_init__(self) -> None:
        _check_names(self.constants)
        missing = [name for name in CONSTANTS if name not in self.constants]
        if missing:
            raise FieldError("constants", f"constant {missing[0]!r} is not set", CONSTANTS[missing[0]][1])
        for name, constant in self.constants.items():
            at = constant.at_voltage
            if (
                at is not None
                and CONSTANTS[name][0].startswith(("fJ", "nW"))
                and abs(at / self.nominal_voltage - 1) > 0.02
            ):
                raise RunError(
                    f"{self.name}: {name} was measured at {at:g} V, the nominal supply is {self.nominal_voltage:g} V:"
                    " bring it there (energies by the square of the voltage) and say so in its source"
                )

    def band(self, name: str) -> Band:
        """Return a constant in the unit of :data:`CONSTANTS`."""
        return self.constants[name].band(CONSTANTS[name][0])

    @property
    def nominal_voltage(self) -> float:
        """Supply that the energies are for, in V."""
        return self.band("voltage").nominal

    def at(self, voltage: float) -> tuple[float, Band]:
        """Return the factors of energies and of leakage powers at a supply of *voltage* V.

        Raises:
            RunError: if the supply lies outside the range that the technology may be scaled to.

        """
        allowed = self.band("voltage")
        if not allowed.contains(voltage):
            raise RunError(
                f"{self.name} at {voltage:g} V: energies are scaled from {allowed.nominal:g} V within"
                f" {allowed.low:g} to {allowed.high:g} V"
            )
        ratio, exponent = voltage / allowed.nominal, self.band("leakage_exponent")
        ends = sorted(ratio**power for power in (exponent.low, exponent.nominal, exponent.high))
        return ratio**2, Band(*ends)


@dataclass(frozen=True)
class Lines:
    """A user's file: constants that replace those of a technology."""

    constants: dict[str, Constant] = field(metadata={"help": "constants to replace"})

    def __post_init__(self) -> None:
        _check_names(self.constants)


@dataclass(frozen=True)
class _Written:
    """A technology file: constants of the flow may be left out."""

    name: str
    title: str
    node_nm: float = field(metadata={"min": 1.0})
    constants: dict[str, Constant]
    sram: Sram

    def __post_init__(self) -> None:
        _check_names(self.constants)
        flow = _flow()
        missing = [name for name in CONSTANTS if name not in self.constants and name not in flow]
        if missing:
            raise FieldError("constants", f"constant {missing[0]!r} is not set", CONSTANTS[missing[0]][1])


def _check_names(constants: dict[str, Constant]) -> None:
    for name, constant in constants.items():
        if name not in CONSTANTS:
            raise FieldError(f"constants.{name}", f"unknown constant {name!r}", suggest(name, CONSTANTS, "constants"))
        try:
            factor(constant.unit, CONSTANTS[name][0])
        except UnitError as error:
            raise FieldError(f"constants.{name}.unit", str(error)) from None


@cache
def _flow() -> dict[str, Constant]:
    return load_text((FOLDER / "flow.yaml").read_text(encoding="utf-8"), "flow.yaml", Lines).constants


@cache
def _shipped(name: str) -> _Written:
    return load_text((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"), f"{name}.yaml", _Written)


def find_technology(name: str | Path, replaced: Sequence[str | Path] = ()) -> Technology:
    """Return a technology.

    Args:
        name: of one that comes with the tool (:data:`NAMES`), or a YAML file.
        replaced: files with constants of the user's own, later ones first.

    Raises:
        RunError: if there is no such technology.
        ConfigError: with file, line and column of what is wrong in a file.

    """
    if str(name) in NAMES:
        written = _shipped(str(name))
    elif Path(name).suffix in {".yaml", ".yml"}:
        written = load(Path(name), _Written)
    else:
        raise RunError(f"technology {str(name)!r}: {suggest(str(name), NAMES, 'known')}; or give a YAML file")
    constants = dict(_flow()) | written.constants
    for path in replaced:
        constants |= load(Path(path), Lines).constants
    return Technology(written.name, written.title, written.node_nm, constants, written.sram)
