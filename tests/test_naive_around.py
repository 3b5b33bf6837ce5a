"""Self-checks of the naive reference around the rules: losses, targets, dropout, momentum, weight normalisation."""

from fractions import Fraction

import naive
import naive_around
import pytest

pytestmark = pytest.mark.integer

START = 67634689  # the xorshift registers that follow: WORDS
WORDS = [0x9DCCA8C5, 0x1255994F, 2398689233, 745495504]


def build(hidden=(), units=2, last=None, **changes):
    """Byte inputs (one by default), hard_tanh hidden layers; lr_shift 0."""
    layer = {"weight": "s8f8", "delta": "s9f8", "lr_shift": [[0, 0]]}
    layers = [{**layer, "units": n, "activation": "hard_tanh", "output": "s8f7"} for n in hidden]
    layers.append({**layer, "units": units, "activation": "sigmoid", "output": "u8f8", **(last or {})})
    spec = {"inputs": 1, "input": "u8f8", "layers": layers, "rule": "dfa" if hidden else "shallow", "seed": 1}
    return naive.NaiveChip({**spec, "update_rounding": "TRN", "feedback": {"format": "s8f6"}, **changes})


# --- Softmax and cce ---


def test_softmax_table():
    table = naive.softmax_table(4)
    assert len(table) == 256
    assert [table[d] for d in (0, 16, 32, 255)] == [65535, 24109, 8869, 0]  # 65536 e^-1 = 24109.35, e^-2: 8869.33
    assert naive.softmax_table(0)[1] == 24109


def test_softmax_by_hand():
    chip = build(units=3, inputs=2, loss="cce", last={"activation": "softmax"})
    chip.weights[0] = [[127, 0, -127], [127, 0, -127], [0, 0, 0]]
    record = chip.train_sample([255, 255], 0)
    assert record["q"] == [[16, 0, -16]]  # 64770 / 4096 = 15.8
    # E = 65535, 24109, 8869; S = 98513; r = floor(4294967295 / 98513) = 43597; E r / 2^24 = 170.30, 62.65, 23.05
    assert record["y"] == [[170, 63, 23]]
    assert record["e"] == record["delta"][0] == [85, -63, -23]
    assert chip.weights[0][2] == [84, -63, -23]  # 85 * 255 / 256 = 84.67; -62.75 and -22.9 floor
    assert record["prediction"] == chip.predict([255, 255]) == 0
    assert chip.outputs([255, 255]) == [0, 0, 0]  # not made in a test


def test_softmax_of_a_clear_winner_saturates_without_a_count():
    chip = build(loss="cce", last={"activation": "softmax"})
    assert chip.softmax([127, -128]) == [255, 0]  # S = 65535, r = 65537: E r = 2^32 - 1 rounds to 256
    assert chip.softmax([-128, -128]) == [128, 128]  # equal outputs: r = 32768, 65535 / 512 = 127.998
    assert sum(chip.tallies[0].values()) == 0


@pytest.mark.parametrize(
    ("refusal", "changes"),
    [
        ("cce needs", {"loss": "cce"}),
        ("no softmax", {"loss": "mse", "last": {"activation": "softmax"}}),
        ("a sigmoid", {"last": {"activation": "tanh", "output": "s8f7"}}),
        ("too few", {"hot": 2, "labels": 2}),
        ("gate", {"hot": 0, "error_gate": 3}),
        ("one-hot", {"loss": "cce", "hot": 2, "units": 4, "labels": 2, "last": {"activation": "softmax"}}),
        ("drtp", {"hot": 0, "hidden": (2,), "rule": "drtp"}),
    ],
)
def test_refused_outputs(refusal, changes):
    with pytest.raises(ValueError, match=refusal):
        build(**changes)


# --- mse and regression ---


def test_mse_with_tanh_by_hand():
    chip = build(inputs=2, loss="mse", last={"activation": "tanh", "output": "s8f7"})
    chip.weights[0] = [[127, 0], [127, 0], [0, 0]]
    record = chip.train_sample([255, 255], 0)
    # q = 16 and 0: y = 128 tanh 1 = 97.48 and 0; f' = 256 (1 - tanh^2 1) = 107.51 and 256, which clamps to 255
    assert (record["q"], record["y"], record["e"]) == ([[16, 0]], [[97, 0]], [30, 0])
    assert record["delta"] == [[25, 0]]  # 30 * 108 / 2^7 = 25.3
    chip.weights[0] = [[127, 0], [127, 0], [0, 0]]
    assert chip.train_sample([255, 255], 1)["delta"] == [[-82, 253]]  # -97 * 108 = -10476: -81.8; 127 * 255: 253.01
    assert chip.tallies[0]["delta_overflows"] == 0
    assert chip.outputs([255, 255]) != [0, 0]


