"""Self-checks of the naive reference beyond the direct rules: cases worked by hand from docs/numerics.md."""

import naive
import naive_chain
import pytest

pytestmark = pytest.mark.integer


def build(rule, hidden=(2,), **changes):
    """One input, hard_tanh layers, two classes; lr_shift 0, so weight shifts 8 (layer 0) and 7."""
    layer = {"weight": "s8f8", "delta": "s9f8", "lr_shift": [[0, 0]]}
    layers = [{**layer, "units": n, "activation": "hard_tanh", "output": "s8f7"} for n in hidden]
    layers.append({**layer, "units": 2, "activation": "sigmoid", "output": "u8f8"})
    spec = {"inputs": 1, "input": "u8f8", "layers": layers, "rule": rule, "seed": 1, "update_rounding": "TRN"}
    return naive.NaiveChip({**spec, "feedback": {"format": "s8f6"}, **changes})


def one_hot_hidden(rule, **changes):
    """Input 255 gives z = [32385, 0], q = [8, 0], y = [64, 0]; all outputs 128, so δ_K = [-128, 127] for label 1."""
    chip = build(rule, **changes)
    chip.weights[0] = [[127, 0], [0, 0]]
    return chip


def test_names_of_the_tallies():
    names = "updates zero_updates feedback_updates feedback_zero_updates weight_overflows feedback_overflows"
    names += " accumulator_overflows preactivation_overflows delta_overflows projection_overflows"
    assert list(naive.TALLIES) == names.split()


@pytest.mark.parametrize(
    ("block", "sources"), [(1, [0, 1, 2, 3, 4, 5]), (2, [0, 0, 2, 2, 4, 4]), (3, [0, 0, 0, 3, 3, 3]), (9, [0] * 6)]
)
def test_block_sources(block, sources):
    assert [naive_chain.block_source(k, block) for k in range(1, 7)] == sources
    assert [naive_chain.block_source(k, block, 1) for k in range(1, 7)] == [0, *sources[:-1]]


@pytest.mark.parametrize(
    ("depth", "local"), [(1, []), (2, []), (3, [2]), (4, [2]), (5, [2, 4]), (6, [2, 4])]
)  # depth: K, the number of hidden layers
def test_local_classifiers_end_blocks(depth, local):
    chip = build("asfp", hidden=(2,) * depth, options={"block": 2, "local_classifier": True})
    assert [k for k in range(depth) if chip.classifiers[k]] == local
    assert [k for k in range(depth) if chip.classifier_registers[k]] == local
    assert [k for k in range(depth) if not chip.feedback_registers[k]] == local  # there B_k is fixed


@pytest.mark.parametrize(
    ("n", "n_s", "windows"),
    [
        (3, 2, [[0, 1], [1, 0], [0, 1]]),  # 4 entries of two copies: bounds 0, 1.33, 2.67, 4
        (5, 2, [[0, 1], [1, 0], [0, 1], [1, 0], [0, 1]]),  # 6 of three copies: 0, 1.2, 2.4, 3.6, 4.8, 6
        (2, 5, [[0, 1, 2], [2, 3, 4]]),
        (4, 2, [[0], [1], [0], [1]]),
    ],
)
def test_pooling_windows(n, n_s, windows):
    assert [naive_chain.window(i, n, n_s) for i in range(n)] == windows


def test_pooling():
    assert naive_chain.pooled([5, -7, 9, 2, 1], 2, "max_pool") == [9, 9]
    assert naive_chain.pooled([5, -7, 9, 2, 1], 2, "average_pool") == [2, 4]  # 7/3 and 12/3
    assert naive_chain.pooled([-3, 4], 1, "average_pool") == [1]  # 0.5 goes up
    assert naive_chain.pooled([-4, 1], 1, "average_pool") == [-1]  # and so does -1.5


@pytest.mark.parametrize(
    ("rule", "feedback", "delta"),
    [
        ("bp", {}, [-48, 127]),  # (64 * -128 - 32 * 127) / 256 = -47.875 and (128 * 128 + 127 * 127) / 256 = 127.004
        ("sign_symmetry", {"format": "s4f6", "range": "full"}, [-28, 28]),  # 7 * 255 / 64 = 27.89
        ("fa", {"format": "s8f8"}, [-24, 79]),  # (64 * -128 + 16 * 127) / 256 and (32 * 128 + 127 * 127) / 256
    ],
)
def test_signals_by_hand(rule, feedback, delta):
    chip = build(rule, feedback=feedback)
    chip.weights[1] = [[64, -32], [-128, 127], [0, 0]]
    assert chip.feedback == [[]] or rule == "fa"
    if rule == "fa":
        chip.feedback = [[[64, -32], [16, 127]]]
    assert chip.train_sample([128], 1)["delta"] == [delta, [-128, 127]]


