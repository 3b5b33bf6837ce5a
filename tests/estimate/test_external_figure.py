"""External memory on published networks: layer lists, figure 6.1 of the thesis, properties, energies."""

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from neuro_emu.api.external import Settings, external
from neuro_emu.errors import RunError
from neuro_emu.estimate.external.layers import Bits, dense_network
from neuro_emu.estimate.external.learner import FULL, THESIS, Learner
from neuro_emu.estimate.external.named import DEFAULT, learner_of
from neuro_emu.estimate.external.published import DATA, NAMES, network_of
from neuro_emu.estimate.external.record import working_bits
from neuro_emu.estimate.external.step import training_step
from neuro_emu.estimate.external.traffic import Access, Tensor, bits_of, place, words_of
from neuro_emu.rules import RULES

PUBLISHED = {
    "vgg11": 132_863_336,
    "vgg13": 133_047_848,
    "vgg16": 138_357_544,
    "vgg19": 143_667_240,
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
}
"""Parameters that are widely stated for these networks on ImageNet, in millions: 132.9, 133.0, 138.4, 143.7, 11.7,
21.8, 25.6; VGG's paper says 133, 133, 138 and 144."""
VGG, RESNET = NAMES[:4], NAMES[4:]
FIGURE = ("bp", "asap/block=2", "asap/block=4")


@pytest.mark.parametrize("name", NAMES)
def test_parameters_are_those_of_the_published_networks(name):
    network = network_of(name, "imagenet")
    assert network.parameters == PUBLISHED[name]
    assert network.depth == int(name.lstrip("vgresnt")) == len(network.layers)


