"""Sites count what docs/numerics.md says happens, and what is claimed out of reach never fires."""

import re
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from strategies import chips, data_for

from neuro_emu.datapath.traced import TracedDatapath
from neuro_emu.golden.numbers import Numbers, align
from neuro_emu.golden.reach import unlikely
from neuro_emu.golden.sites import MEANINGS, SiteCounter, sites_of, unreachable
from neuro_emu.golden.trace import Samples, golden
from neuro_emu.machine.chip import Chip, Numerics
from neuro_emu.machine.design import Design, ZeroInput
from neuro_emu.machine.initialise import initial_state
from neuro_emu.machine.learning import Learning
from neuro_emu.network.layers import DenseLayer, Network
from neuro_emu.numerics.formats import Format
from neuro_emu.numerics.modes import Overflow, Rounding, WordSource
from neuro_emu.rules import RULES

pytestmark = pytest.mark.integer

F = Format.parse


def one_layer(inputs, units, **options):
    """A single output layer: u8f8 inputs, s8f8 weights, u8f8 outputs, s9f8 deltas."""
    formats = {"input": F("u8f8"), "weight": F("s8f8"), "output": F("u8f8"), "delta": F("s9f8")}
    formats |= {name: F(text) for name, text in options.get("formats", {}).items()}
    layer = DenseLayer(
        0, inputs, units, "sigmoid", options.get("table_frac", 4), **formats, projection=F("s8f7"), feedback=None
    )
    base = layer.update_shift(0)
    numerics = Numerics(
        options.get("rounding", Rounding.RND),
        options.get("overflow", Overflow.SAT),
        options.get("accumulator", 32),
        options.get("accumulator_overflow", Overflow.SAT),
        options.get("words", WordSource.RAW),
        False,
    )
    learning = Learning(
        RULES["shallow"],
        1,
        options.get("batch", 1),
        None,
        0,
        (((0, options.get("shift", 4) - base),),),
        False,
        "zero",
        False,
        "random",
        "full",
    )
    design = Design(options.get("lanes", 4), 100.0, options.get("banks", 2), 1, options.get("zero", ZeroInput.SKIP))
    return Chip(Network((layer,)), numerics, learning, design)


def counted(chip, weights, samples, *, flush=False):
    """Counts over samples (codes, label or None to infer) from *weights* of layer 0."""
    state, counter = initial_state(chip), SiteCounter(chip)
    state.weights[0][:] = weights
    stimuli = Samples(
        np.array([codes for codes, _ in samples], dtype=np.uint8),
        np.array([label or 0 for _, label in samples], dtype=np.int64),
        np.array([label is not None for _, label in samples]),
    )
    golden(chip, state, stimuli, flush=flush, sites=counter)
    return counter.counts


def fired(counts, *names):
    return [counts[name] for name in names]


# --- by hand ---------------------------------------------------------------------------------------------


def test_ties_and_saturation_of_the_preactivation():
    """8 + 8 - 4 = 12 bits are dropped, so z = 2048 is q = 1/2, a tie; z = -2048 is q = -1/2."""
    chip = one_layer(2, 3)  # x = 16, 1; bias code 255
    weights = [[127, -128, 127], [16, 0, 15], [0, 0, 0]]  # z = 2048, -2048, 2047
    counts = counted(chip, weights, [((16, 1), None)])
    assert fired(counts, "preactivation_tie[0]", "preactivation_negative_tie[0]") == [1, 1]
    assert (
        fired(counts, "preactivation_high[0]", "preactivation_low[0]", "address_high[0]", "address_low[0]") == [0] * 4
    )
    chip = one_layer(1, 3, table_frac=6, formats={"weight": "s12f8"})  # 10 bits are dropped
    weights = [[2047, -2048, 0], [0, 0, 512]]  # z = 521985, -522240, 130560: q = 510, -510, 127.5 -> 128
    counts = counted(chip, weights, [((255,), None)])
    assert (
        fired(counts, "preactivation_high[0]", "preactivation_low[0]", "address_high[0]", "address_low[0]")
        == [2, 1] * 2
    )


def test_a_tie_between_equal_table_entries_cannot_be_seen():
    """One output bit: sigmoid is 1 from q = 0 on, so only the tie between q = -1 and 0 shows."""
    chip = one_layer(1, 3, formats={"output": "u1f0"})
    counts = counted(chip, [[16, -16, 48], [0, 0, 0]], [((128,), None)])  # z = 2048, -2048, 6144
    assert fired(counts, "preactivation_tie[0]", "preactivation_negative_tie[0]") == [0, 1]


