"""How a network learns, and what of its traffic is counted."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from neuro_emu.errors import RunError
from neuro_emu.estimate.external.layers import NetworkTraffic
from neuro_emu.machine.plan import Plan, Step, plan_of
from neuro_emu.rules import Need, OptionValue, Rule


@dataclass(frozen=True)
class Accounting:
    """What is counted.

    Attributes:
        name: of reports.
        feedback: matrices B_k and C_k.
        slopes: what f′(z_k) is made from.
        input: samples.
        velocities: registers of the optimiser.
        about: one line.

    """

    name: str
    feedback: bool
    slopes: bool
    input: bool
    velocities: bool
    about: str


THESIS = Accounting(
    "thesis", False, False, False, False, "Param and Act alone, as equations 6.1 and 6.2: feedback is free"
)
FULL = Accounting("full", True, True, True, True, "feedback, slopes, velocities and samples too")
ACCOUNTINGS = {one.name: one for one in (THESIS, FULL)}


@dataclass(frozen=True)
class Learner:
    """How a network learns.

    Attributes:
        rule: the rule.
        options: its own settings; defaults for those left out.
        batch: samples of a step.
        need: what hidden layers wait for, if more than the rule says (an error gate); None: as the rule says.
        mirror_every: samples from one call of mirror mode to the next.
        generated: whether fixed random matrices are generated on the chip and lie nowhere.

    """

    rule: Rule
    options: Mapping[str, OptionValue] = field(default_factory=dict)
    batch: int = 1
    need: Need | None = None
    mirror_every: int = 100
    generated: bool = False

    def __post_init__(self) -> None:
        if self.batch < 1:
            raise RunError(f"mini-batch of {self.batch}: give at least 1 sample")
        if self.mirror_every < 1:
            raise RunError(f"mirror mode every {self.mirror_every} samples: give at least 1")

    @property
    def waits(self) -> bool:
        """Whether learning begins after the forward pass has ended."""
        return (self.rule.need if self.need is None else self.need) >= Need.ERROR

    def plan(self, network: NetworkTraffic) -> Plan:
        """Return what the rule asks for, layer by layer; sizes of convolutions stand for vectors as long."""
        layers = range(len(network.layers))
        order = tuple(reversed(layers)) if self.waits else tuple(layers)
        plan = plan_of(self.rule, network.sizes, self.options, order, network.labels)
        fixed = {k for k, layer in enumerate(network.layers) if not layer.learns}
        return replace(plan, steps=_taken(plan.steps, fixed)) if fixed else plan


def _taken(steps: Sequence[Step], fixed: Collection[int]) -> list[Step]:
    """Leave out updates of *fixed* layers, and the vectors that nothing else is made of."""
    kept: list[Step] = []
    for step in reversed(steps):
        if step.op == "update" and step.layer in fixed:
            continue
        if step.target is None or any(step.target in other.sources for other in kept):
            kept.append(step)
    return kept[::-1]
