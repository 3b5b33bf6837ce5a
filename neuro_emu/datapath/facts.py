"""What a rule may know of the chip, the same in every datapath that runs its body."""

from __future__ import annotations

from neuro_emu.machine.chip import Chip
from neuro_emu.rules import OptionValue


class ChipFacts:
    """Sizes and options; see :class:`neuro_emu.rules.base.Datapath`."""

    chip: Chip

    @property
    def last(self) -> int:
        """See :class:`Datapath`."""
        return self.chip.network.output.index

    def size(self, k: int) -> int:
        """See :class:`Datapath`."""
        return self.chip.network.layers[k].units if k >= 0 else self.chip.network.inputs

    def option(self, name: str) -> OptionValue:
        """See :class:`Datapath`."""
        return self.chip.learning.option(name)
