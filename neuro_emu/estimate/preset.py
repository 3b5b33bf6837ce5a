"""Published chips as files: parts, workloads, and the figures to check the estimate against.

Every field says whether it is published, follows from what is published, or is assumed, and why; an assumption's reason
never is the figure it is checked against.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from neuro_emu.config.nodes import suggest
from neuro_emu.config.typed import FieldError, load
from neuro_emu.errors import RunError
from neuro_emu.estimate.band import Band, total
from neuro_emu.estimate.cost import Cost, WorkloadCost, cost_of
from neuro_emu.estimate.parts import Design, Part, Use, Workload
from neuro_emu.estimate.price import Prices
from neuro_emu.estimate.technology import find_technology

Status = Literal["published", "derived", "assumed"]

_STATUS = {"help": "published, derived (arithmetic on what is published) or assumed"}
_WHY = {"help": "where it is published, how it follows, or the reason for assuming it"}


@dataclass(frozen=True)
class Known:
    """A number and what it stands on."""

    value: float = field(metadata={"help": "the number", "min": 0.0})
    status: Status = field(metadata=_STATUS)
    why: str = field(metadata=_WHY)
    low: float | None = field(default=None, metadata={"help": "lowest it may be, where it is assumed"})
    high: float | None = field(default=None, metadata={"help": "highest it may be, where it is assumed"})

    def __post_init__(self) -> None:
        low, high = self.span
        if low != high and low <= 0:
            raise FieldError("low", f"a range from {low:g}", "a range starts above 0, however small")
        if not low <= self.value <= high:
            raise FieldError("value", f"{low:g} / {self.value:g} / {high:g} is no range", "low <= value <= high")
        if not self.why.strip():
            raise FieldError("why", "a number that stands on nothing", "say where it comes from")

    @property
    def span(self) -> tuple[float, float]:
        """Lowest and highest value."""
        return (
            self.value if self.low is None else self.low,
            self.value if self.high is None else self.high,
        )

    def check_exact(self, name: str) -> None:
        """Refuse a range, and 0, where the estimate takes one number.

        Args:
            name: of the field that this is the value of.

        Raises:
            FieldError: with the field.

        """
        for end in ("low", "high"):
            if getattr(self, end) is not None:
                message = f"a range of {name}: the estimate takes one number"
                raise FieldError(f"{name}.{end}", message, "say the range in `why`")
        if self.value <= 0:
            raise FieldError(f"{name}.value", f"{name} is {self.value:g}", "write a number above 0")


@dataclass(frozen=True)
class PartLine:
    """A part of the chip; see :class:`neuro_emu.estimate.parts.Part`."""

    name: str = field(metadata={"help": "what it is called"})
    component: str = field(metadata={"help": "see `neuro-emu technologies --components`"})
    attributes: dict[str, int | float | bool | str] = field(metadata={"help": "of one instance"})
    status: Status = field(metadata=_STATUS)
    why: str = field(metadata=_WHY)
    count: int = field(default=1, metadata={"help": "instances", "min": 1})
    learns: bool = field(default=False, metadata={"help": "there for learning alone"})


@dataclass(frozen=True)
class UseLine:
    """How often an action happens in one unit of the workload."""

    part: str = field(metadata={"help": "name of a part"})
    action: str = field(metadata={"help": "one of its component's actions"})
    count: Known = field(metadata={"help": "actions, all instances together"})
    phase: str = field(default="forward", metadata={"help": "what the chip is doing"})


@dataclass(frozen=True)
class WorkloadLine:
    """What is done for one image, or one synaptic operation."""

    name: str = field(metadata={"help": "e.g. inference"})
    cycles: Known = field(metadata={"help": "clock cycles"})
    uses: tuple[UseLine, ...] = field(metadata={"help": "actions"})
    includes: str | None = field(default=None, metadata={"help": "a workload whose uses happen too"})

    def __post_init__(self) -> None:
        self.cycles.check_exact("cycles")


UNITS = {
    "energy": ("pJ", "nJ", "uJ"),
    "dynamic energy": ("pJ", "nJ", "uJ"),
    "power": ("uW", "mW"),
    "latency": ("us",),
    "area": ("um2", "mm2"),
    "energy overhead": ("%",),
    "area overhead": ("%",),
}
"""Units that a figure of a quantity can be in."""


@dataclass(frozen=True)
class PublishedFigure:
    """A figure that somebody measured, and what of the estimate it is compared with."""

    name: str = field(metadata={"help": "what it is"})
    quantity: Literal["energy", "dynamic energy", "power", "latency", "area", "energy overhead", "area overhead"] = (
        field(metadata={"help": "what it measures"})
    )
    value: float | None = field(metadata={"help": "as published; null: nothing is", "min": 0.0})
    unit: Literal["pJ", "nJ", "uJ", "uW", "mW", "um2", "mm2", "us", "%"] = field(metadata={"help": "its unit"})
    source: str = field(metadata={"help": "where it is published"})
    workload: str | None = field(default=None, metadata={"help": "of which workload; area: null"})
    against: str | None = field(default=None, metadata={"help": "overhead over which workload"})
    parts: tuple[str, ...] = field(default=(), metadata={"help": "area of these parts alone; none: of all"})
    bar: Literal["", "factor 1.5", "4 points"] = field(
        default="", metadata={"help": "what is promised of the estimate; empty: nothing"}
    )

    def __post_init__(self) -> None:
        if self.unit not in UNITS[self.quantity]:
            units = " or ".join(UNITS[self.quantity])
            raise FieldError("unit", f"{self.unit} is no unit of {self.quantity}", f"write {units}")
        if self.value == 0:
            raise FieldError("value", "0 as a published figure", "write null where nothing is published")
        if len(set(self.parts)) < len(self.parts):
            raise FieldError("parts", f"{_twice(self.parts)!r} a second time", "a part counts once")
        if self.bar and (self.value is None or (self.bar == "4 points") != (self.unit == "%")):
            raise FieldError("bar", f"bar {self.bar!r} for {self.value} {self.unit}", "points are for percentages")


@dataclass(frozen=True)
class Preset:
    """A published chip."""

    name: str = field(metadata={"help": "e.g. odin"})
    title: str = field(metadata={"help": "what it is"})
    paper: str = field(metadata={"help": "where it is published"})
    technology: str = field(metadata={"help": "name of a technology, or a YAML file"})
    voltage: Known = field(metadata={"help": "supply in V"})
    clock_mhz: Known = field(metadata={"help": "clock frequency in MHz"})
    parts: tuple[PartLine, ...] = field(metadata={"help": "what it is made of"})
    workloads: tuple[WorkloadLine, ...] = field(metadata={"help": "what it does"})
    figures: tuple[PublishedFigure, ...] = field(metadata={"help": "what is published"})
    limits: tuple[str, ...] = field(default=(), metadata={"help": "what is left out"})

    def __post_init__(self) -> None:
        self.voltage.check_exact("voltage")
        self.clock_mhz.check_exact("clock_mhz")
        for key, names in (
            ("parts", [part.name for part in self.parts]),
            ("workloads", [workload.name for workload in self.workloads]),
        ):
            if (name := _twice(names)) is not None:
                second = names.index(name, names.index(name) + 1)
                raise FieldError(f"{key}.{second}.name", f"{name!r} a second time", "give each a name of its own")
        self._check_includes()
        parts = {part.name for part in self.parts}
        for n, figure in enumerate(self.figures):
            if figure.quantity == "area overhead" and (not figure.parts or parts == set(figure.parts)):
                raise FieldError(
                    f"figures.{n}.parts", "an area overhead of all parts is over nothing", "name the parts that add it"
                )

    def _check_includes(self) -> None:
        known = {line.name: line for line in self.workloads}
        for n, line in enumerate(self.workloads):
            if line.includes is None:
                continue
            place = f"workloads.{n}.includes"
            if line.includes not in known:
                message = f"{line.name} includes {line.includes!r}, which is no workload"
                raise FieldError(place, message, suggest(line.includes, known, "workloads"))
            if line.includes == line.name:
                raise FieldError(place, f"{line.name} includes itself", "leave it out")
            if known[line.includes].includes is not None:
                message = f"{line.name} includes {line.includes}, which itself includes another"
                raise FieldError(place, message, "name its uses here, or include the other")

    def design(self) -> Design:
        """Return parts and workloads as the estimate takes them."""
        parts = tuple(
            Part(line.name, line.component, line.attributes, line.count, line.learns, f"{line.status}: {line.why}")
            for line in self.parts
        )
        known = {line.name: line for line in self.workloads}
        workloads = []
        for line in self.workloads:
            uses = [_use(use) for use in line.uses]
            if line.includes is not None:
                uses = [_use(use) for use in known[line.includes].uses] + uses
            workloads.append(Workload(line.name, line.cycles.value, tuple(uses), line.cycles.why))
        return Design(self.name, parts, tuple(workloads), self.limits)

    def cost(self) -> Cost:
        """Return what the chip costs by the tables."""
        prices = Prices(find_technology(self.technology), self.voltage.value)
        return cost_of(self.design(), prices, self.clock_mhz.value)


def _twice(names: Iterable[str]) -> str | None:
    """Return the first name that comes a second time."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return None