def test_accumulators_clamp_at_either_end_or_wrap():
    """Ten bits hold -512 ... 511; 127 * 4 + 127 * 4 = 1016, then -128 * 8 = -1024."""
    weights = [[127, -128], [127, -128], [-128, 127], [0, 0]]
    saturating = one_layer(3, 2, accumulator=10)
    counts = counted(saturating, weights, [((4, 4, 8), None)])
    assert fired(counts, "accumulator_high[0]", "accumulator_low[0]") == [1, 2]  # 1016, 511 - 1024 = -513; -1024
    wrapping = replace(saturating, numerics=replace(saturating.numerics, accumulator_overflow=Overflow.WRAP))
    counts = counted(wrapping, weights, [((4, 4, 0), None), ((4, 4, 8), None)])
    assert counts["accumulator_wrap[0]"] == 2  # 1016 and -1024; 1016 - 1024 = -8 and -1024 + 1016 fit
    assert "accumulator_high[0]" not in counts


def test_argmax_ties_within_and_across_groups():
    chip = one_layer(1, 4, lanes=2)
    a_tie = counted(chip, [[5, 5, 1, 1], [0] * 4], [((1,), None)])
    assert fired(a_tie, "argmax_tie", "argmax_tie_across") == [1, 0]
    across = counted(chip, [[1, 5, 0, 5], [0] * 4], [((1,), None)])
    assert fired(across, "argmax_tie", "argmax_tie_across") == [0, 1]
    assert fired(across, "group_first[0]", "group_last[0]") == [1, 1]


def test_output_errors_are_narrowed_to_the_delta_format():
    """All weights 0: y = 128, so e = 127 at the label and -128 elsewhere; s6f7 drops one bit."""
    chip = one_layer(1, 2, formats={"delta": "s6f7"})  # -32 ... 31: 127/2 is a tie at 63.5, far above 31
    counts = counted(chip, np.zeros((2, 2)), [((1,), 0)])
    assert fired(counts, "error_high", "error_low", "error_tie", "error_negative_tie") == [1, 1, 0, 0]
    chip = one_layer(1, 2, formats={"delta": "s8f7"})
    counts = counted(chip, np.zeros((2, 2)), [((1,), 0), ((1,), None)])
    assert fired(counts, "error_high", "error_low", "error_tie", "error_negative_tie") == [0, 0, 1, 0]


STEPS = {  # products of e = 127 and -128 with x = 8 and the bias, by rounding: shift 11
    Rounding.TRN: {"update_negative_dropped": 1},  # -1024; -128 * 255 = -32640 too
    Rounding.RND: {"update_tie": 0, "update_negative_tie": 1},  # -1024 is half of -2048
    Rounding.RND_CONV: {"update_tie_even": 0, "update_tie_odd": 1},  # floor(-1/2) = -1
}


@pytest.mark.parametrize("rounding", STEPS)
def test_rounding_of_updates(rounding):
    chip = one_layer(1, 2, rounding=rounding, shift=11)
    counts = counted(chip, np.zeros((2, 2)), [((8,), 0)])
    wanted = dict(STEPS[rounding])
    if rounding is Rounding.TRN:
        wanted["update_negative_dropped"] += 1  # the bias row
    assert {name: counts[f"{name}[0]"] for name in wanted} == wanted


def test_stochastic_steps_by_the_register_of_section_7():
    chip = one_layer(1, 2, rounding=Rounding.STOCH, shift=9)
    state = initial_state(chip)
    word, wanted = int(state.row_registers[0]), dict.fromkeys(("up", "down", "last", "zero"), 0)
    for x in (3, 255):  # row 0, then the bias row
        word ^= word << 13 & 0xFFFFFFFF
        word ^= word >> 17
        word ^= word << 5 & 0xFFFFFFFF
        draw = word >> 23
        for delta in (127, -128):
            step, floor = (delta * x + draw) >> 9, delta * x >> 9
            wanted["up"] += step != floor
            wanted["down"] += step == floor and delta * x % 512 != 0
            wanted["last"] += (delta * x + (draw ^ 1)) >> 9 != step
            wanted["zero"] += delta * x == 0 and draw != 0
    counts = counted(chip, np.zeros((2, 2)), [((3,), 0)])
    names = ("update_round_up", "update_round_down", "update_last_bit", "update_zero_product")
    assert dict(zip(wanted, fired(counts, *(f"{name}[0]" for name in names)), strict=True)) == wanted


