"""The update pass on single-port banks, worked out by hand, and whole chips whose counts were added up by hand.

Write delay 3, two banks, rows 0 1 3 4 6 7 9 10 of twelve inputs active, and the bias row 12. Bank of a row: row mod 2.

| cycle | 0  | 1  | 2  | 3   | 4   | 5   | 6  | 7   | 8   | 9   | 10  | 11 | 12  | 13  |
|-------|----|----|----|-----|-----|-----|----|-----|-----|-----|-----|----|-----|-----|
| read  | 0  | 1  | 3  | -   | 4   | 6   | 7  | 9   | -   | 10  | 12  |    |     |     |
|  bank | b0 | b1 | b1 |     | b0  | b0  | b1 | b1  |     | b0  | b0  |    |     |     |
| write |    |    |    | 0   | 1   | 3   |    | 4   | 6   | 7   | 9   |    | 10  | 12  |
|  bank |    |    |    | b0  | b1  | b1  |    | b0  | b0  | b1  | b1  |    | b0  | b0  |

Row 4 waits in cycle 3 while row 0 is written to its bank, row 10 in cycle 8 while row 6 is: 2 stalls, and the last
write is in cycle 13: 14 cycles = 9 rows + 2 stalls + 3.
"""

import numpy as np
import pytest
from machines import Fast, Traced
from strategies import Data

from neuro_emu.kernels import fabric as fb
from neuro_emu.kernels.events import list_events
from neuro_emu.machine.chip import Chip, Numerics
from neuro_emu.machine.design import WRITE_DELAY, Design, ZeroInput
from neuro_emu.machine.learning import Learning
from neuro_emu.machine.ports import UpdatePass, full_pass_stalls
from neuro_emu.network.layers import DenseLayer, Network
from neuro_emu.numerics.formats import Format
from neuro_emu.numerics.modes import Overflow, Rounding, WordSource
from neuro_emu.rules import RULES

pytestmark = pytest.mark.integer

ACTIVE = (0, 1, 3, 4, 6, 7, 9, 10)
INPUTS = 12
F = Format.parse

# banks, rows accessed (None: an idle slot), cycle of each read, stalls
BY_HAND = {
    "the table above": (2, (*ACTIVE, 12), (0, 1, 2, 4, 5, 6, 7, 9, 10), 2),
    "the example of docs/machine.md": (2, (0, 2, 3, 4, 8), (0, 1, 2, 5, 6), 2),
    "alternating banks never stall": (2, tuple(range(13)), tuple(range(13)), 0),
    "idle slots keep them alternating": (2, (0, 1, None, 3, 4, None, 6), (0, 1, 3, 4, 6), 0),
    "one bank: three reads, three writes": (1, tuple(range(7)), (0, 1, 2, 6, 7, 8, 12), 6),
    "one bank with idle slots": (1, (0, 1, None, 3, 4, None, 6), (0, 1, 5, 6, 10), 4),
    "four banks, rows four apart": (4, (0, 4, 8, 12, 13), (0, 1, 2, 6, 7), 3),
    "eight banks, rows eight apart, not adjacent": (8, (0, 1, 2, 8, 9), (0, 1, 2, 4, 5), 1),
}


@pytest.mark.parametrize("case", BY_HAND)
def test_the_update_pass_follows_the_table(case):
    banks, rows, reads, stalls = BY_HAND[case]
    update = UpdatePass(banks)
    cycles = []
    for row in rows:
        if row is None:
            update.idle()
            continue
        assert update.row(row) == row % banks
        cycles.append(update.cycle - 1)
    assert tuple(cycles) == reads
    assert update.stalls == stalls
    assert update.cycles == reads[-1] + 4 == len(rows) + stalls + WRITE_DELAY


@pytest.mark.parametrize("case", BY_HAND)
def test_the_fast_stall_count_follows_the_table(case):
    banks, rows, _, stalls = BY_HAND[case]
    constants = np.zeros(fb.CONSTANTS, dtype=np.int64)
    constants[[fb.BANKS, fb.WRITE_DELAY, fb.GATED_ROWS]] = banks, 3, None in rows
    codes = np.zeros((1, rows[-1]), dtype=np.uint8)  # the last row of each case is the bias row
    codes[0, [row for row in rows[:-1] if row is not None]] = 1
    assert list_events(codes, constants).stalls.tolist() == [stalls]


@pytest.mark.parametrize(("rows", "banks", "stalls"), [(13, 2, 0), (13, 1, 12), (3, 1, 0), (4, 1, 3), (785, 4, 0)])
def test_stalls_of_a_full_pass(rows, banks, stalls):
    assert full_pass_stalls(rows, banks) == stalls


def chip_of(layers, rule, lanes, activation_units, zero_input=ZeroInput.SKIP, banks=2):
    rates = tuple(((0, 12 - layer.update_shift(0)),) for layer in layers)
    return Chip(
        Network(tuple(layers)),
        Numerics(Rounding.STOCH, Overflow.SAT, 32, Overflow.SAT, WordSource.ROW_WORD, False),
        Learning(RULES[rule], 1, 1, None, 0, rates, False, "zero", False, "random", "full"),
        Design(lanes, 100.0, banks, activation_units, zero_input),
    )