def _use(line: UseLine) -> Use:
    why = f"{line.count.status}: {line.count.why}"
    return Use(line.phase, 0, line.part, line.action, line.count.value, why, line.count.span)


_SCALES = {"pJ": 1e-3, "nJ": 1e-6, "uJ": 1e-9, "uW": 1e-3, "mW": 1e-6, "um2": 1.0, "mm2": 1e-6, "us": 1.0, "%": 100.0}
"""From fJ, nW, µm², µs and ratios to the units of figures."""


def estimated(cost: Cost, figure: PublishedFigure) -> Band:
    """Return the estimate that a published figure is compared with, in its unit.

    Raises:
        RunError: if the figure names a workload or part that the chip has not.

    """
    return _quantity(cost, figure) * _SCALES[figure.unit]


def _quantity(cost: Cost, figure: PublishedFigure) -> Band:
    if figure.quantity in {"area", "area overhead"}:
        return _area(cost, figure)
    one = _workload(cost, figure.workload, figure)
    if figure.quantity == "energy overhead":
        base = _workload(cost, figure.against, figure)
        ratios = sorted((one.energy.low / base.energy.low, one.energy.high / base.energy.high))
        nominal = one.energy.nominal / base.energy.nominal
        return Band(max(min(*ratios, nominal) - 1, 0.0), max(nominal - 1, 0.0), max(*ratios, nominal) - 1)
    if figure.quantity == "latency":
        return Band.exact(one.latency_us)
    return {"energy": one.energy, "dynamic energy": one.dynamic, "power": one.power}[figure.quantity]