@pytest.mark.parametrize(("activation", "delta"), [("hard_tanh", [0, 254]), ("identity", [-254, 254])])
def test_mse_with_a_one_bit_derivative(activation, delta):
    chip = build(inputs=2, loss="mse", last={"activation": activation, "output": "s8f7"})
    chip.weights[0] = [[127, 0], [127, 0], [5, 0]]
    record = chip.train_sample([255, 255], 1)
    assert (record["q"], record["e"]) == ([[16, 0]], [-127, 127])
    assert record["delta"] == [delta]  # f_d = 0, so e << 1; q = 16 is out of the slope of hard_tanh


def test_regression_by_hand():
    chip = build(hot=0, loss="mse", order="as_stored", last={"activation": "identity", "output": "s8f7"})
    first, second = chip.train_epoch([[128], [0]], [9, 9], 0, targets=[[64, -100], [0, 20]])
    assert first["e"] == [64, -100]
    assert first["delta"] == [[128, -200]]
    # steps 128 * 128 / 256 = 64 and -100; bias 128 * 255 / 256 = 127.5 and -199.2, which clamps: y = 64 and -64
    assert second["q"] == [[8, -8]]
    assert second["e"] == [-64, 84]
    assert chip.weights[0] == [[64, -100], [-1, 39]]  # 127 - 128 * 255 / 256 = -1 (floor), -128 + 167.3 = 39
    assert (second["prediction"], chip.predict([0])) == (0, 0)
    assert chip.outputs([0]) == [0, 16]  # -255 / 4096 rounds to 0, 9945 / 4096 = 2.43: q = 2


# --- N-hot targets ---


def test_permutation_by_hand(monkeypatch):
    given = {3: 2**31, 2: 0, 1: 2**32 - 1}
    monkeypatch.setattr("naive_words.u", lambda seed, tag, k, i, j: given[i] if (tag, k, j) == (11, 0, 0) else None)
    # i = 3: j = 4 / 2 = 2, so 0 1 3 2; i = 2: j = 0, so 3 1 0 2; i = 1: j = 1, nothing moves
    assert naive.sample_order(1, 0, 4, tag=11) == [3, 1, 0, 2]


def test_two_hot_by_hand():
    chip = build(units=5, hot=2, labels=2, loss="bce")
    assert chip.permutation == naive.sample_order(1, 0, 5, tag=11)
    assert sorted(chip.permutation) == list(range(5))
    chip.permutation = [3, 1, 0, 4, 2]  # class 0 owns 3 and 1, class 1 owns 0 and 4; output 2 belongs to none
    assert chip.train_sample([0], 1)["e"] == [127, -128, -128, -128, 127]
    assert chip.train_sample([0], 0)["prediction"] == 1
    chip.weights[0] = [[0] * 5, [0, 127, 127, 0, 127]]
    assert chip.outputs([0]) == [128, 159, 159, 128, 159]  # q = 8: 256 * sigmoid(0.5) = 159.35
    assert chip.predict([0]) == 0  # 128 + 159 on both sides
    chip.weights[0][1] = [9, 127, 127, -128, 127]
    assert chip.predict([0]) == 1


def test_drtp_has_a_row_a_class():
    chip = build(hidden=(3,), units=4, hot=2, labels=2, rule="drtp")
    assert [(len(b), len(b[0])) for b in chip.feedback] == [(2, 3)]
    assert [len(b) for b in build(hidden=(3,), units=4, hot=2, labels=2).feedback] == [4]


# --- Dropout ---


def dropping(d, **changes):
    chip = build(hidden=(2,), dropout=d, **changes)
    chip.weights[0], chip.feedback = [[127, 127], [0, 0]], [[[64, 64], [16, 16]]]  # input 255: q = 8, y = 64
    chip.dropout_registers = [START]  # the words to come begin with 0x9D = 157 and 0x12 = 18
    return chip


