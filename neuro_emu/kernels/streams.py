"""The next random words of each matrix, made in batches ahead of their use; registers follow when a block is done."""

from __future__ import annotations

from neuro_emu.jit import entry, kernel, routine
from neuro_emu.kernels import fabric as fb
from neuro_emu.kernels import sheet as sh
from neuro_emu.kernels.update import leap
from neuro_emu.kernels.vector.words import BATCH, STRETCHES, batch_lfsr, batch_xorshift
from neuro_emu.numerics.modes import RND, ROW_LFSR, STOCH

_HALF_WORD = 0x80000000  # its top s bits are 2^(s−1): nearest rounding as a constant draw


@entry
def open_streams(fabric: fb.Fabric, sheet: sh.Sheet) -> None:
    """Start from the registers; where nothing is drawn every word is the constant that rounds alike."""
    constants = fabric.constants
    for m in range(sheet.words.shape[0]):
        if constants[fb.ROUNDING] == STOCH:
            word = int(fabric.memory.row_registers[m])
            for stretch in range(STRETCHES):
                sheet.starts[m, stretch] = word
                word = leap(word, sheet.leaps[0])
            sheet.cursor[m, sh.NEXT] = sheet.cursor[m, sh.FILLED] = 0
        else:
            sheet.words[m, :] = _HALF_WORD if constants[fb.ROUNDING] == RND else 0


@entry
def close_stream(m: int, fabric: fb.Fabric, sheet: sh.Sheet) -> None:
    """Leave the register of matrix m at the last word that was used."""
    used = sheet.cursor[m, sh.NEXT]
    if fabric.constants[fb.ROUNDING] == STOCH and used > 0:
        fabric.memory.row_registers[m] = sheet.words[m, used - 1]


@kernel
def close_streams(fabric: fb.Fabric, sheet: sh.Sheet) -> None:
    """The same for every matrix."""
    for m in range(sheet.words.shape[0]):
        close_stream(m, fabric, sheet)


@kernel
def reserve_words(m: int, most: int, constants: fb.Int64, sheet: sh.Sheet) -> int:
    """Return where the next words of matrix m begin; at least *most* are there."""
    if constants[fb.ROUNDING] != STOCH:
        return 0
    cursor = sheet.cursor[m]
    if cursor[sh.NEXT] + most > cursor[sh.FILLED]:
        is_lfsr = constants[fb.WORD_SOURCE] == ROW_LFSR
        _make_words(sheet.words[m], sheet.starts[m], cursor, sheet.leaps, most, is_lfsr)
    return int(cursor[sh.NEXT])


@routine
def _make_words(words: fb.Words, starts: fb.Words, cursor: fb.Int64, leaps: fb.Int64, most: int, is_lfsr: bool) -> None:
    """Bring what is left to the front and add batches until there are *most*."""
    left = words[cursor[sh.NEXT] : cursor[sh.FILLED]]
    filled = left.shape[0]
    for i in range(filled):
        words[i] = left[i]
    while filled < most:
        if is_lfsr:
            batch_lfsr(words, starts, filled)
        else:
            batch_xorshift(words, starts, filled)
        for stretch in range(STRETCHES):
            starts[stretch] = leap(int(starts[stretch]), leaps[1])
        filled += BATCH
    cursor[sh.NEXT], cursor[sh.FILLED] = 0, filled


@kernel
def use_words(m: int, count: int, constants: fb.Int64, sheet: sh.Sheet) -> None:
    """Take *count* of the reserved words."""
    if constants[fb.ROUNDING] == STOCH:
        sheet.cursor[m, sh.NEXT] += count
