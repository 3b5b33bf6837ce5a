"""Energy and area tables in the ERT/ART form of Accelergy (0.3 and 0.4): written, and read for one's own figures.

`ERT.yaml` has the energy of every action of one instance in pJ, `ART.yaml` the area of one instance in µm². Accelergy
has neither ranges nor a place for leakage power; its readers take `name`, `arguments`, `energy` and `area` and pass
over other keys, so that

- `energy_low`, `energy_high`, `area_low` and `area_high` hold ranges: a figure without them is taken as exact;
- the action `leak` is the energy that one instance leaks in a cycle, as in Accelergy's own tables, at `clock_mhz` of
  the file or, without it, at the clock of the estimate.

Names: a part `weights[0]` of two instances is `system_top_level.chip.weights__0_[1..2]`. A space is `_`, an index in
brackets `__0_`, any other character but letters and digits its code point, as `__x2e_` is a dot. The instances in
brackets and what stands before the last dot are passed over in reading. The chip that only infers takes the figures of
the tables in proportion, where one of its parts is smaller than that of the same name on the whole chip.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from neuro_emu.config.dump import dump
from neuro_emu.config.nodes import suggest
from neuro_emu.config.typed import Document, FieldError, read
from neuro_emu.estimate.band import Band
from neuro_emu.estimate.cost import Cost, cost_of
from neuro_emu.estimate.price import Figure, Price

PREFIX = "system_top_level.chip."
"""What stands before the name of a part."""

LEAK = "leak"
"""The action that stands for leakage: energy of one instance in a cycle."""

VERSIONS = ("0.3", "0.4")

_AREA = "area"
_DIGITS = 9
_SAME = 10.0 ** (1 - _DIGITS)
"""Figures closer than this are the ones that were written: what stands behind them stays."""

_OTHER = re.compile(r"\[([0-9]+)\]|([^A-Za-z0-9])")
_WRITTEN = re.compile(r"__([0-9]+)_|__x(0?[0-9a-f]{1,5}|10[0-9a-f]{4})_|_")
_INSTANCES = re.compile(r"\[[0-9]+\.\.[0-9]+\]")


def accelergy_name(part: str) -> str:
    """Return the name of a part in letters, digits and underscores; :func:`part_name` reads it."""

    def code(found: re.Match[str]) -> str:
        if found[1] is not None:
            return f"__{found[1]}_"
        before = found.string[found.start() - 1 : found.start()]
        return "_" if found[2] == " " and before != " " else f"__x{ord(found[2]):x}_"

    return _OTHER.sub(code, part)


def part_name(name: str) -> str:
    """Return the part that a name of a table stands for, be it with hierarchy and instances or without."""

    def decode(found: re.Match[str]) -> str:
        if found[1] is not None:
            return f"[{found[1]}]"
        if found[2] is None:
            return " "
        code = int(found[2], 16)
        return chr(code) if chr(code).isprintable() else found[0]

    return _WRITTEN.sub(decode, _INSTANCES.sub("", name).rsplit(".", 1)[-1])


@dataclass(frozen=True, kw_only=True)
class _Action:
    """A line of an energy table."""

    name: str = field(metadata={"help": "one of the part's actions, or leak"})
    arguments: dict[str, int | float | bool | str] | None = field(default=None, metadata={"help": "write {}"})
    energy: float = field(metadata={"help": "energy of one instance in pJ", "min": 0.0})
    energy_low: float | None = field(default=None, metadata={"help": "lowest energy", "min": 0.0})
    energy_high: float | None = field(default=None, metadata={"help": "highest energy", "min": 0.0})

    def __post_init__(self) -> None:
        if self.name == _AREA:
            raise FieldError("name", "an area among the energies", "areas stand in ART.yaml")
        _check_range("energy", self.energy_low, self.energy, self.energy_high)
        if self.arguments:
            raise FieldError("arguments", "an action with arguments", "an action has one energy here: write {}")


@dataclass(frozen=True)
class _Energies:
    """The energy table of a part."""

    name: str = field(metadata={"help": f"such as {PREFIX}lane_multiplier"})
    actions: tuple[_Action, ...] = field(metadata={"help": "actions and their energies"})


@dataclass(frozen=True)
class _Area:
    """The area of a part."""

    name: str = field(metadata={"help": f"such as {PREFIX}lane_multiplier"})
    area: float = field(metadata={"help": "area of one instance in um2", "min": 0.0})
    area_low: float | None = field(default=None, metadata={"help": "lowest area", "min": 0.0})
    area_high: float | None = field(default=None, metadata={"help": "highest area", "min": 0.0})

    def __post_init__(self) -> None:
        _check_range("area", self.area_low, self.area, self.area_high)


@dataclass(frozen=True, kw_only=True)
class _EnergyTables:
    version: str | float = field(metadata={"help": "write '0.4'"})
    clock_mhz: float | None = field(default=None, metadata={"help": "clock that leak is for", "min": 1e-3})
    tables: tuple[_Energies, ...] = field(metadata={"help": "one table a part"})

    def __post_init__(self) -> None:
        _check_version(self.version)


@dataclass(frozen=True)
class _AreaTables:
    version: str | float = field(metadata={"help": "write '0.4'"})
    tables: tuple[_Area, ...] = field(metadata={"help": "one line a part"})

    def __post_init__(self) -> None:
        _check_version(self.version)


@dataclass(frozen=True)
class _ErtFile:
    ERT: _EnergyTables


@dataclass(frozen=True)
class _ArtFile:
    ART: _AreaTables


def _check_range(name: str, low: float | None, value: float, high: float | None) -> None:
    for end, wrong in (("low", low is not None and low > value), ("high", high is not None and high < value)):
        if wrong:
            text = " / ".join("-" if x is None else f"{x:g}" for x in (low, value, high))
            raise FieldError(f"{name}_{end}", f"{text} is no range", f"{name}_low <= {name} <= {name}_high")
    top = value if high is None else high
    if top > 0 and (value if low is None else low) == 0:
        end = f"{name}_low" if value else f"{name}_high"
        raise FieldError(end, f"a range from 0 to {top:g}", "a range starts above 0, however small, or is 0 throughout")


def _check_version(version: str | float) -> None:
    if str(version) not in VERSIONS:
        raise FieldError("version", f"version {version} of the tables is not known", f"one of {', '.join(VERSIONS)}")


@dataclass(frozen=True)
class Entry:
    """A figure of a table.

    Attributes:
        part: part that it is for.
        action: one of its actions, `leak`, or `area`.
        band: in pJ, or in µm².
        file: name of the file.
        document: the file, to point at.
        table: where the part is named in it.
        line: where the action is named in it.

    """

    part: str
    action: str
    band: Band
    file: str
    document: Document = field(repr=False)
    table: str = field(repr=False)
    line: str = field(repr=False)


@dataclass(frozen=True)
class Tables:
    """Figures of the user's own, which take the place of those of the library."""

    entries: tuple[Entry, ...]
    clock_mhz: float | None = None

    @property
    def files(self) -> tuple[str, ...]:
        """Names of the files that the figures are from."""
        return tuple(dict.fromkeys(entry.file for entry in self.entries))

    def applied(
        self, each: Mapping[str, Price], clock_mhz: float, whole: Mapping[str, Price] | None = None
    ) -> dict[str, Price]:
        """Return the prices of parts, with the figures of the tables in place of the library's.

        Args:
            each: prices by the library.
            clock_mhz: clock frequency of the estimate.
            whole: prices by the library of the chip that the tables are for, where *each* are those of the same chip
                without learning; None: *each* themselves.

        Raises:
            ConfigError: if a part or an action does not exist, with the place.

        """
        known, found = each if whole is None else whole, dict(each)
        for entry in self.entries:
            if entry.part not in known:
                message = f"no part {entry.part!r} on this chip"
                raise entry.document.error(entry.table, message, _parts(entry.part, known))
            theirs = _figures(known[entry.part])
            if entry.action not in theirs:
                message = f"{entry.part} has no action {entry.action!r}"
                known_actions = [name for name in theirs if name != _AREA]
                raise entry.document.error(entry.line, message, suggest(entry.action, known_actions, "actions"))
            ours = _figures(found[entry.part]) if entry.part in found else {}
            band = self._band(entry, clock_mhz)
            if entry.action in ours and not _same(band, theirs[entry.action].band):
                figure = _replaced(entry.file, band, ours[entry.action].band, theirs[entry.action].band)
                found[entry.part] = _with_figure(found[entry.part], entry.action, figure)
        return found

    def _band(self, entry: Entry, clock_mhz: float) -> Band:
        """Return a figure in the unit of prices: µm², fJ, or nW."""
        if entry.action == _AREA:
            return entry.band
        return entry.band * (1e3 * (self.clock_mhz or clock_mhz) if entry.action == LEAK else 1e3)