def test_weights_saturate_or_wrap_and_a_tie_that_is_clamped_away_is_not_counted():
    """e = 127 and -128, x = 16, shift 12: products 2032 and -2048, the second a tie between -1 and 0."""
    chip = one_layer(1, 2, shift=12)
    weights = [[127, -128], [0, 0]]
    assert counted(chip, weights, [((16,), 0)])["update_negative_tie[0]"] == 0  # -128 - 1 and -128 are the same
    chip = one_layer(1, 2, shift=4, rounding=Rounding.TRN)  # steps 127 * 16 >> 4 = 127, -128 * 16 >> 4 = -128
    weights = [[127, -128], [0, 0]]
    counts = counted(chip, weights, [((16,), 0)])  # the bias: 127 * 255 >> 4 = 2024, -2040
    assert fired(counts, "weight_high[0]", "weight_low[0]") == [2, 2]
    wrapping = replace(chip, numerics=replace(chip.numerics, overflow=Overflow.WRAP))
    assert counted(wrapping, weights, [((16,), 0)])["weight_wrap[0]"] == 4


@pytest.mark.parametrize(("mode", "name"), [("none", "row_zero"), ("gate", "row_skipped"), ("skip", "row_skipped")])
def test_zero_rows_in_both_passes(mode, name):
    chip = one_layer(4, 2, zero=ZeroInput(mode))
    counts = counted(chip, np.zeros((5, 2)), [((0, 3, 0, 0), 1), ((0, 0, 0, 0), None)])
    assert fired(counts, f"{name}[0]", f"update_{name}[0]") == [7, 3]
    assert counts["inference"] == 0  # nothing was learned after it


def test_the_stalls_of_the_worked_example():
    """docs/machine.md: two banks, active rows 0 2 3 4 8."""
    counts = counted(one_layer(8, 2), np.zeros((9, 2)), [((1, 0, 1, 1, 1, 0, 0, 0), 1)])
    assert counts["stall[0]"] == 2


def test_batches_labels_and_inference():
    chip = one_layer(1, 3, batch=2)
    samples = [((1,), 0), ((2,), None), ((2,), 2), ((0,), 2)]
    counts = counted(chip, np.zeros((2, 3)), samples, flush=True)
    assert fired(counts, "batch_full", "batch_short", "inference") == [1, 1, 1]
    assert fired(counts, "label[0]", "label[1]", "label[2]") == [1, 0, 2]
    assert counts["gradient_sum[0]"] == 6  # both rows of three neurons, by the second sample
    no_flush = counted(chip, np.zeros((2, 3)), samples)
    assert fired(no_flush, "batch_full", "batch_short") == [1, 0]


def hidden_chip(rule, gate=None, zone=0, activation="hard_tanh"):
    """1 - 2 - 2: a hidden layer whose deltas (s4f3) are made of s4f3 feedback codes, exact output errors."""
    hidden = DenseLayer(
        0, 1, 2, activation, 1, F("u8f8"), F("s8f4"), F("s8f7"), F("s4f2"), F("s4f3"), feedback=F("s4f3")
    )
    output = DenseLayer(1, 2, 2, "sigmoid", 4, F("s8f7"), F("s8f4"), F("u8f8"), F("s9f8"), F("s9f8"), feedback=None)
    numerics = Numerics(Rounding.TRN, Overflow.SAT, 32, Overflow.SAT, WordSource.RAW, False)
    shifts = tuple(((0, 8),) for _ in range(2))
    learning = Learning(RULES[rule], 1, 1, gate, zone, shifts, False, "zero", False, "random", "full")
    return Chip(Network((hidden, output)), numerics, learning, Design(2, 100.0, 2, 1, ZeroInput.NONE))


def hidden_counts(chip, weights, feedback, label=0):
    state, counter = initial_state(chip), SiteCounter(chip)
    state.weights[0][:] = weights
    state.feedback[0][:] = feedback
    samples = Samples(np.array([[16]], dtype=np.uint8), np.array([label]), np.array([True]))
    golden(chip, state, samples, sites=counter)
    return counter.counts


