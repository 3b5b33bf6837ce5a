"""Single-port banks, cycle by cycle: the read-modify-write pass of an update."""

from __future__ import annotations

from dataclasses import dataclass, field

from neuro_emu.errors import MismatchError
from neuro_emu.machine.design import WRITE_DELAY


@dataclass
class UpdatePass:
    """One pass over rows of one group; each row is read, and written :data:`WRITE_DELAY` cycles later.

    Attributes:
        banks: single-port banks that rows are interleaved over.
        cycle: cycle of the next row slot.
        stalls: cycles lost because a bank was being written.

    """

    banks: int
    cycle: int = 0
    stalls: int = 0
    _busy: dict[tuple[int, int], str] = field(default_factory=dict)

    def idle(self) -> None:
        """Let a row slot pass without an access (a gated row)."""
        self.cycle += 1

    def row(self, address: int) -> int:
        """Read the row at *address* as soon as its bank is free, book its write; returns the bank."""
        bank = address % self.banks
        while (self.cycle, bank) in self._busy:
            self.cycle += 1
            self.stalls += 1
        self._occupy(self.cycle, bank, f"read of row {address}")
        self._occupy(self.cycle + WRITE_DELAY, bank, f"write of row {address}")
        self.cycle += 1
        return bank

    def _occupy(self, cycle: int, bank: int, what: str) -> None:
        taken = self._busy.setdefault((cycle, bank), what)
        if taken is not what:
            raise MismatchError(f"bank {bank} has one port: {what} meets {taken} in cycle {cycle}")

    @property
    def cycles(self) -> int:
        """Cycles until the last write is done."""
        return self.cycle + WRITE_DELAY


def full_pass_stalls(rows: int, banks: int) -> int:
    """Stalls of a pass in which every row is accessed."""
    update = UpdatePass(banks)
    for row in range(rows):
        update.row(row)
    return update.stalls