@pytest.mark.parametrize(
    ("d", "y"), [(18, [64, 64]), (19, [64, 0]), (100, [64, 0]), (157, [64, 0]), (158, [0, 0]), (255, [0, 0])]
)
def test_dropout_by_hand(d, y):
    chip = dropping(d)
    record = chip.train_sample([255], 1)
    assert record["y"][0] == y
    # δ_K = -128, 127: (64 * -128 + 16 * 127) / 64 = -96.25
    assert record["delta"][0] == [-96 if code else 0 for code in y]
    rows = 1 + sum(code != 0 for code in y)
    assert (chip.tallies[0]["updates"], chip.tallies[1]["updates"]) == (4, 2 * rows)
    assert chip.dropout_registers == [WORDS[1]]


def test_dropout_in_tests():
    chip = dropping(100)
    assert chip.scale_down(0, [127, -128, 0, 64]) == [77, -78, 0, 39]  # times 156 / 256: 77.39, -78, 0, 39
    seen, activate = [], chip.activate
    chip.activate = lambda matrix, x, *rest: seen.append(x) or activate(matrix, x, *rest)
    chip.predict([255])
    assert seen[1] == [39, 39, 127]
    assert chip.dropout_registers == [START]
    assert build(hidden=(2,)).dropout_registers == []
    assert build(hidden=(2,), dropout=1).dropout_registers == [naive.u(1, 10, 0, 0, 0)]


def test_dropout_is_drawn_for_closed_samples_and_projections_stay():
    chip = dropping(100, error_gate=127)
    chip.train_sample([255], 1)
    assert chip.dropout_registers == [WORDS[1]]
    chip = dropping(255)
    chip.feedback = [[[127, 127], [-128, -128]]]  # (127 * -128 - 128 * 127) / 64 = -508 does not fit s9f8
    chip.train_sample([255], 1)
    assert chip.tallies[0]["projection_overflows"] == 2


# --- Momentum ---


@pytest.mark.parametrize(("nesterov", "weights"), [(False, [[54, -51], [63, -64]]), (True, [[96, -94], [118, -120]])])
def test_momentum_by_hand(nesterov, weights):
    momentum = {"shift": 3, "velocity": "s16f12", "nesterov": nesterov}
    chip = build(momentum=momentum, update_rounding="STOCH", random_words="raw", last={"lr_shift": [[0, 1]]})
    chip.velocities[0][0], chip.row_registers = [160, -7], [START]
    chip.train_sample([200], 0)  # δ = 127, -128: G = 25400, -25600 and 32385, -32640; s_V = 4, s_W = 5, M = 4
    # row 0, w1 = 9: (2560 - 320 + 25400 + 9) / 16 = 1728.06 and (-112 + 14 - 25600 + 9) / 16 = -1605.56
    # bias row, w1 = 8: (32385 + 8) / 16 = 2024.56 and (-32640 + 8) / 16 = -2039.5
    assert chip.velocities == [[[1728, -1606], [2024, -2040]]]
    # momentum, w2 = 2 of 32: 1730 / 32 = 54.06, -1604 / 32 = -50.13; w2 = 5: 2029 / 32 = 63.4, -2035 / 32 = -63.6
    # nesterov, w2 = 36 of 512: (14 * 1728 + 25400 + 36) / 512 = 96.9, (14 * -1606 - 25600 + 36) / 512 = -93.8
    #           w2 = 88: (14 * 2024 + 32385 + 88) / 512 = 118.8, (14 * -2040 - 32640 + 88) / 512 = -119.4
    assert chip.weights == [weights]
    assert chip.row_registers == [WORDS[3]]
    assert chip.sums == [[[0, 0], [0, 0]]]


def test_the_words_of_the_momentum_example():
    register = START
    for word in WORDS:
        register = naive.xorshift32(register)
        assert register == word
    assert [WORDS[0] >> 28, WORDS[1] >> 27, WORDS[1] >> 23] == [9, 2, 36]
    assert [WORDS[2] >> 28, WORDS[3] >> 27, WORDS[3] >> 23] == [8, 5, 88]


def test_a_large_momentum_shift():
    chip = build(momentum={"shift": 6, "velocity": "s12f12"})
    chip.velocities[0][0] = [-3, 2000]
    chip.train_sample([200], 0)  # M = 6: (-3 * 64 + 3 + 25400 * 4) / 64 = 1584.5; (2000 * 63 - 25600 * 4) / 64 = 368.75
    assert chip.velocities == [[[1584, 368], [2024, -2040]]]
    chip.train_sample([0], 0)  # row 0 has G = 0 and moves all the same
    assert chip.velocities[0][0] == [1559, 362]  # 63 / 64 of 1584 and 368: 1559.25, 362.25
    assert chip.tallies[0]["updates"] == 8