def _parts(part: str, known: Iterable[str]) -> str:
    return suggest(accelergy_name(part), [accelergy_name(name) for name in known], "parts")


def _figures(price: Price) -> dict[str, Figure]:
    return {_AREA: price.area, LEAK: price.leakage, **price.actions}


def _with_figure(price: Price, action: str, figure: Figure) -> Price:
    if action == _AREA:
        return replace(price, area=figure)
    if action == LEAK:
        return replace(price, leakage=figure)
    return replace(price, actions={**price.actions, action: figure})


def _replaced(file: str, band: Band, ours: Band, theirs: Band) -> Figure:
    """Return the user's figure; of a smaller part, in proportion."""
    if ours == theirs or not theirs.nominal:
        return Figure(band, f"{band.nominal:.6g} from {file}")
    ratio = ours.nominal / theirs.nominal
    return Figure(band * ratio, f"{band.nominal:.6g} from {file} × {ratio:.6g} of the library's figures")


def _same(ours: Band, theirs: Band) -> bool:
    pairs = ((ours.low, theirs.low), (ours.nominal, theirs.nominal), (ours.high, theirs.high))
    return all(abs(a - b) <= _SAME * max(a, b) for a, b in pairs)


def export_tables(cost: Cost) -> tuple[str, str]:
    """Return the texts of `ERT.yaml` and `ART.yaml`."""
    energies, areas = [], []
    for part in cost.design.parts:
        price, name = cost.each[part.name], f"{PREFIX}{accelergy_name(part.name)}[1..{part.count}]"
        bands = {action: figure.band / 1e3 for action, figure in price.actions.items()}
        if price.leakage.band.high:
            bands[LEAK] = price.leakage.band / (1e3 * cost.clock_mhz)
        actions = [_action(action, band) for action, band in bands.items()]
        energies.append(_Energies(name, tuple(actions)))
        areas.append(_Area(name, *_numbers(price.area.band)))
    ert = _ErtFile(_EnergyTables(version="0.4", clock_mhz=cost.clock_mhz, tables=tuple(energies)))
    return dump(ert), dump(_ArtFile(_AreaTables("0.4", tuple(areas))))