def _workload(cost: Cost, name: str | None, figure: PublishedFigure) -> WorkloadCost:
    if name is None or name not in cost.workloads:
        raise RunError(f"{figure.name}: {name!r} is no workload of {cost.design.name}: {', '.join(cost.workloads)}")
    return cost.workloads[name]


def _area(cost: Cost, figure: PublishedFigure) -> Band:
    names = {part.name: part for part in cost.design.parts}
    for name in figure.parts:
        if name not in names:
            raise RunError(f"{figure.name}: {name!r} is no part of {cost.design.name}")
    wanted = [names[name] for name in figure.parts] or list(names.values())
    areas = total(map(cost.area_of, wanted))
    if figure.quantity == "area":
        return areas
    rest = total(cost.area_of(part) for part in cost.design.parts if part not in wanted)
    if not rest.low:
        raise RunError(f"{figure.name}: parts that have no area are left, nothing to compare with")
    ends = sorted((areas.low / rest.low, areas.high / rest.high))
    nominal = areas.nominal / rest.nominal
    return Band(min(ends[0], nominal), nominal, max(ends[1], nominal))


FACTOR, POINTS = 1.5, 4.0
"""What is promised of figures with a bar: nominal within times or over this, or within these points."""


def compare(preset: Preset) -> list[dict[str, Any]]:
    """Return published figures beside the estimates, one entry a figure.

    `met` says whether a figure keeps its bar: inside the band, and nominal within a factor of :data:`FACTOR` (or, of
    percentages, within :data:`POINTS` points); None where nothing is promised.
    """
    cost, rows = preset.cost(), []
    for figure in preset.figures:
        band = estimated(cost, figure)
        value, percent = figure.value, figure.unit == "%"
        inside = None if value is None else band.contains(value)
        near = value is not None and (
            abs(band.nominal - value) <= POINTS if percent else value / FACTOR <= band.nominal <= value * FACTOR
        )
        rows.append(
            {
                "chip": preset.name,
                "title": preset.title,
                "figure": figure.name,
                "published": value,
                "unit": figure.unit,
                **band.as_dict(),
                "ratio": None if percent or not value else float(f"{band.nominal / value:.4g}"),
                "inside": inside,
                "bar": figure.bar,
                "met": bool(inside and near) if figure.bar else None,
                "source": figure.source,
            }
        )
    return rows


def read_preset(path: str | Path) -> Preset:
    """Read the file of a published chip.

    Raises:
        ConfigError: with file, line and column of what is wrong.

    """
    return load(Path(path), Preset)