def test_a_clamped_velocity_is_not_counted():
    chip = build(momentum={"shift": 3, "velocity": "s8f12"})
    chip.train_sample([200], 0)
    assert chip.velocities == [[[127, -128], [127, -128]]]
    assert chip.weights == [[[7, -8], [7, -8]]]
    assert chip.tallies[0]["weight_overflows"] == 0


def test_momentum_shifts_are_checked():
    with pytest.raises(ValueError, match="momentum"):
        build(momentum={"shift": 1, "velocity": "s16f17"}).train_sample([1], 0)  # s_V = -1
    with pytest.raises(ValueError, match="momentum"):
        build(momentum={"shift": 28, "velocity": "s16f12", "nesterov": True}).train_sample([1], 0)  # 28 + 4


def test_lanes_draw_two_words_a_group_and_row():
    spec = {"update_rounding": "STOCH", "random_words": "lane_xorshift", "lanes": 1}
    chip = build(momentum={"shift": 3, "velocity": "s16f12"}, **spec)
    words = list(chip.lane_registers)
    while len(words) <= 8:
        words += [naive.xorshift32(words[-1])]
    del words[0]  # a register advances before it is used
    chip.train_sample([200], 0)
    assert chip.lane_registers == [words[-1]]
    sums = {(0, 0): 25400, (0, 1): 32385, (1, 0): -25600, (1, 1): -32640}
    for (j, i), g in sums.items():  # group by group, rows ascending
        w1, w2 = words[4 * j + 2 * i : 4 * j + 2 * i + 2]
        v = (g + (w1 >> 28)) >> 4
        assert (chip.velocities[0][i][j], chip.weights[0][i][j]) == (v, (v + (w2 >> 28)) >> 4)