def test_the_gate_of_the_derivative():
    """f_t = 1: bends at q = -2 and 2. z = 16 w drops 11 bits, plus 255 w_bias."""
    chip = hidden_chip("drtp")
    counts = hidden_counts(chip, [[-127, -1], [24, 16]], [[5, -3], [7, 7]])  # z = 4088 -> q = 2, 4064 -> 1.98 -> 2
    assert fired(counts, "derivative_zero[0]", "derivative_nonzero[0]", "bend_high_outside[0]") == [2, 0, 2]
    counts = hidden_counts(chip, [[0, 0], [0, 8]], [[5, -3], [7, 7]])  # q = 0, 2040 -> 0.996 -> 1
    assert fired(counts, "derivative_zero[0]", "derivative_nonzero[0]", "bend_high_inside[0]") == [0, 2, 1]
    # 3 + 0 - 2: one bit is dropped; 5 -> 2.5, -3 -> -1.5
    assert fired(counts, "delta_tie[0]", "delta_negative_tie[0]", "delta_high[0]", "delta_low[0]") == [1, 1, 0, 0]


def test_a_closed_gate_hides_the_signals():
    """All weights 0: e = 127 at the label, -128 elsewhere."""
    for gate, names in {126: ["gate_open"], 127: ["gate_closed", "gate_border"], 200: ["gate_closed"]}.items():
        counts = hidden_counts(hidden_chip("sdfa", gate, 127), np.zeros((2, 2)), np.ones((2, 2)))
        assert [name for name in ("gate_open", "gate_closed", "gate_border") if counts[name]] == names
        signs = fired(counts, "sign_positive", "sign_negative", "sign_zero", "sign_border")
        assert signs == ([0, 1, 1, 1] if names == ["gate_open"] else [0] * 4)
        assert counts["derivative_nonzero[0]"] == (2 if names == ["gate_open"] else 0)


def test_projections():
    """t = 1, -1 and codes of s4f3 to s4f3: 7 + 8 = 15 > 7; -8 - 7 = -15 < -8."""
    counts = hidden_counts(hidden_chip("sdfa"), np.zeros((2, 2)), [[7, -8], [-8, 7]])
    assert fired(counts, "projection_high[0]", "projection_low[0]", "projection_tie[0]") == [1, 1, 0]
    # dfa: 127 b0 - 128 b1, 8 bits are dropped: 0 * 127 + 128 is a tie of 128, -128 the other
    counts = hidden_counts(hidden_chip("dfa"), np.zeros((2, 2)), [[0, 0], [-1, 1]])
    assert fired(counts, "projection_tie[0]", "projection_negative_tie[0]") == [1, 1]


# --- what is out of reach ---------------------------------------------------------------------------------


@given(st.data())
@settings(suppress_health_check=list(HealthCheck))
def test_what_is_claimed_out_of_reach_never_fires(data):
    """Extreme and random states, random samples."""
    chip = data.draw(chips(in_rtl=True))
    random = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    state, counter = initial_state(chip), SiteCounter(chip)
    for codes, layer in zip(state.weights, chip.network.layers, strict=True):
        ends = random.choice([layer.weight.low, 0, layer.weight.high], codes.shape)
        codes[:] = (
            ends if random.random() < 0.5 else random.integers(layer.weight.low, layer.weight.high + 1, codes.shape)
        )
    for codes, layer in zip(state.feedback, chip.network.hidden, strict=True):
        codes[:] = random.integers(layer.feedback.low, layer.feedback.high + 1, codes.shape)
    state.epoch = data.draw(st.integers(0, 2))
    given_data = data.draw(data_for(chip))
    path = TracedDatapath(chip, state, counter.record)
    for codes, label in zip(given_data.codes, given_data.labels, strict=True):
        path.train(codes.astype(np.int64), int(label))
    path.end_epoch()
    assert not {site: why for site, why in unreachable(chip).items() if counter.counts[site]}
    assert not set(unreachable(chip)) & set(unlikely(chip))