def layer_of(index, inputs, units, activation, feedback=None):
    byte = "u8f8" if index == 0 else "s8f7"
    output = "s8f7" if feedback else "u8f8"
    signal = F("s9f8")
    return DenseLayer(index, inputs, units, activation, 4, F(byte), F("s8f8"), F(output), signal, signal, feedback)


def counts_of_one_sample(chip, codes):
    data = Data(np.array([codes], dtype=np.uint8), np.array([1], dtype=np.uint8))
    machines = Fast(chip), Traced(chip)
    for machine in machines:
        machine.train_epoch(data, 0)
    return [machine.counts().as_dict() for machine in machines]


def shallow_chip(**changes):
    """12 inputs, 3 classes in two groups of two lanes."""
    return chip_of([layer_of(0, INPUTS, 3, "sigmoid")], "shallow", lanes=2, activation_units=1, **changes)


CODES = [200 if row in ACTIVE else 0 for row in range(INPUTS)]

# 9 row slots a group, 8 of them inputs. Group 1 starts at address 13, so its banks are swapped: 5 + 4 rows a bank.
SHALLOW = {
    "load": [{"cycles": 12, "input_write": 12}],
    "forward": [
        {
            "cycles": (9 + 2) + (2 + 1) + (9 + 2) + (1 + 1),  # rows and activation of group 0, then of group 1
            "input_read": 8 + 8,
            "output_write": 3,
            "table_read": 3,
            "mac": 9 * 3,
            "weight_read": [5 + 4, 4 + 5],
        }
    ],
    "error": [{"cycles": 1 + 1, "error_read": 3, "error_write": 3}],
    "update": [
        {
            "cycles": 14 + 14,  # the table above, for each group
            "stalls": 2 + 2,
            "input_read": 8 + 8,
            "update": 9 * 3,
            "random_word": 9 + 9,
            "weight_read": [5 + 4, 4 + 5],
            "weight_write": [5 + 4, 4 + 5],
        }
    ],
}


def test_a_shallow_chip_has_the_counts_added_up_by_hand():
    fast, traced = counts_of_one_sample(shallow_chip(), CODES)
    assert traced == SHALLOW
    assert fast == SHALLOW


@pytest.mark.parametrize(
    ("mode", "banks", "cycles", "stalls"),
    [
        (ZeroInput.SKIP, 2, 14, 2),  # the table above
        (ZeroInput.GATE, 2, 13 + 0 + 3, 0),
        (ZeroInput.NONE, 2, 13 + 0 + 3, 0),
        (ZeroInput.GATE, 1, 13 + 8 + 3, 8),  # reads in 0 1 5 6 10 11 15 16 20: two stalls before each new pair
        (ZeroInput.NONE, 1, 13 + 12 + 3, 12),  # three reads, three stalls, four times
        (ZeroInput.SKIP, 1, 9 + 6 + 3, 6),  # nine rows: twice
    ],
)
def test_update_cycles_of_every_zero_input_mode(mode, banks, cycles, stalls):
    for counts in counts_of_one_sample(shallow_chip(zero_input=mode, banks=banks), CODES):
        update = counts["update"][0]
        assert (update["cycles"], update.get("stalls", 0)) == (2 * cycles, 2 * stalls)


# 3 inputs (codes 5 0 7) - 3 tanh neurons - 2 classes, dfa, two lanes, two activation units. All weights are 0, so the
# hidden outputs are 0 and the output layer sees its bias row alone. Rows of layer 0: 0 2 3, in banks 0 0 1; group 1
# starts at address 4, in bank 0 again. Row 3 of layer 1 lies in bank 1.
DFA = {
    "load": [{"cycles": 3, "input_write": 3}, {}],
    "forward": [
        {
            "cycles": 2 * (3 + 2) + 2 * (1 + 1),
            "input_read": 2 * 2,
            "output_write": 3,
            "preactivation_write": 3,
            "table_read": 3,
            "mac": 3 * 3,
            "weight_read": [4, 2],
        },
        {"cycles": (1 + 2) + (1 + 1), "output_write": 2, "table_read": 2, "mac": 2, "weight_read": [0, 1]},
    ],
    "error": [
        {
            "cycles": 2 * (2 + 3) + 2 * 1,  # projection over two classes, then the gate, for each group
            "preactivation_read": 3,
            "error_read": 2 * 2,
            "feedback_read": 2 * 2,
            "derivative_read": 3,
            "mac": 2 * 3,
            "gate": 3,
        },
        {"cycles": 1, "error_read": 2, "error_write": 2},
    ],
    "update": [
        {
            "cycles": 2 * (3 + 0 + 3),
            "input_read": 2 * 2,
            "update": 3 * 3,
            "random_word": 2 * 3,
            "weight_read": [4, 2],
            "weight_write": [4, 2],
        },
        {"cycles": 1 + 0 + 3, "update": 2, "random_word": 1, "weight_read": [0, 1], "weight_write": [0, 1]},
    ],
}


def test_a_dfa_chip_has_the_counts_added_up_by_hand():
    layers = [layer_of(0, 3, 3, "tanh", feedback=F("s8f7")), layer_of(1, 3, 2, "sigmoid")]
    fast, traced = counts_of_one_sample(chip_of(layers, "dfa", lanes=2, activation_units=2), [5, 0, 7])
    assert traced == DFA
    assert fast == DFA
