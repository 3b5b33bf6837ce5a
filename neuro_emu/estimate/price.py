"""What one instance of a part costs in a technology: area, leakage, and the energy of each action.

Every figure comes with the line of arithmetic that gives its nominal value, so that it can be done again by hand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from neuro_emu.estimate.activity_factors import glitch, switching
from neuro_emu.estimate.band import ZERO, Band
from neuro_emu.estimate.gates import Gates
from neuro_emu.estimate.technology import CONSTANTS, Technology


@dataclass(frozen=True)
class Factor:
    """A term of a product: its name and value."""

    name: str
    band: Band

    def __str__(self) -> str:
        return f"{self.band.nominal:.6g} {self.name}"


@dataclass(frozen=True)
class Figure:
    """A figure and how it comes about: a sum of products of factors."""

    band: Band
    how: str

    @classmethod
    def product(cls, factors: Sequence[Factor], scale: float = 1.0) -> Figure:
        """Return the product of independent *factors*; *scale* turns their units into that of the figure."""
        first, *others = factors
        band = first.band.times(*(factor.band for factor in others)) * scale
        return cls(band, " × ".join(str(factor) for factor in factors) + (f" × {scale:g}" if scale != 1.0 else ""))

    def __add__(self, other: Figure) -> Figure:
        if not self.band.high or not other.band.high:
            return self if self.band.high else other
        return Figure(self.band + other.band, f"{self.how} + {other.how}")

    def __mul__(self, factor: float) -> Figure:
        return self if factor == 1 else Figure(self.band * factor, f"{factor:g} × ({self.how})")


@dataclass(frozen=True)
class Price:
    """One instance of a part.

    Attributes:
        area: in µm².
        leakage: in nW.
        actions: energy of each in fJ.
        gates: gate equivalents of combinational logic; flip-flops are in `flops`.
        flops: flip-flop bits.
        macros: for a memory: what it is cut into.

    """

    area: Figure
    leakage: Figure
    actions: Mapping[str, Figure]
    gates: float = 0.0
    flops: int = 0
    macros: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Prices:
    """A technology at a supply, and what is known of the operands.

    Attributes:
        technology: the tables.
        voltage: supply in V.
        operands: energy of an operation relative to random operands, by part and phase, where it was measured.
        seen: that of the part that is priced now; None: not measured.

    """

    technology: Technology
    voltage: float
    operands: Mapping[tuple[str, str], float] = field(default_factory=dict)
    seen: float | None = None

    def constant(self, name: str) -> Factor:
        """Return a constant as a factor, named with its unit."""
        unit = self.technology.constants[name].unit
        band = self.technology.band(name)
        label = name if unit == "1" else f"{CONSTANTS[name][0]} {name}"
        return Factor(label, band)

    @property
    def supply(self) -> Factor:
        """Energies go with the square of the supply."""
        return Factor("(V/V0)²", Band.exact(self.technology.at(self.voltage)[0]))

    def area(self, gates: Gates) -> Figure:
        """Area of placed cells in µm²."""
        density = self.technology.band("utilisation")
        share = Band(1 / density.high, 1 / density.nominal, 1 / density.low)
        return self._cells(
            gates, [self.constant("gate_area"), self.constant("gate_count"), Factor("per utilisation", share)]
        )

    def leakage(self, gates: Gates) -> Figure:
        """Leakage power of cells in nW."""
        lower = Factor("(V/V0)^leakage_exponent", self.technology.at(self.voltage)[1])
        return self._cells(gates, [self.constant("gate_leakage"), self.constant("gate_count"), lower])

    def _cells(self, gates: Gates, factors: list[Factor]) -> Figure:
        """Return logic, and flip-flops by their gate equivalents."""
        figure = Figure(ZERO, "0")
        if gates.logic:
            figure += Figure.product([Factor("gates", Band.exact(gates.logic)), *factors])
        if gates.flops:
            flops = Factor("flops", Band.exact(gates.flops))
            figure += Figure.product([flops, self.constant("flop_gates"), *factors])
        return figure

    def operation(self, logic: float, kind: str, *, configured: bool = False) -> Figure:
        """Energy in fJ of an operation of *logic* gates, with the glitches of a *kind* of logic.

        Args:
            logic: gates.
            kind: key of :data:`neuro_emu.estimate.activity_factors.GLITCH`.
            configured: whether limits, shifts and modes come from registers: gates that serve settings not in use
                stand still.

        """
        operands = self.constant("operands") if self.seen is None else Factor("operands seen", Band.exact(self.seen))
        factors = [Factor("gates", Band.exact(logic)), self.constant("gate_energy"), self.constant("gate_count")]
        if configured:
            share = switching(kind, in_registers=True) / switching(kind)
            factors.append(Factor("in use", Band(share, share, 1.0)))
        factors += [Factor("glitches", Band(*glitch(kind))), self.constant("wires"), operands, self.supply]
        return Figure.product(factors)

    def idle(self, figure: Figure) -> Figure:
        """Energy in fJ of logic whose operands move while its result is not wanted, from that of an operation."""
        return Figure.product([Factor("fJ operate", figure.band), self.constant("idle_logic")])

    def tick(self, logic: float) -> Figure:
        """Energy in fJ of control logic in one cycle."""
        names = ("gate_energy", "gate_count", "wires", "control")
        return Figure.product(
            [Factor("gates", Band.exact(logic)), *(self.constant(name) for name in names), self.supply]
        )

    def clock(self, flops: float, *, enabled: bool = True) -> Figure:
        """Energy in fJ of one clock edge at flip-flops, with the tree; those not enabled are gated."""
        names = ["flop_energy", "clock_tree"] + ([] if enabled else ["clock_gated"])
        return Figure.product(
            [Factor("flops", Band.exact(flops)), *(self.constant(name) for name in names), self.supply]
        )