def test_a_chain_rule_uses_the_layer_above():
    chip = build("fa", hidden=(2, 3))
    assert [(len(b), len(b[0])) for b in chip.feedback] == [(3, 2), (2, 3)]
    chip.feedback = [[[64, 0], [0, 0], [0, 32]], [[64, 0, 32], [0, 64, 32]]]  # 64 is the value 1
    delta = chip.train_sample([128], 1)["delta"]
    assert delta == [[-128, 0], [-128, 127, 0], [-128, 127]]  # 32 * (-128 + 127) / 64 = -0.5 rounds up to 0


def test_twin_gets_the_same_step():
    chip = build("kp", update_rounding="STOCH", feedback={"format": "s12f8"}, initial_weights={"source": "random"})
    chip.layers[1]["lr_shift"] = [[0, 2]]  # small steps, so that nothing saturates
    chip.weights[1] = [[3, -3], [5, 7], [0, 0]]
    before, twin = [list(row) for row in chip.weights[1]], [list(row) for row in chip.feedback[0]]
    for n, byte in enumerate((200, 0, 90)):
        chip.train_sample([byte], n % 2)
    steps = [[chip.weights[1][i][j] - before[i][j] for j in range(2)] for i in range(2)]
    assert any(step != 0 for row in steps for step in row)
    assert [[chip.feedback[0][j][i] - twin[j][i] for j in range(2)] for i in range(2)] == steps
    tally = chip.tallies[1]
    assert tally["weight_overflows"] == 0
    assert chip.tallies[0]["feedback_updates"] == tally["updates"] - 3 * 2  # the bias row has no twin
    assert tally["feedback_updates"] == 0


def test_a_twin_has_a_width_of_its_own():
    chip = one_hot_hidden("kp", feedback={"format": "s6f8"}, error_gate=127)
    chip.feedback = [[[0, 1], [0, 2]]]
    chip.train_sample([255], 1)  # e[label] = 128 opens the gate only above 127: it is 255 - 128 = 127
    assert chip.weights[1] == [[-64, 63], [0, 0], [-127, 126]]
    assert chip.feedback == [[[-32, 1], [31, 2]]]
    assert chip.tallies[0]["feedback_overflows"] == chip.tallies[0]["feedback_updates"] == 2
    assert chip.tallies[0]["updates"] == 0  # closed for the hidden layer, the twin belongs to the output layer
    with pytest.raises(ValueError, match="twin"):
        build("kp", feedback={"format": "s8f6"})


@pytest.mark.parametrize(("schedule", "steps"), [(None, (-16, 15)), ([[0, 1]], (-8, 7))])
def test_learned_feedback_by_hand(schedule, steps):
    changes = {"feedback_lr_shift": schedule} if schedule else {}
    chip = one_hot_hidden("dkp", **changes)  # shift 8 + 7 - 6 = 9
    chip.feedback = [[[64, -32], [16, 127]]]
    chip.train_sample([255], 1)
    assert chip.feedback == [[[64 + steps[0], -32], [16 + steps[1], 127]]]
    assert (chip.tallies[0]["feedback_updates"], chip.tallies[0]["feedback_zero_updates"]) == (4, 2)


def test_learned_feedback_in_mini_batches_draws_every_row():
    chip = one_hot_hidden("dkp", batch=2, update_rounding="STOCH")
    start, register = chip.feedback[0], naive.u(1, 6, 0, 0, 0)
    assert chip.feedback_registers == [register]
    chip.train_sample([255], 1)
    assert (chip.feedback[0], chip.feedback_registers) == (start, [register])
    assert chip.feedback_sums == [[[-128 * 64, 0], [127 * 64, 0]]]
    chip.end_of_epoch()
    assert chip.feedback_registers == [naive.xorshift32(naive.xorshift32(register))]
    assert chip.feedback_sums == [[[0, 0], [0, 0]]]
    assert chip.updates_done == 1


def test_forward_alignment_by_hand():
    chip = build("forward_alignment")
    assert [len(c) for c in chip.forward_weights] == [1]  # no bias row
    chip.forward_weights = [[[127, -127]]]  # q = 8 and -8
    record = chip.train_sample([255], 1)
    assert (record["y"][0], record["h"][1]) == ([0, 0], [64, -64, 127])
    assert chip.weights[1] == [[-64, 63], [64, -64], [-127, 126]]  # 63.5 and -63.5 floor