def test_maps_and_shortcuts_of_resnet18():
    """He et al. 2016, table 1: 112, 56, 28, 14 and 7 pixels; the input of a block is that of its first layer."""
    layers = network_of("resnet18", "imagenet").layers
    sides = [
        math.isqrt(la.outputs // c) for la, c in zip(layers, [64] * 5 + [128] * 4 + [256] * 4 + [512] * 4, strict=False)
    ]
    assert sides == [112] + [56] * 4 + [28] * 4 + [14] * 4 + [7] * 4
    assert layers[1].inputs == 64 * 56**2  # pooled
    assert layers[-1].inputs == 512  # averaged
    with_shortcut = [
        la.name for la in layers if la.name.endswith("b") and la.weights > 9 * math.isqrt(la.weights // 9) ** 2
    ]
    assert with_shortcut == ["conv3_1b", "conv4_1b", "conv5_1b"]


def test_small_images_have_small_stems_and_heads():
    vgg, resnet = network_of("vgg16", "cifar10"), network_of("resnet18", "cifar10")
    assert (len(vgg.layers), vgg.layers[-1].weights) == (14, 512 * 10)
    assert (resnet.layers[0].weights, resnet.layers[0].outputs) == (27 * 64, 64 * 32**2)
    assert resnet.parameters == 11_173_962  # as often stated for CIFAR-10
    assert network_of("vgg11", "tiny_imagenet").layers[-1].inputs == 512 * 2**2
    assert network_of("resnet18", "cifar100").layers[-1].outputs == 100
    assert network_of("resnet18", width=16).layers[1].weights == 9 * 16**2


def test_names_that_are_none():
    for name in ("vgg12", "alexnet", "3", "3-", "3-0"):
        with pytest.raises(RunError):
            network_of(name)
    with pytest.raises(RunError, match="cifar10, cifar100"):
        network_of("vgg11", "mnist")
    with pytest.raises(RunError, match="width 0"):
        network_of("vgg11", width=0)


def words(name, rule, data="cifar10", batch=128, counts=THESIS):
    return words_of(training_step(network_of(name, data), learner_of(rule, batch), counts))


@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize("name", NAMES)
def test_backpropagation_is_equations_6_1_and_6_2(name, data):
    network = network_of(name, data)
    assert words(name, "bp", data) == 3 * network.parameters + 2 * 128 * network.activations


@pytest.mark.parametrize("batch", [1, 128])
@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize("name", NAMES)
def test_figure_6_1_orders_backpropagation_and_both_block_sizes(name, data, batch):
    """Thesis, chapter 6: ASAP needs fewer accesses than backpropagation, and fewer still with larger blocks."""
    bp, two, four = (words(name, rule, data, batch) for rule in FIGURE)
    assert four < two < bp


@pytest.mark.parametrize("rule", FIGURE[1:])
@pytest.mark.parametrize("family", [VGG, RESNET], ids=["vgg", "resnet"])
def test_figure_6_1_saves_more_accesses_in_deeper_networks(family, rule):
    """Thesis, chapter 6: the trend is pronounced in deeper networks. Of the share that is true of ResNet alone."""
    saved = [words(name, "bp") - words(name, rule) for name in family]
    assert saved == sorted(saved)
    shares = [words(name, rule) / words(name, "bp") for name in family]
    assert (shares == sorted(shares, reverse=True)) == (family == RESNET)
    assert shares[-1] < shares[0]


def test_shared_activations_of_resnet18_by_hand():
    """Shared are the outputs of the stem and of every block (of two layers), the last one averaged to 512."""
    two = 65536 + 2 * 65536 + 2 * 32768 + 2 * 16384 + 8192 + 512
    four = 65536 + 65536 + 32768 + 16384 + 512
    assert words("resnet18", "asap/block=2") == 3 * 11_173_962 + 2 * 128 * two
    assert words("resnet18", "asap/block=4") == 3 * 11_173_962 + 2 * 128 * four
    shares = [words("resnet18", rule) / words("resnet18", "bp") for rule in FIGURE[1:]]
    assert shares == [pytest.approx(0.639, abs=5e-4), pytest.approx(0.458, abs=5e-4)]


def test_feedback_of_its_own_takes_back_what_sharing_saves_where_parameters_outweigh_activations():
    """What figure 6.1 leaves out: the twins are read and written too."""

    def share(name, rule, batch):
        network = network_of(name)
        return bits_of(training_step(network, learner_of(rule, batch))) / bits_of(
            training_step(network, learner_of("bp", batch))
        )

    assert share("resnet18", "asap/block=2", 128) < 1 < share("vgg11", "asap/block=2", 128)
    assert all(share(name, "asap/block=4", 1) > 1.4 for name in NAMES)
    assert all(share(name, "activation_sharing/block=2", 1) < 1.001 for name in NAMES)


SIZES = st.lists(st.integers(1, 40), min_size=3, max_size=7).map(tuple)
RULE = st.sampled_from(DEFAULT)


@given(SIZES, RULE, st.integers(1, 40), st.sampled_from([THESIS, FULL]), st.floats(0, 1), st.floats(0, 1))
def test_more_memory_never_means_more_traffic(sizes, rule, batch, counts, one, other):
    accesses = training_step(dense_network(sizes, Bits(velocity=4)), learner_of(rule, batch), counts)
    whole = sum(tensor.size for tensor in {a.tensor for a in accesses})
    small, large = (place(accesses, share * whole) for share in sorted((one, other)))
    assert bits_of(large.outside) <= bits_of(small.outside)
    for placed in (small, large):
        assert sum(tensor.size for tensor in placed.kept) <= placed.capacity
        assert bits_of(placed.outside) + placed.saved == pytest.approx(bits_of(accesses))
    assert bits_of(place(accesses, 0).outside) == bits_of(accesses)
    assert all(a.always for a in place(accesses, whole).outside)


@given(
    st.lists(st.tuples(st.integers(1, 12), st.integers(1, 6)), min_size=1, max_size=8),
    st.integers(0, 60),
    st.integers(0, 60),
)
@example([(10, 2), (3, 4), (3, 4), (3, 4)], 9, 10)
def test_more_memory_never_means_more_traffic_whatever_the_tensors(tensors, one, other):
    """Sizes and numbers of accesses as no rule has them: one large tensor may push out many small ones."""
    accesses = [
        Access("forward", Tensor("weights", n, size, 1), False, size)
        for n, (size, times) in enumerate(tensors)
        for _ in range(times)
    ]
    small, large = (place(accesses, capacity) for capacity in sorted((one, other)))
    assert bits_of(large.outside) <= bits_of(small.outside)


@given(SIZES, st.sampled_from(["asap", "activation_sharing"]), st.integers(1, 5), st.integers(1, 4), st.integers(1, 30))
def test_blocks_of_blocks_never_mean_more_traffic(sizes, rule, block, times, batch):
    network = dense_network(sizes)
    for counts in (THESIS, FULL):
        few, many = (
            bits_of(training_step(network, learner_of(f"{rule}/block={size}", batch), counts))
            for size in (block * times, block)
        )
        assert few <= many


@given(SIZES, RULE, st.integers(1, 30))
def test_parameters_move_once_a_step_and_activations_once_a_sample(sizes, rule, batch):
    network = dense_network(sizes)

    def by_kind(samples):
        found = {}
        for a in training_step(
            network, Learner(learner_of(rule).rule, learner_of(rule).options, samples, None, samples)
        ):
            found[a.tensor.kind] = found.get(a.tensor.kind, 0) + a.words
        return found

    one, many = by_kind(1), by_kind(batch)
    rows = {"feedback"} if rule == "drtp" else set()
    for kind in one.keys() - rows:
        assert many[kind] == one[kind] * (batch if kind in {"input", "activations", "slopes"} else 1)


@given(SIZES, RULE, st.integers(1, 30))
def test_what_is_read_of_a_step_was_written_in_it(sizes, rule, batch):
    """Kept activations are written once and then read once; parameters are read before they are written."""
    seen = {}
    for access in training_step(dense_network(sizes), learner_of(rule, batch)):
        seen.setdefault(access.tensor, []).append("w" if access.writes else "r")
    for tensor, ways in seen.items():
        if tensor.kind in {"activations", "slopes"}:
            assert ways == ["w", "r"]
        elif access.phase != "mirror":
            assert ways in (["r"], ["r", "w"], ["r", "r"], ["r", "r", "w"])


def test_memory_is_filled_by_what_saves_most_for_its_bits():
    accesses = training_step(dense_network((6, 5, 4, 3, 2)), learner_of("bp", 2))
    ratio = {}
    for a in accesses:
        ratio[a.tensor] = ratio.get(a.tensor, 0) + a.bits / a.tensor.size
    placed = place(accesses, 8 * 82)
    assert [round(ratio[tensor]) for tensor in placed.kept] == sorted(
        (round(ratio[t]) for t in placed.kept), reverse=True
    )
    assert {tensor.name for tensor in placed.kept} == {f"weights[{k}]" for k in range(4)}  # thrice each, others twice
    with pytest.raises(RunError, match="give 0 or more"):
        place(accesses, -1)
    with pytest.raises(RunError):
        place(accesses, math.nan)


@pytest.fixture(scope="module")
def record():
    return external(("resnet18", "vgg11"), ("bp", "asap/block=2", "drtp"))


def test_a_record_holds_what_was_asked_for(record):
    assert [(e["accounting"], e["network"], e["rule"]) for e in record["entries"]] == [
        (counts, network, rule)
        for counts in ("thesis", "full")
        for network in ("resnet18", "vgg11")
        for rule in ("bp", "asap/block=2", "drtp")
    ]
    assert record["rules"]["asap/block=2"] == "asap, block 2"
    assert record["pictured"] == ["bp", "asap/block=2", "drtp"]
    first = record["entries"][0]
    assert first["percent"] == 100
    assert first["words"] == words("resnet18", "bp")
    assert first["bits"] == 8 * first["words"] == first["read_bits"] + first["written_bits"]


def test_energy_is_bits_times_the_energy_of_a_bit(record):
    dram = record["dram"]
    assert (dram["low"], dram["nominal"], dram["high"]) == (4, 20, 41)
    assert "Horowitz" in dram["source"]
    for entry in record["entries"]:
        for end in ("low", "nominal", "high"):
            assert entry["energy_pj"][end] * 128 == pytest.approx(entry["bits"] * dram[end], rel=1e-5)
        for split in ("by_phase", "by_kind"):
            assert sum(one["bits"] for one in entry[split].values()) == entry["bits"]
            assert sum(one["read"] + one["written"] for one in entry[split].values()) == entry["words"]


def test_energy_of_a_bit_can_be_replaced(tmp_path):
    mine = tmp_path / "mine.yaml"
    mine.write_text(
        "constants:\n  dram_energy: {value: 5, low: 4, high: 6, unit: pJ/bit, kind: published, source: our board}\n"
    )
    record = external(("8-4-2",), ("bp",), ("full",), Settings(batch=1, constants=(mine,)))
    entry = record["entries"][0]
    assert entry["energy_pj"] == {"low": 4 * entry["bits"], "nominal": 5 * entry["bits"], "high": 6 * entry["bits"]}
    assert record["dram"]["source"] == "our board"


def test_memory_on_the_chip_and_everything_in_it():
    settings = Settings(batch=1, capacity_kib=1e6)
    record = external(("8-4-2",), ("bp", "kp"), ("thesis", "full"), settings)
    thesis, full = ([e for e in record["entries"] if e["accounting"] == name] for name in ("thesis", "full"))
    assert [(e["bits"], e["percent"]) for e in thesis] == [(0, None), (0, None)]
    assert [(e["bits"], e["percent"]) for e in full] == [(64, 100), (64, 100)]  # the sample comes from outside
    assert full[0]["on_chip_bits"] == 8 * (36 + 10 + 4 + 8)
    assert {"input", "weights[0]", "activations[0]"} <= set(full[0]["on_chip"])
    assert full[0]["outside"] == ["input"]


def test_buffers_of_the_layer_at_work():
    assert working_bits(dense_network((6, 5, 4)), 3) == 3 * 11 * 8


def test_nothing_to_compare():
    for networks, rules, counts in (((), ("bp",), ("full",)), (("3-2",), (), ("full",)), (("3-2",), ("bp",), ())):
        with pytest.raises(RunError, match="nothing to compare"):
            external(networks, rules, counts)
    with pytest.raises(RunError, match="accounting 'half'"):
        external(("3-2",), ("bp",), ("half",))
    with pytest.raises(RunError, match="give 0 or more"):
        external(("3-2",), ("bp",), ("full",), Settings(capacity_kib=math.inf))


def test_every_rule_takes_every_network():
    for name in (*NAMES, "3-2"):
        for rule in DEFAULT:
            accesses = training_step(network_of(name), learner_of(rule, 4))
            assert min(a.words for a in accesses) > 0
    assert {text.split("/")[0] for text in DEFAULT} <= RULES.keys()
