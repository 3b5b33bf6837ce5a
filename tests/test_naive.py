"""Self-checks of the naive reference: the contract's own table, and cases worked by hand."""

from fractions import Fraction

import naive
import pytest

VALUES = range(-5, 6)  # codes with one fractional bit: -2.5 ... 2.5
TABLE = {
    ("TRN", 0): [-3, -2, -2, -1, -1, 0, 0, 1, 1, 2, 2],
    ("TRN_ZERO", 0): [-2, -2, -1, -1, 0, 0, 0, 1, 1, 2, 2],
    ("RND", 0): [-2, -2, -1, -1, 0, 0, 1, 1, 2, 2, 3],
    ("RND_CONV", 0): [-2, -2, -2, -1, 0, 0, 0, 1, 2, 2, 2],
    ("STOCH", 0): [-3, -2, -2, -1, -1, 0, 0, 1, 1, 2, 2],
    ("STOCH", 1): [-2, -2, -1, -1, 0, 0, 1, 1, 2, 2, 3],
}


@pytest.mark.parametrize(("mode", "r"), TABLE)
def test_table_of_section_2(mode, r):
    assert [naive.round_shift(v, 1, mode, r) for v in VALUES] == TABLE[mode, r]


@pytest.mark.parametrize("s", [1, 2, 5])
def test_fractions_agree_with_the_shift_formulas(s):
    for acc in range(-130, 131):
        assert naive.round_shift(acc, s, "TRN") == acc >> s
        assert naive.round_shift(acc, s, "TRN_ZERO") == (acc + (2**s - 1 if acc < 0 else 0)) >> s
        assert naive.round_shift(acc, s, "RND") == (acc + 2 ** (s - 1)) >> s
        assert naive.round_shift(acc, s, "RND_CONV") == (acc + 2 ** (s - 1) - 1 + ((acc >> s) & 1)) >> s
        for r in range(2**s):
            assert naive.round_shift(acc, s, "STOCH", r) == (acc + r) >> s


def test_formats_and_overflow():
    assert naive.parse_format("s8f7") == (True, 8, 7)
    assert naive.limits(True, 8) == (-128, 127)
    assert naive.limits(False, 8) == (0, 255)
    assert naive.quantise(Fraction(1), True, 8, 7) == 127
    assert naive.quantise(Fraction(-5, 256), True, 8, 7) == -2  # -2.5 goes up
    assert [naive.input_code(255, f) for f in ("u8f8", "u1f0", "u4f4")] == [255, 1, 15]
    assert [naive.overflow(v, True, 4, "WRAP") for v in (7, 8, 16, -9)] == [7, -8, 0, 7]
    assert [naive.overflow(v, False, 4, "WRAP") for v in (15, 16, -1)] == [15, 0, 15]
    assert naive.requantise(-3, 1, "s8f0") == -1
    assert naive.requantise(3, 0, "s4f2", overflow="WRAP") == -4
    assert naive.requantise(5, 0, "s8f0", "RND_CONV") == 5
    with pytest.raises(ValueError, match="format"):
        naive.parse_format("s33f0")


def test_accumulate():
    assert naive.accumulate([5, 5, -3], 4, "SAT") == (4, 1)
    assert naive.accumulate([7, 1, 1], 4, "SAT") == (7, 2)
    assert naive.accumulate([5, 5, -3], 4, "WRAP") == (7, 0)
    assert naive.accumulate([5, 5], 4, "WRAP") == (-6, 1)


def test_generators():
    assert naive.splitmix64(0) == 0xE220A8397B1DCDAF
    assert naive.xorshift32(1) == 270369
    assert naive.lfsr32(1) == 0x80200003
    assert naive.lfsr16(1) == (0xB400, 1)
    assert naive.lfsr16(2) == (1, 0)
    assert naive.bitreverse32(1) == 2**31
    assert naive.bitreverse32(6) == 0x60000000
    order = naive.sample_order(3, 1, 20)
    assert sorted(order) == list(range(20))
    assert order != naive.sample_order(3, 2, 20)


def test_lfsr16_has_full_period():
    x, n = naive.lfsr16(1)[0], 1
    while x != 1:
        x, n = naive.lfsr16(x)[0], n + 1
    assert n == 65535