TINY = [
    {"formats": {"input": "u1f0", "weight": "s2f0", "output": "u2f1", "delta": "s2f0"}, "table_frac": 1, "shift": 1},
    {"formats": {"input": "u2f1", "weight": "s2f2", "output": "u3f2", "delta": "s3f1"}, "table_frac": 1, "shift": 2},
    {"formats": {"input": "u2f0", "weight": "s1f0", "output": "u3f3", "delta": "s2f3"}, "table_frac": 0, "shift": 1},
    {"formats": {"input": "u1f1", "weight": "s3f3", "output": "s3f1", "delta": "s3f0"}, "table_frac": 2, "shift": 3},
    {"formats": {"input": "u2f2", "weight": "s3f3", "output": "u4f4", "delta": "s4f2"}, "table_frac": 2, "shift": 2},
]
MODES = [
    (rounding, overflow, bits, sums)
    for (rounding, overflow), (bits, sums) in product(
        [
            (Rounding.RND, Overflow.SAT),
            (Rounding.RND_CONV, Overflow.WRAP),
            (Rounding.TRN_ZERO, Overflow.SAT),
            (Rounding.TRN, Overflow.WRAP),
        ],
        [(32, Overflow.SAT), (3, Overflow.SAT), (3, Overflow.WRAP)],
    )
]


@pytest.mark.parametrize("tiny", TINY)
@pytest.mark.parametrize(("rounding", "overflow", "bits", "sums"), MODES)
def test_claims_are_exact_where_everything_can_be_tried(tiny, rounding, overflow, bits, sums):
    """One neuron, one input: every weight, input code and update. What is not claimed must fire, and only that."""
    chip = one_layer(
        1, 1, rounding=rounding, overflow=overflow, accumulator=bits, accumulator_overflow=sums, lanes=1, **tiny
    )
    layer, counter = chip.network.output, SiteCounter(chip)
    codes = range(layer.weight.low, layer.weight.high + 1)
    state = initial_state(chip)
    for weights in product(codes, repeat=2):
        for x in range(layer.input.high + 1):
            state.weights[0][:, 0] = weights
            path = TracedDatapath(chip, state, counter.record)
            path.infer(np.array([x]))
            path.train(np.array([x]), 0)
    silent = {site for site in counter.missing() if "row" not in site}
    claimed = set(unreachable(chip))
    assert claimed <= set(counter.missing())
    joint = {"weight_high[0]", "weight_low[0]", "weight_wrap[0]"}  # a weight at its end decides δ here as well
    assert silent - claimed <= joint


@given(st.data())
def test_sets_of_numbers_hold_what_they_stand_for(data):
    low, high = data.draw(st.integers(-300, 0)), data.draw(st.integers(0, 300))
    step, shift = data.draw(st.integers(1, 12)), data.draw(st.integers(-3, 6))
    whole = [v for v in range(low, high + 1) if v % step == 0]
    numbers = data.draw(st.sampled_from([Numbers.of(whole), Numbers(min(whole), max(whole), step)]))
    factors = tuple(data.draw(st.lists(st.integers(0, 20), min_size=1, max_size=4)))
    products = {v * f for v in whole for f in factors}
    times = numbers.times(factors)
    assert all(v in times for v in products)
    ends = (data.draw(st.integers(-40, 0)), data.draw(st.integers(0, 40)))
    narrow = times.narrowed(shift, *ends)
    results = {min(max(align(v, shift), ends[0]), ends[1]) for v in products}
    assert all(v in narrow for v in results)
    assert (narrow.low, narrow.high) == (min(results), max(results))
    for unit in (2, 4, 8, 16, 32):  # ties are decided by the representatives
        ties = {v for v in whole if v % unit == unit // 2}
        found = {v for v in numbers.representatives() if v % unit == unit // 2}
        for sign in (1, -1):
            assert min((v * sign for v in ties if v * sign > 0), default=0) == min(
                (v * sign for v in found if v * sign > 0), default=0
            )


# --- names ---------------------------------------------------------------------------------------------------


@given(chips(in_rtl=True))
def test_every_site_has_a_meaning_and_every_claim_is_of_a_site(chip):
    sites = sites_of(chip)
    assert len(sites) == len(set(sites))
    for site in sites:
        assert site.startswith("label[") or re.sub(r"\[\d+\]$", "", site) in MEANINGS
    assert set(unreachable(chip)) <= set(sites)
    assert set(SiteCounter(chip).counts) == set(sites)


def test_reasons_name_numbers():
    """Two inputs of 255 and the bias; then e = -209 ... 208 with a code of 255: q is at most 24, sigmoid(1.5) = 209."""
    chip = one_layer(2, 2)
    assert unreachable(chip)["accumulator_high[0]"] == "sums lie in -97,920 … 97,155, which fit 32 bits"
    stochastic = one_layer(2, 2, rounding=Rounding.STOCH, shift=31)
    assert "products lie in -53,295 … 53,040" in unlikely(stochastic)["weight_high[0]"]
