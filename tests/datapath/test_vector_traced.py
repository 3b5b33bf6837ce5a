"""Vector code, the traced datapath and the naive reference give the same integers, on chips wide enough for it.

The other comparisons of vector code are with portable code, and those of the traced datapath with small chips.
"""

from dataclasses import replace

import pytest
from machines import assert_all_equal
from vector_chips import Settings, chip_of, data_of

from neuro_emu.datapath.backends import AUTO, PORTABLE, VECTOR, available
from neuro_emu.datapath.fast import FastDatapath
from neuro_emu.machine.initialise import initial_state
from neuro_emu.machine.learning import Decay
from neuro_emu.network.state import UPDATES, ZERO_UPDATES

pytestmark = pytest.mark.integer

BACKEND, RUNS = (VECTOR, VECTOR) if available() else (AUTO, PORTABLE)
EPOCHS, SAMPLES = 2, 3
DFA, BP, KP = (Settings(rule=name, delta_top="s8f7") for name in ("dfa", "bp", "kp"))
DECAY = {"weight_decay": Decay(((0, 4),), 2)}

# Shifts by epoch: large steps first, then steps of −1, 0 and 1.
CHIPS = {
    "drtp": Settings(shift=(9, 17)),
    "drtp, nearest": Settings(shift=(9, 14), rounding="RND"),
    "drtp, in 16 bits, words of an LFSR": Settings(weight="s16f12", words="row_lfsr", shift=(9, 17)),
    "dfa": replace(DFA, hidden="u8f8", shift=(9, 17)),
    "dfa, nearest, in 16 bits": replace(DFA, weight="s16f12", shift=(6, 12), rounding="RND"),
    "dfa, projections that are clamped": replace(DFA, projection="s5f4", delta="s5f4", shift=(9, 15)),
    "bp": replace(BP, shift=(9, 15)),
    "bp, two hidden layers": replace(BP, sizes=(20, 96, 70, 10), shift=(10, 15)),
    "bp, two hidden layers, nearest": replace(BP, sizes=(20, 64, 130, 10), weight="s16f12", rounding="RND", shift=10),
    "kp": replace(KP, shift=(9, 15)),
    "kp, two hidden layers, twins of fewer bits": replace(KP, sizes=(20, 96, 70, 10), twin_bits=6, shift=(10, 14)),
    "kp, nearest": replace(KP, shift=(8, 12), rounding="RND"),
    "drtp in mini-batches": Settings(batch=2, shift=(10, 17)),
    "bp in mini-batches, two hidden layers": replace(BP, sizes=(20, 96, 70, 10), batch=2, weight="s16f12", shift=12),
    "kp in mini-batches, nearest": replace(KP, batch=2, shift=(10, 14), rounding="RND"),
    "dfa that forgets": replace(DFA, sizes=(20, 70, 10), shift=(10, 15), more=DECAY),
}


@pytest.mark.parametrize("name", CHIPS)
def test_vector_traced_and_naive_agree(name):
    chip = chip_of(CHIPS[name])
    path = FastDatapath(chip, initial_state(chip), BACKEND)
    for epoch in range(EPOCHS):
        path.begin_epoch(epoch)
        assert path.runs == RUNS
    fast = assert_all_equal(chip, data_of(chip, SAMPLES, 5), EPOCHS, backend=BACKEND)
    assert fast.path.runs == RUNS
    moved = fast.path.activity.events[:, UPDATES] - fast.path.activity.events[:, ZERO_UPDATES]
    assert moved.all(), "some layer never learns"