def test_tables():
    sigmoid = naive.activation_table("sigmoid", 4, "u8f8")
    assert [sigmoid[q % 256] for q in (-128, -16, 0, 16, 127)] == [0, 69, 128, 187, 255]
    hard = naive.activation_table("hard_tanh", 4, "s8f7")
    assert [hard[q % 256] for q in (-128, -16, -15, 0, 1, 16)] == [-128, -128, -120, 0, 8, 127]
    tanh = naive.activation_table("tanh", 4, "s8f7")
    assert [tanh[q % 256] for q in (-16, 0, 16)] == [-97, 0, 97]
    assert naive.activation_table("tanh_relu", 4, "s8f7")[-16 % 256] == 0
    assert naive.activation_table("relu", 4, "s8f4")[5] == naive.activation_table("identity", 4, "s8f4")[5] == 5
    slope, f_d = naive.derivative_table("hard_tanh", 4)
    assert f_d == 0
    assert [slope[q % 256] for q in (-16, -15, 0, 15, 16)] == [0, 1, 1, 1, 0]
    assert naive.derivative_table("relu", 4)[0][:2] == [0, 1]
    assert naive.derivative_table("tanh", 4)[0][0] == 255
    assert naive.derivative_table("tanh_relu", 4)[0][0] == 0
    assert naive.derivative_table("sigmoid", 4)[0][0] == 64
    assert naive.derivative_table("sigmoid", 4)[1] == 8


def test_generated_matrices():
    weights = naive.initial_weights(7, 0, 24, 5, "s8f8")
    assert weights[-1] == [0] * 5
    assert len(weights) == 25
    assert 64 < max(abs(v) for row in weights for v in row) <= 127  # isqrt(6 * 65536 // 24) = 128, then 127
    assert all(abs(v) == 63 for row in naive.feedback_matrix(7, 0, 3, 6, "s7f6", "sign", "full") for v in row)
    assert all(abs(v) <= 64 for row in naive.feedback_matrix(7, 0, 3, 6, "s8f6") for v in row)
    assert len(naive.feedback_matrix(7, 0, 3, 6, "s8f6", "lfsr")[2]) == 6


def single(**changes):
    """Two inputs, two classes, no hidden layer; weight shift s = 8."""
    layer = {"units": 2, "activation": "sigmoid", "weight": "s8f8", "output": "u8f8", "delta": "s9f8"}
    layer["lr_shift"] = [[0, 0], [1, 8]]
    return {"inputs": 2, "input": "u8f8", "layers": [layer], "rule": "shallow", "seed": 1, **changes}


def double(**changes):
    """One input, two hidden neurons, two classes; weight shifts 8 and 7."""
    spec = single(rule="drtp", inputs=1, update_rounding="TRN", feedback={"format": "s8f6"})
    hidden = {**spec["layers"][0], "activation": "hard_tanh", "output": "s8f7"}
    chip = naive.NaiveChip({**spec, "layers": [hidden, *spec["layers"]], **changes})
    chip.feedback = [[[64, -32], [16, 127]]]
    return chip


def test_output_layer_by_hand():
    chip = naive.NaiveChip(single(update_rounding="RND"))
    first = chip.train_sample([255, 0], 0)
    assert (first["z"], first["y"], first["e"]) == ([[0, 0]], [[128, 128]], [127, -128])
    assert first["prediction"] == 0
    assert chip.weights == [[[127, -127], [0, 0], [127, -127]]]  # 126.504 and -127.5 round up; row 1 is skipped
    second = chip.train_sample([255, 0], 0)
    assert second["z"] == [[64770, -64770]]
    assert (second["q"], second["y"], second["e"]) == ([[16, -16]], [[187, 69]], [68, -69])
    assert chip.weights == [[[127, -128], [0, 0], [127, -128]]]
    assert chip.tallies[0]["weight_overflows"] == 4
    assert (chip.tallies[0]["updates"], chip.tallies[0]["zero_updates"]) == (8, 0)
    assert chip.predict([255, 255]) == 0
    chip.end_of_epoch()
    assert chip.shift(0) == 16


