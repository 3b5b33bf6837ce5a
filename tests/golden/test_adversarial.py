"""The adversarial search reaches what can be reached, twice the same, with states that a chip can hold."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from environment import WITHOUT_JIT
from hypothesis import HealthCheck, given, settings
from strategies import chips

from neuro_emu.config.experiment import load
from neuro_emu.datapath.traced import TracedDatapath
from neuro_emu.golden.adversarial import adversarial, missed
from neuro_emu.golden.first_words import FirstWords
from neuro_emu.golden.sites import MEANINGS, SiteCounter, sites_of, unreachable
from neuro_emu.golden.trace import golden
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
CONFIGS = Path(__file__).parents[2] / "configs"


def chip_of(rule, rounding, **options):
    """10 - 9 - 7 - 3, formats in which most sites can be reached."""
    activations, layers, codes = options.get("activations", ("hard_tanh", "tanh")), [], F("u8f8")
    sizes = (10, 9, 7, 3)
    for k, units in enumerate(sizes[1:]):
        last = k == len(sizes) - 2
        layer = DenseLayer(
            index=k,
            inputs=sizes[k],
            units=units,
            activation="sigmoid" if last else activations[k],
            table_frac=(5, 4, 4)[k],
            input=codes,
            weight=F("s8f6"),
            output=F("u8f8") if last else F("s8f7"),
            delta=F("s6f6"),
            projection=F("s6f5"),
            feedback=None if last else F("s6f4"),
        )
        layers.append(layer)
        codes = layer.output
    batch = options.get("batch", 1)
    schedule = tuple(((0, 6 - la.update_shift(0)), (2, 8 - la.update_shift(0))) for la in layers)
    wraps = Overflow.WRAP if options.get("wraps") else Overflow.SAT
    return Chip(
        Network(tuple(layers)),
        Numerics(
            rounding, wraps, options.get("accumulator", 16), wraps, options.get("words", WordSource.ROW_WORD), False
        ),
        Learning(
            RULES[rule],
            7,
            batch,
            options.get("gate"),
            options.get("zone", 0),
            schedule,
            True,
            "zero",
            False,
            "random",
            "full",
        ),
        Design(options.get("lanes", 4), 100.0, options.get("banks", 2), 2, options.get("zero", ZeroInput.SKIP)),
    )


CHIPS = {
    "drtp": chip_of("drtp", Rounding.STOCH),
    "drtp_gated": chip_of("drtp", Rounding.RND, gate=40, zero=ZeroInput.GATE),
    "drtp_wraps": chip_of("drtp", Rounding.RND_CONV, wraps=True, words=WordSource.RAW, banks=1),
    "dfa": chip_of("dfa", Rounding.RND_CONV, zero=ZeroInput.NONE, accumulator=18, lanes=2),
    "dfa_batch": chip_of("dfa", Rounding.STOCH, batch=3, words=WordSource.LANE_LFSR),
    "sdfa": chip_of("sdfa", Rounding.TRN, zone=64, activations=("relu", "tanh_relu")),
    "sdfa_wraps": chip_of("sdfa", Rounding.STOCH, wraps=True, gate=20, zone=30, words=WordSource.LANE_XORSHIFT),
    "shallow": chip_of("shallow", Rounding.TRN_ZERO, accumulator=12, activations=("identity", "sigmoid")),
    "shallow_rnd": chip_of("shallow", Rounding.RND, wraps=True, batch=2, words=WordSource.ROW_LFSR),
}


def counted(chip, episodes):
    """How often each site fires over all episodes, as the exporter counts."""
    total = dict.fromkeys(sites_of(chip), 0)
    for _, state, samples in episodes:
        counter = SiteCounter(chip)
        golden(chip, state, samples, flush=chip.learning.batch > 1, sites=counter)
        total = {site: count + counter.counts[site] for site, count in total.items()}
    return total


@pytest.mark.parametrize("name", CHIPS)
def test_every_site_that_can_fire_fires(name):
    chip = CHIPS[name]
    counts = counted(chip, adversarial(chip, 1))
    assert missed(chip, counts) == {}
    assert not [site for site in unreachable(chip) if counts[site]]


def test_every_kind_of_site_is_reached_by_some_chip():
    """Else a site that never fires anywhere could be a spelling mistake."""
    reached = set()
    for chip in CHIPS.values():
        reached |= {site.partition("[")[0] for site in set(sites_of(chip)) - set(unreachable(chip))}
    assert {site.partition("[")[0] for site in MEANINGS} - reached == set()


@pytest.mark.skipif(WITHOUT_JIT, reason="25,000 rows a sample")
def test_the_shipped_chip_needs_few_samples():
    chip = load(CONFIGS / "drtp_mnist.yaml").chip
    episodes = adversarial(chip, chip.learning.seed)
    assert sum(len(samples) for *_, samples in episodes) <= 24
    assert missed(chip, counted(chip, episodes)) == {}


def test_the_search_is_a_function_of_chip_and_seed():
    chip = CHIPS["sdfa"]
    first, second, other = (adversarial(chip, seed) for seed in (3, 3, 4))
    assert [name for name, *_ in first] == [name for name, *_ in second]
    for (_, a, x), (_, b, y) in zip(first, second, strict=True):
        for left, right in zip([*a.weights, *a.feedback], [*b.weights, *b.feedback], strict=True):
            assert np.array_equal(left, right)
        assert np.array_equal(x.codes, y.codes)
        assert np.array_equal(x.labels, y.labels)
        assert np.array_equal(x.learn, y.learn)
        assert a.epoch == b.epoch
    assert any(
        not np.array_equal(a.weights[0], b.weights[0]) for (_, a, _), (_, b, _) in zip(first, other, strict=False)
    )


def assert_loadable(chip, state, samples):
    start, network = initial_state(chip), chip.network
    assert np.array_equal(state.row_registers, start.row_registers)
    assert np.array_equal(state.lane_registers, start.lane_registers)
    assert state.batch_fill == 0
    assert not any(sums.any() for sums in state.gradients)
    assert state.epoch in {epoch for schedule in chip.learning.lr_shift for epoch, _ in schedule}
    for layer, codes in zip(network.layers, state.weights, strict=True):
        assert codes.shape == (layer.rows, layer.units)
        assert codes.dtype == np.int32
        assert codes.min() >= layer.weight.low
        assert codes.max() <= layer.weight.high
    for layer, codes in zip(network.hidden, state.feedback, strict=True):
        assert codes.shape == (network.classes, layer.units)
        assert codes.min() >= layer.feedback.low
        assert codes.max() <= layer.feedback.high
    assert samples.codes.shape == (len(samples), network.inputs)
    assert samples.codes.max() <= network.layers[0].input.high
    assert samples.labels.min() >= 0
    assert samples.labels.max() < network.classes
    assert samples.learn[0]


@given(chips(wide=False, in_rtl=True))
@settings(max_examples=3, suppress_health_check=list(HealthCheck))
def test_states_and_samples_are_what_a_chip_can_hold(chip):
    episodes = adversarial(chip, chip.learning.seed)
    assert len({name for name, *_ in episodes}) == len(episodes)
    for _, state, samples in episodes:
        assert_loadable(chip, state, samples)
    counts = counted(chip, episodes)
    assert all(counts[f"label[{c}]"] for c in range(chip.network.classes))
    reachable = [site for site in counts if site not in unreachable(chip)]
    assert len(missed(chip, counts)) <= max(6, len(reachable) // 5)


@pytest.mark.parametrize("source", WordSource)
@pytest.mark.parametrize(("rule", "batch"), [("drtp", 1), ("dfa", 1), ("sdfa", 2), ("shallow", 2)])
def test_the_first_words_are_those_of_the_first_update(source, rule, batch):
    chip = chip_of(rule, Rounding.STOCH, words=source, batch=batch)
    state, shown = initial_state(chip), {}

    def record(what, layer, group, codes):
        if what == "words":
            shown.setdefault((layer, group), []).append(codes)

    path = TracedDatapath(chip, state, record)
    path.train(np.array([0, 5, 0, 1, 0, 0, 9, 0, 0, 0]), 1)
    path.end_epoch()
    factors = [
        np.append(codes, layer.bias_code) for codes, layer in zip(path._codes[:-1], chip.network.layers, strict=True)
    ]
    first = FirstWords(chip, state)
    assert shown
    for (k, group), words in shown.items():
        layer = chip.network.layers[k]
        rows = np.append(np.flatnonzero(factors[k][:-1]), layer.inputs) if batch == 1 else np.arange(layer.rows)
        for lane, of_lane in enumerate(np.stack(words).T):
            assert np.array_equal(first.of(layer, group * chip.design.lanes + lane, rows, factors), of_lane)


def test_misses_are_reported_with_what_is_known():
    chip = replace(CHIPS["drtp"], learning=replace(CHIPS["drtp"].learning, lr_shift=(((0, 24),),) * 3))
    nothing = dict.fromkeys(sites_of(chip), 0)
    report = missed(chip, nothing)
    assert report["argmax_tie"] == "not found by the search"
    assert "at best one word in" in report["weight_high[0]"]
    assert not set(report) & set(unreachable(chip))
