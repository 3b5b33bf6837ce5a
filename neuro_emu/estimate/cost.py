"""Counts times prices: energy, power, area and leakage of a design, part by part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from neuro_emu.errors import RunError
from neuro_emu.estimate.band import ZERO, Band, total
from neuro_emu.estimate.library import price_of
from neuro_emu.estimate.parts import Design, Part, Use, Workload
from neuro_emu.estimate.price import Price, Prices

if TYPE_CHECKING:
    from neuro_emu.estimate.exchange import Tables


@dataclass(frozen=True)
class Spent:
    """The energy of one use: `count` actions at `each`, in fJ; `seen`: operands over random ones, where measured."""

    use: Use
    each: Band
    seen: float | None = None

    @property
    def energy(self) -> Band:
        """Energy in fJ."""
        return self.each.times(self.use.times)


@dataclass(frozen=True)
class WorkloadCost:
    """What one sample of a workload takes.

    Attributes:
        workload: the workload.
        spent: every use with its energy.
        leakage: leakage power of the whole chip in nW.
        clock_mhz: clock frequency in MHz.

    """

    workload: Workload
    spent: tuple[Spent, ...]
    leakage: Band
    clock_mhz: float

    @property
    def latency_us(self) -> float:
        """Time of one sample in µs."""
        return self.workload.cycles / self.clock_mhz

    @property
    def dynamic(self) -> Band:
        """Energy of all actions in fJ."""
        return total(spent.energy for spent in self.spent)

    @property
    def leaked(self) -> Band:
        """Energy that leaks meanwhile in fJ: nW times µs."""
        return self.leakage * self.latency_us

    @property
    def energy(self) -> Band:
        """Energy of one sample in fJ."""
        return self.dynamic + self.leaked

    @property
    def power(self) -> Band:
        """Mean power in nW while samples follow each other without a pause: fJ over µs."""
        return self.energy / self.latency_us if self.latency_us else ZERO

    def split(self, key: str) -> dict[str, Band]:
        """Return the energy of actions in fJ by `phase`, `layer` or `part`."""
        found: dict[str, Band] = {}
        for spent in self.spent:
            name = str(getattr(spent.use, key))
            found[name] = found.get(name, ZERO) + spent.energy
        return found


@dataclass(frozen=True)
class Cost:
    """A design in a technology.

    Attributes:
        design: parts and workloads.
        prices: technology, supply, operands.
        clock_mhz: clock frequency in MHz.
        each: price of one instance of every part, by name.
        workloads: cost of every workload, by name.

    """

    design: Design
    prices: Prices
    clock_mhz: float
    each: Mapping[str, Price]
    workloads: Mapping[str, WorkloadCost]

    def area_of(self, part: Part) -> Band:
        """Area of all instances of a part in µm²."""
        return self.each[part.name].area.band * part.count

    def leakage_of(self, part: Part) -> Band:
        """Leakage of all instances of a part in nW."""
        return self.each[part.name].leakage.band * part.count

    @property
    def area(self) -> Band:
        """Area in µm²."""
        return total(map(self.area_of, self.design.parts))

    @property
    def leakage(self) -> Band:
        """Leakage power in nW."""
        return total(map(self.leakage_of, self.design.parts))


def cost_of(
    design: Design, prices: Prices, clock_mhz: float, tables: Tables | None = None, whole: Cost | None = None
) -> Cost:
    """Return what *design* costs.

    Args:
        design: parts and workloads.
        prices: technology, supply, operands.
        clock_mhz: clock frequency in MHz.
        tables: figures of the user's own in place of those of the library.
        whole: the chip that *tables* are for, where *design* is the same chip without learning.

    Raises:
        RunError: if a use names a part or an action that does not exist, or a count is negative.
        ConfigError: if *tables* name a part or an action that does not exist.

    """
    each = {part.name: price_of(part, prices) for part in design.parts}
    if len(each) != len(design.parts):
        names = [part.name for part in design.parts]
        raise RunError(f"{design.name}: two parts are called {next(n for n in names if names.count(n) > 1)!r}")
    if tables is not None:
        known = None if whole is None else {part.name: price_of(part, prices) for part in whole.design.parts}
        each = tables.applied(each, clock_mhz, known)
    leakage = total(each[part.name].leakage.band * part.count for part in design.parts)
    workloads = {
        workload.name: WorkloadCost(workload, _spent(design, workload, each, prices), leakage, clock_mhz)
        for workload in design.workloads
    }
    return Cost(design, prices, clock_mhz, each, workloads)


def _spent(design: Design, workload: Workload, each: Mapping[str, Price], prices: Prices) -> tuple[Spent, ...]:
    found, parts = [], {part.name: part for part in design.parts}
    for use in workload.uses:
        if use.part not in each:
            raise RunError(f"{design.name}: {workload.name} uses {use.part!r}, which is no part: {', '.join(each)}")
        actions = each[use.part].actions
        if use.action not in actions:
            raise RunError(f"{design.name}: {use.part} has no action {use.action!r}: {', '.join(actions)}")
        if use.count < 0:
            raise RunError(f"{design.name}: {use.part} {use.action}: {use.count:g} is no count")
        seen = prices.operands.get((use.part, use.phase)) if use.action == "operate" else None
        if seen is not None and actions[use.action] != price_of(parts[use.part], prices).actions[use.action]:
            seen = None  # the figures of tables are taken as they are
        if seen is not None:  # what was measured takes the place of typical operands
            actions = price_of(parts[use.part], replace(prices, seen=seen)).actions
        if use.count:
            found.append(Spent(use, actions[use.action].band, seen))
    return tuple(found)