def test_drtp_by_hand():
    chip = double()
    record = chip.train_sample([128], 1)
    assert record["delta"] == [[16 * 4, 255], [-128, 127]]  # 127 << 2 = 508 saturates
    assert chip.weights[0] == [[32, 127], [63, 127]]  # 63.75 floors; 254 saturates
    assert chip.weights[1] == [[0, 0], [0, 0], [-127, 126]]  # the hidden codes were 0: only the bias row
    assert chip.tallies[0]["delta_overflows"] == chip.tallies[0]["weight_overflows"] == 1
    assert (chip.tallies[0]["updates"], chip.tallies[1]["updates"]) == (4, 2)


@pytest.mark.parametrize(
    ("rule", "zone", "delta", "overflows"),
    [("dfa", 0, [-96, 255], 1), ("sdfa", 0, [-192, 255], 1), ("sdfa", 127, [-256, 128], 0)],
)
def test_projected_rules_by_hand(rule, zone, delta, overflows):
    chip = double(rule=rule, sign_dead_zone=zone)
    assert chip.train_sample([128], 1)["delta"] == [delta, [-128, 127]]
    assert chip.tallies[0]["projection_overflows"] == overflows
    assert chip.tallies[0]["delta_overflows"] == 0


def test_error_gate():
    for theta, is_open in ((126, True), (127, False)):
        chip = double(error_gate=theta, update_rounding="STOCH")
        registers = list(chip.row_registers)
        record = chip.train_sample([128], 1)
        assert (record["delta"][0] is not None) == is_open
        assert (chip.row_registers[0] != registers[0]) == is_open
        assert chip.row_registers[1] != registers[1]


def test_mini_batch_by_hand():
    chip = double(batch=2, order="as_stored")
    chip.train_sample([128], 1)
    assert chip.weights[0] == [[0, 0], [0, 0]]
    assert chip.sums[0] == [[64 * 128, 255 * 128], [64 * 255, 255 * 255]]
    chip.train_sample([128], 1)
    assert chip.weights[0] == [[64, 127], [127, 127]]
    assert chip.tallies[1]["updates"] == 6  # a batch end skips no row
    chip.train_sample([0], 1)
    chip.end_of_epoch()
    assert (chip.tallies[0]["updates"], chip.tallies[1]["updates"]) == (8, 12)
    chip.end_of_epoch()
    assert chip.tallies[0]["updates"] == 8


def test_row_words():
    chip = naive.NaiveChip(single())
    register = naive.u(1, 4, 0, 0, 0)
    assert chip.row_registers == [register]
    chip.train_sample([0, 200], 1)  # row 0 is skipped and draws nothing
    expected = [[0, 0]]
    for code in (200, 255):
        register = naive.xorshift32(register)
        words = [register, register ^ 2**31]
        expected.append([(d * code + (w >> 24)) >> 8 for d, w in zip((-128, 127), words, strict=True)])
    assert chip.weights == [expected]
    assert chip.row_registers == [register]


def test_lane_words_are_drawn_per_group_and_row():
    spec = single(random_words="lane_lfsr", lanes=2, inputs=1)
    spec["layers"][0]["units"] = 3
    chip = naive.NaiveChip(spec)
    lanes = [0x9E3779B9 ^ 1, 0x3C6EF372 ^ 1]
    assert chip.lane_registers == lanes
    chip.train_sample([9], 0)
    expected = [[0] * 3, [0] * 3]
    for group in ((0, 1), (2,)):
        for i, code in enumerate((9, 255)):
            lanes = [naive.lfsr32(x) for x in lanes]
            for j in group:
                expected[i][j] = ((127 if j == 0 else -128) * code + (lanes[j % 2] >> 24)) >> 8
    assert chip.weights == [expected]
    assert chip.lane_registers == lanes


@pytest.mark.parametrize("words", naive.ROW_MODES)
def test_row_modes_ignore_lanes_and_label_only_order(words):
    chips = [double(update_rounding="STOCH", random_words=words, lanes=lanes) for lanes in (1, 2)]
    for chip in chips:
        chip.train_epoch([[3], [0], [255]], [0, 1, 0], 0)
    assert chips[0].weights == chips[1].weights


def test_saturating_accumulator_is_counted():
    chip = naive.NaiveChip(single(accumulator={"bits": 10, "overflow": "SAT"}))
    chip.weights = [[[100, -1], [-2, 0], [0, 0]]]
    assert chip.train_sample([255, 255], 0)["z"] == [[1, -255]]  # 511 after the clamp, then -510
    assert chip.tallies[0]["accumulator_overflows"] == 1