def _action(name: str, band: Band) -> _Action:
    value, low, high = _numbers(band)
    return _Action(name=name, arguments={}, energy=value, energy_low=low, energy_high=high)


def _numbers(band: Band) -> tuple[float, float, float]:
    """Return value, low, high in as many digits as are read again."""
    value, low, high = (float(f"{number:.{_DIGITS}g}") for number in (band.nominal, band.low, band.high))
    return value, low, high


def read_tables(ert_path: str | Path | None, art_path: str | Path | None = None) -> Tables:
    """Read an energy and an area table, either of which may be left out.

    Raises:
        ConfigError: with file, line and column of what is wrong.

    """
    entries: list[Entry] = []
    clock: float | None = None
    if ert_path is not None:
        document = read(Path(ert_path))
        energies = document.build(_ErtFile).ERT
        clock = energies.clock_mhz
        for i, table in enumerate(energies.tables):
            for j, line in enumerate(table.actions):
                band = _band(line.energy_low, line.energy, line.energy_high)
                where = f"ERT.tables.{i}.name", f"ERT.tables.{i}.actions.{j}.name"
                entries.append(Entry(part_name(table.name), line.name, band, Path(ert_path).name, document, *where))
    if art_path is not None:
        document = read(Path(art_path))
        for i, area in enumerate(document.build(_ArtFile).ART.tables):
            band = _band(area.area_low, area.area, area.area_high)
            name = f"ART.tables.{i}.name"
            entries.append(Entry(part_name(area.name), _AREA, band, Path(art_path).name, document, name, name))
    _check_once(entries)
    return Tables(tuple(entries), clock)


def _band(low: float | None, value: float, high: float | None) -> Band:
    return Band(value if low is None else low, value, value if high is None else high)


def _check_once(entries: Iterable[Entry]) -> None:
    seen: set[tuple[str, str]] = set()
    for entry in entries:
        if (entry.part, entry.action) in seen:
            raise entry.document.error(
                entry.line, f"{entry.action} of {entry.part} a second time", "an action has one energy, a part one area"
            )
        seen.add((entry.part, entry.action))


def with_tables(cost: Cost, tables: Tables) -> Cost:
    """Return a cost with the figures of *tables* in place of the library's.

    Raises:
        ConfigError: if a part or an action does not exist, with the place.

    """
    return cost_of(cost.design, cost.prices, cost.clock_mhz, tables)