def test_shared_activations():
    for rule in ("activation_sharing", "asap"):
        chip = build(rule, hidden=(2, 3), feedback={"learned_range": "full"})
        chip.weights[0] = [[127, -127], [0, 0]]
        record = chip.train_sample([255], 1)
        assert record["y"][:2] == [[64, -64], [0, 0, 0]]
        assert record["h"][1:] == [[64, -64, 127], [64, 64, 64, 127]]  # every window of two copies sees both
        assert chip.weights[2][:3] == [[-64, 63]] * 3
    chip = build("asfp", hidden=(2, 3), feedback={})
    chip.weights[0], chip.feedback[1] = [[127, -127], [0, 0]], [[0] * 3, [1] * 3]
    assert chip.train_sample([255], 1)["h"][2] == [0, 0, 0, 127]
    assert chip.feedback[1] == [[-64] * 3, [64] * 3]  # shift 8 + 7 - 8: δ_K times 64 / 128, floored


def test_random_matching_only_where_lengths_differ():
    chip = build("activation_sharing", hidden=(2, 3, 2, 2), options={"matching": "random", "block": 4})
    assert [(len(c), len(c[0])) if c else None for c in chip.forward_weights] == [None, (2, 3), None, None]
    chip.forward_weights[1] = [[127, 0, -128], [0, 64, 0]]
    h = chip.match(2, [[127, -128], [0] * 3, None, None])
    assert h == [64, -32, -64]  # 127 * 127 / 2^11 = 7.88 -> 8; -64 * 128 / 2^11 = -4; -7.94 -> -8


def test_asap_with_a_fixed_first_layer():
    chip = build("asap", hidden=(2, 2), options={"first_layer": "fixed"}, feedback={})
    assert chip.feedback[0] == []
    record = chip.train_sample([255], 1)
    assert record["delta"][0] is None
    assert [tally["updates"] for tally in chip.tallies] == [0, 2, 2]  # only bias rows: all hidden codes are 0


def test_local_classifier_by_hand():
    chip = build("asfp", hidden=(2, 2, 2), options={"local_classifier": True})
    chip.feedback[2] = [[64, 32], [0, 32]]
    chip.weights[3] = [[127, -128], [-128, 127], [100, -100]]  # not seen by layer 2
    record = chip.train_sample([128], 1)
    assert record["delta"][3] != [-128, 127]
    assert record["delta"][2] == [-128, 0]  # δ_L = [-128, 127]: -128 and -0.5
    assert chip.classifiers[2] == [[0, 0], [0, 0], [-127, 126]]  # y_2 = 0: only the bias row
    assert chip.feedback[2] == [[64, 32], [0, 32]]
    assert chip.tallies[2]["updates"] == 2 * 2  # W_2 and L_2, a bias row each
    closed = build("asfp", hidden=(2, 2, 2), options={"local_classifier": True}, error_gate=127)
    closed.train_sample([128], 1)
    assert closed.classifiers[2] == [[0, 0], [0, 0], [0, 0]]


def test_decay_by_hand():
    chip = build("shallow", weight_decay={"shift": 1, "every": 2})
    chip.weights[0][0], chip.weights[1] = [3, 0], [[-3, 5], [64, -1], [0, 0]]
    chip.learn = lambda *_: None
    chip.train_sample([0], 1)
    assert chip.weights[1] == [[-3, 5], [64, -1], [0, 0]]
    chip.weights[1][2] = [50, 50]
    chip.train_sample([0], 1)
    assert chip.weights[1] == [[-1, 3], [32, 0], [50, 50]]  # floors of -1.5, 2.5, 32 and -0.5 go off; bias stays
    assert chip.weights[0][0] == [3, 0]  # the first layer only on request
    assert (chip.updates_done, chip.tallies[1]["updates"]) == (2, 0)


def test_decay_draws_one_word_a_row_and_the_twin_shares_it():
    chip = build("kp", update_rounding="STOCH", feedback={}, weight_decay={"shift": 2, "every": 1})
    chip.weights[1], chip.feedback = [[9, -7], [50, 3], [11, 11]], [[[9, 50], [-7, 3]]]
    chip.updates_done = 1
    register = chip.row_registers[1]
    chip.decay()
    expected = []
    for row in ([9, -7], [50, 3]):
        register = naive.xorshift32(register)
        words = (register, register ^ 2**31)
        expected.append([v - ((v + (w >> 30)) >> 2) for v, w in zip(row, words, strict=True)])
    assert chip.weights[1] == [*expected, [11, 11]]
    assert chip.feedback[0] == [[expected[0][0], expected[1][0]], [expected[0][1], expected[1][1]]]
    assert chip.row_registers[1] == register


