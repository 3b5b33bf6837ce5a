"""Active rows of the first layer, listed once per data set: they do not change while the chip learns."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuro_emu.jit import entry
from neuro_emu.kernels import fabric as fb
from neuro_emu.kernels.schedule import find_active, update_stalls

_FLAGS = 64  # a row of flags is a multiple of them
_AT_ONCE = 1000


@entry
def _list_events(codes: NDArray[Any], constants: fb.Int64, work: fb.EventWork, events: fb.Events) -> None:
    rows = codes.shape[1] + 1
    end = 0
    for sample in range(codes.shape[0]):
        for i in range(rows - 1):
            work.codes[i] = codes[sample, i]
        find_active(work.codes, rows, 1, work.lists, work.active)
        n = work.active[0]
        for a in range(n - 1):
            events.inputs[end + a] = work.lists[fb.INDEX, a]
            events.value[end + a] = work.lists[fb.VALUE, a]
        end += n - 1
        events.ends[sample + 1] = end
        events.stalls[sample] = update_stalls(work.lists, work.active, constants, work.banks)


def flag_row(inputs: int) -> int:
    """Bytes of a sample's flags."""
    return -(-inputs // _FLAGS) * _FLAGS // 8


def _flags(codes: NDArray[Any]) -> fb.UInt8:
    """Flags of the inputs that are not 0; some samples at once, for the sake of memory."""
    samples, inputs = codes.shape
    flags = np.zeros((samples, flag_row(inputs)), dtype=np.uint8)
    for start in range(0, samples, _AT_ONCE):
        part = np.packbits(codes[start : start + _AT_ONCE] != 0, axis=1, bitorder="little")
        flags[start : start + _AT_ONCE, : part.shape[1]] = part
    return flags.reshape(-1)


def list_events(codes: NDArray[Any], constants: fb.Int64) -> fb.Events:
    """List the inputs that are not 0, and the stalls of an update over them, for each sample.

    Args:
        codes: (samples, inputs) input codes.
        constants: see :mod:`neuro_emu.kernels.fabric`.

    """
    samples, inputs = codes.shape
    total = int(np.count_nonzero(codes))
    events = fb.Events(
        ends=np.zeros(samples + 1, dtype=np.int64),
        inputs=np.zeros(total, dtype=np.int32),
        value=np.zeros(total, dtype=codes.dtype),
        stalls=np.zeros(samples, dtype=np.int64),
        flags=_flags(codes),
    )
    work = fb.EventWork(
        codes=np.ones(inputs + 1, dtype=np.int32),
        lists=np.zeros((3, inputs + 1 + fb.PADDING), dtype=np.int32),
        active=np.zeros(2, dtype=np.int64),
        banks=np.zeros((2, int(constants[fb.BANKS])), dtype=np.int64),
    )
    _list_events(codes, constants, work, events)
    return events
