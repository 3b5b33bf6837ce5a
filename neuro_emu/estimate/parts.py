"""What a chip is made of and what it does: parts, uses of their actions, workloads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from neuro_emu.estimate.band import Band

Attributes = Mapping[str, int | float | str]


@dataclass(frozen=True)
class Part:
    """Identical instances of one component.

    Attributes:
        name: what it is called in reports, e.g. ``lane.multiplier`` or ``weights[0]``.
        component: name in :data:`neuro_emu.estimate.library.COMPONENTS`.
        attributes: of one instance, e.g. widths in bits.
        count: instances.
        learns: whether it is there for learning alone.
        note: what it holds, or what was assumed.

    """

    name: str
    component: str
    attributes: Attributes
    count: int = 1
    learns: bool = False
    note: str = ""


@dataclass(frozen=True)
class Use:
    """How often an action of a part happens, in one unit of a workload.

    Attributes:
        phase: what the chip is doing, e.g. ``forward``.
        layer: index of the layer, 0 where a chip has none.
        part: name of a part.
        action: name of one of its component's actions.
        count: actions of a single instance, of all instances together.
        why: which counter it comes from, or what was assumed.
        span: lowest and highest count, where it is not known exactly.

    """

    phase: str
    layer: int
    part: str
    action: str
    count: float
    why: str = ""
    span: tuple[float, float] | None = None

    @property
    def times(self) -> Band:
        """The count with its range."""
        low, high = self.span or (self.count, self.count)
        return Band(low, self.count, high)


@dataclass(frozen=True)
class Workload:
    """What is done for one sample (or image, or synaptic operation).

    Attributes:
        name: e.g. ``inference``.
        cycles: clock cycles.
        uses: actions.
        about: what the counts stand on.

    """

    name: str
    cycles: float
    uses: tuple[Use, ...]
    about: str = ""


@dataclass(frozen=True)
class Design:
    """Parts and workloads of one chip.

    Attributes:
        name: of the chip.
        parts: everything that has an area.
        workloads: everything that has an energy.
        limits: what the estimate leaves out, or stands on, in words.

    """

    name: str
    parts: tuple[Part, ...]
    workloads: tuple[Workload, ...]
    limits: tuple[str, ...] = field(default=())