def test_momentum_sums_the_gradients_of_a_batch():
    chip = build(momentum={"shift": 3, "velocity": "s16f12"}, batch=2)
    for _ in range(2):
        chip.train_sample([200], 0)
    assert chip.velocities[0][0] == [25400 * 2 // 16, -25600 * 2 // 16]


def test_a_closed_gate_lets_velocities_fade():
    chip = build(hidden=(2,), momentum={"shift": 1, "velocity": "s16f12"}, error_gate=127)
    chip.velocities[0] = [[64, -64], [10, 0]]
    chip.train_sample([200], 0)
    assert chip.velocities[0] == [[32, -32], [5, 0]]
    assert chip.weights[0] == [[2, -2], [0, 0]]
    assert (chip.tallies[0]["updates"], chip.tallies[0]["zero_updates"]) == (4, 2)


def test_velocities_beside_the_weights():
    momentum = {"shift": 3, "velocity": "s16f12"}
    chip = build(hidden=(2,), rule="dkp", momentum=momentum)
    assert (chip.feedback_velocities, chip.classifier_velocities) == ([[[0, 0], [0, 0]]], [[]])
    chip.weights[0], chip.feedback = [[127, 0], [0, 0]], [[[64, -32], [16, 127]]]
    chip.train_sample([255], 1)  # y = 64, 0 and δ_K = -128, 127; s_V = 8 + 7 - 12 = 3 and s_W = 12 - 6
    assert chip.feedback_velocities == [[[-1024, 0], [1016, 0]]]
    assert chip.feedback == [[[64 - 16, -32], [16 + 15, 127]]]
    assert build(hidden=(2,), rule="weight_mirror", momentum=momentum).feedback_velocities == [[]]
    local = build(hidden=(2, 2, 2), rule="asfp", momentum=momentum, options={"local_classifier": True})
    assert [len(v) for v in local.classifier_velocities] == [0, 0, 3]
    assert [len(v) for v in local.feedback_velocities] == [2, 2, 0]
    assert (build().velocities, build(hidden=(2,)).feedback_velocities) == ([], [[]])


def test_a_twin_takes_the_step_of_the_velocity():
    momentum = {"shift": 3, "velocity": "s16f12"}
    chip = build(hidden=(2,), rule="kp", momentum=momentum, update_rounding="STOCH", feedback={"format": "s12f8"})
    chip.layers[1]["lr_shift"] = [[0, 2]]
    before = [list(row) for row in chip.feedback[0]]
    chip.weights[0] = [[127, -127], [0, 0]]
    chip.train_sample([255], 1)
    steps = [[chip.feedback[0][j][i] - before[j][i] for j in range(2)] for i in range(2)]
    assert steps == chip.weights[1][:2]
    assert any(step != 0 for row in steps for step in row)


# --- Weight normalisation ---


def test_norm_of_a_column_by_hand():
    # 3, 3, 3 to the norm 13: ρ = isqrt(27 * 65536) = 1330, c = 163988, v = 491964 = 7.507: w = 8, D' = -8034268 each
    # row 1: -16068536 passes 13 * 2^20 = 13631488, so 7 takes the place of 8 and -339896 remains; row 2: -8374164
    column = naive_around.Column([3, 3, 3], 13)
    assert column.factor == 163988
    seen = [(column.scaled(3, lambda v: naive.round_shift(v, 16, "RND")), column.short) for _ in range(3)]
    assert seen == [(8, -8034268), (7, -339896), (8, -8374164)]


@pytest.mark.parametrize(("rounding", "column"), [("RND", [8, 7, 8]), ("TRN", [7, 8, 7])])
def test_norm_of_a_layer_by_hand(rounding, column):
    norm = {"gamma": 13 / 256, "every": 2, "feedback": False}
    chip = build(inputs=3, units=4, weight_norm=norm, update_rounding=rounding)
    start = [[3, -3, 0, 5], [3, -3, 0, 0], [3, -3, 0, 0], [50, 60, 70, 80]]
    chip.weights[0], chip.updates_done = [list(row) for row in start], 1
    chip.normalise()
    assert chip.weights[0] == start
    chip.updates_done = 2
    chip.normalise()
    # -491964 >> 16 is -8, so both roundings start with -8; 0 has no norm; 5: c = 170394, v = 13 * 2^16 + 2
    expected = [[-8, -7, -8], [0, 0, 0], [13, 0, 0]]
    assert [[row[j] for row in chip.weights[0][:3]] for j in range(4)] == [column, *expected]
    assert chip.weights[0][3] == [50, 60, 70, 80]
    assert chip.tallies[0]["updates"] == 0


def test_norm_draws_one_word_a_row():
    norm = {"gamma": 13 / 256, "every": 1}
    chip = build(inputs=2, units=1, weight_norm=norm, update_rounding="STOCH", random_words="raw")
    chip.weights[0], chip.row_registers, chip.updates_done = [[4], [3], [9]], [START], 1
    chip.normalise()  # ρ = 1280, c = 170394: v = 10.4 and 7.8 times 2^16; r = 0x9DCC (0.616) and 0x1255 (0.07)
    # 11: 108.16 - 121 = -12.8, within 13; 7: then 60.84 - 49 = 11.8 more
    assert chip.weights[0] == [[11], [7], [9]]
    assert chip.row_registers == [WORDS[1]]


def test_norm_follows_the_decay():
    chip, calls = build(weight_norm={"gamma": 0.25, "every": 1}), []
    chip.decay = lambda: calls.append("decay")
    chip.normalise = lambda: calls.append("norm")
    chip.train_sample([1], 0)
    assert calls == ["decay", "norm"]


def test_norm_of_fixed_feedback():
    norm = {"gamma": 0.4, "every": 1000, "feedback": True}
    chip, plain = build(hidden=(6, 5), units=8, weight_norm=norm), build(hidden=(6, 5), units=8)
    assert chip.feedback != plain.feedback
    for matrix in chip.feedback:
        for column in zip(*matrix, strict=True):
            assert 25**2 < sum(code**2 for code in column) < 27**2  # Γ = 25.6 + 0.5, floored
    learned = build(hidden=(6,), rule="dkp", weight_norm=norm)
    assert learned.feedback == build(hidden=(6,), rule="dkp").feedback


def test_refused_norms():
    for gamma in (0.0019, 0.497):  # 0.4864 rounds to 0, 127.2 is the largest code
        with pytest.raises(ValueError, match="norm"):
            build(weight_norm={"gamma": gamma, "every": 1})
    assert naive_around.norm_code(Fraction(1, 512), "s8f8") == 1
    assert naive_around.norm_code(0.494, "s8f8") == 126
    with pytest.raises(ValueError, match="norm"):
        naive_around.norm_code(4096.0, "s24f8")
    with pytest.raises(ValueError, match="twins"):
        build(hidden=(2,), rule="kp", feedback={}, weight_norm={"gamma": 0.25, "every": 1})