def test_feedback_decay_counts_updates():
    chip = build("dkp", batch=2, feedback_decay={"shift": 1, "every": 1})
    chip.feedback = [[[-3, 5], [64, -1]]]
    chip.train_sample([0], 1)
    assert chip.feedback == [[[-3, 5], [64, -1]]]
    chip.train_sample([0], 1)  # all hidden codes are 0: the batch writes steps of 0
    assert chip.feedback == [[[-1, 3], [32, 0]]]


def test_mirror_mode_by_hand():
    chip = build("weight_mirror", mirror={"every": 3, "steps": 1}, feedback_decay={"shift": 1, "every": 2})
    chip.weights[1], chip.feedback = [[64, 0], [0, -64], [127, 127]], [[[0, 0], [0, 0]]]
    register, signs = naive.u(1, 8, 0, 0, 0), []
    assert chip.noise_registers == [register]
    for _ in range(2):
        register = naive.xorshift32(register)
        signs.append(1 if register >= 2**31 else -1)
    chip.samples_done = 2
    chip.mirror_mode()
    assert chip.mirror_steps_done == 0
    chip.samples_done = 3
    activate, noise = chip.activate, []
    chip.activate = lambda matrix, x, *rest: noise.append(x) or activate(matrix, x, *rest)
    chip.mirror_mode()
    assert noise == [[64 * sign for sign in signs]]  # products alone cannot tell ξ from -ξ; the bias row is blocked
    # z = ±64 * 64 is q = ±2, so y = 136 or 120 beside 128: s * ξ = ±8 * 64, shift 8 + 7 - 6 = 9
    cross = signs[0] * signs[1]
    assert chip.feedback == [[[1, cross], [-cross, -1]]]  # the signs of W_1 on the diagonal
    assert chip.noise_registers == [register]
    assert chip.tallies[0]["feedback_updates"] == 4
    assert chip.tallies[1]["updates"] == 0
    chip.weights[1], chip.feedback = [[0, 0]] * 3, [[[-3, 5], [64, -1]]]
    chip.mirror_mode()
    assert chip.feedback == [[[-1, 3], [32, 0]]]  # s = 0 writes nothing; the decay follows the second step
    assert (chip.mirror_steps_done, chip.tallies[0]["feedback_updates"]) == (2, 4)


def test_mirror_noise_must_fit():
    with pytest.raises(ValueError, match="noise"):
        build("weight_mirror", mirror={"noise_shift": 0})  # 128 does not fit s8f7
    with pytest.raises(ValueError, match="noise"):
        build("weight_mirror", mirror={"noise_shift": 8})


def test_a_short_batch_follows_mirror_mode():
    chip, calls = build("weight_mirror", batch=4, mirror={"every": 1, "steps": 1}), []
    chip.decay = lambda: calls.append("batch")
    chip.mirror_layer = lambda _: calls.append("mirror")
    chip.train_epoch([[1], [2]], [0, 1], 0)
    assert calls == ["mirror", "mirror", "batch"]


def test_lane_words_follow_the_order_of_section_8():
    chip = one_hot_hidden("dkp", random_words="lane_xorshift", update_rounding="STOCH", lanes=1)
    chip.feedback = [[[64, -32], [16, 127]]]
    lane, draws = chip.lane_registers[0], []
    for _ in range(12):
        lane = naive.xorshift32(lane)
        draws.append(lane)
    chip.train_sample([255], 1)
    assert chip.lane_registers == [lane]  # W_1: 2 groups of 2 rows, W_0: 2 of 2, B_0: 2 of 2 rows
    # the last four belong to B_0: group of neuron 0 first, its rows ascending
    expected = [64 + ((-128 * 64 + (draws[8] >> 23)) >> 9), 16 + ((127 * 64 + (draws[9] >> 23)) >> 9)]
    assert [row[0] for row in chip.feedback[0]] == expected


def test_formats_of_learned_feedback():
    chip = build("dkp", hidden=(2, 2), feedback={})
    assert chip.feedback_formats == ["s8f8", "s8f8"]  # those of W_{k+1}
    spec = {**chip.spec, "feedback": {"format": "s8f6"}}
    spec["layers"] = [{**spec["layers"][0], "feedback": "s5f6"}, *spec["layers"][1:]]
    assert naive.NaiveChip(spec).feedback_formats == ["s5f6", "s8f6"]
