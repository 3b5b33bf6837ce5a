"""Estimates of graphs: a small conv chip by hand, a dense graph beside the dense chip, and nothing that is dropped."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rule_graphs
from dense_pair import layers_of, learning_of, numerics_of, pair
from random_nets import RULES, chain, chip_of, design_of, settings_of
from test_deep_counts import CODES, conv_net, one_sample

from neuro_emu.api import load
from neuro_emu.datapath.deep.expected import expected_counts
from neuro_emu.errors import MismatchError
from neuro_emu.estimate import chip as designs
from neuro_emu.estimate import chip_parts, deep_parts
from neuro_emu.estimate.cost import cost_of
from neuro_emu.estimate.deep_uses import found_in, uses_of
from neuro_emu.estimate.price import Prices
from neuro_emu.estimate.record import record_of
from neuro_emu.estimate.technology import find_technology
from neuro_emu.machine.counts import Component, Counts, Phase, Port
from neuro_emu.machine.deep.chip import DeepChip
from neuro_emu.machine.design import ZeroInput
from neuro_emu.machine.expected import expected_counts as dense_counts
from neuro_emu.machine.learning import Momentum

TECHNOLOGY = find_technology("n28")
CONFIGS = Path(__file__).parents[2] / "configs"
PRICES = Prices(TECHNOLOGY, TECHNOLOGY.nominal_voltage)
IDENTITY = {"preactivation_read", "preactivation_write"}
"""Counted for an identity too, which has no f′ and keeps nothing."""


def charged(uses, phase, layer):
    """Actions but those of clocks, by part and action."""
    found = Counter()
    for use in uses:
        if (use.phase, use.layer) == (phase.name.lower(), layer) and use.action in {"read", "write", "operate"}:
            found[f"{use.part} {use.action}"] += use.count
    return {name: pytest.approx(count) for name, count in found.items()}


def of_sample(chip, learning=True):
    parts = deep_parts.parts_of(chip)
    return uses_of(chip, one_sample(chip, CODES), 1, parts, learning=learning), {part.name: part for part in parts}


def test_a_convolution_by_hand():
    """9 positions in 5 tiles; 9 rows and the bias row; 49 taps on the map; 2 channels; the dense layer sees 18."""
    uses, parts = of_sample(conv_net("bp"))
    both = {"lane operand select operate": 116, "lane multiplier operate": 116}
    assert charged(uses, Phase.FORWARD, 0) == {
        **both,
        "input read": 49,
        "lane accumulate operate": 116,
        "lane positions operate": 116,
        "weights[0] read": 50,
        "outputs[1] write": 18,
        "activation units operate": 18,
        "output stage operate": 18,
        "preactivation[1] write": 18,
    }
    assert charged(uses, Phase.ERROR, 0) == {
        "error read": 18,
        "lane operand select operate": 36,
        "lane multiplier operate": 36,
        "adder tree operate": 36,
        "partial read": 18,
        "partial write": 18,
        "partial adder operate": 18,
        "lane gate operate": 18,
        "lane project operate": 18,
        "preactivation[1] read": 18,
        "deltas[1] write": 18,
    }
    assert charged(uses, Phase.UPDATE, 0) == {
        **both,
        "input read": 49,
        "deltas[1] read": 116,
        "lane gradient operate": 116,
        "gradients[0] read": 20,
        "gradients[0] write": 20,
        "weights[0] read": 10,
        "weights[0] write": 10,
        "lane update operate": 20,
        "random words operate": pytest.approx(10 * (1 + 0.25 * 2) / (1 + 2)),
    }
    found = {"error read": 2, "error write": 2, "output stage operate": 2, "weights[1] read": 18}
    assert charged(uses, Phase.ERROR, 1) == found
    assert (parts["lane positions"].attributes["flops"], parts["lane positions"].count) == (32, 2)
    assert (parts["adder tree"].count, parts["lane gradient"].count) == (1, 2)
    assert {"partial", "gradients[0]", "deltas[1]", "adder tree"} <= {n for n, part in parts.items() if part.learns}
    assert not {"input", "weights[0]", "lane positions"} & {n for n, part in parts.items() if part.learns}


def test_counts_to_expect_are_those_of_a_sample_when_nothing_is_zero():
    for rule in ("bp", "drtp", "dfa"):
        chip = conv_net(rule, second=True)
        training, inference, samples = expected_counts(chip, (1.0,))
        one = one_sample(chip, CODES)
        for made in (training, inference):
            assert not (made.events % samples).any()
            made.events //= samples
            made.banked //= samples
        assert not training.differences(one)
        assert (inference.events[Phase.FORWARD, :, Component.MAC] == one.events[Phase.FORWARD, :, Component.MAC]).all()


def test_rows_that_are_zero_and_samples_behind_the_gate_cost_less():
    chip = conv_net("drtp", batch=4)
    chip = replace(chip, design=replace(chip.design, zero_input=ZeroInput.SKIP))
    full, _, samples = expected_counts(chip, (1.0,))
    half, _, _ = expected_counts(chip, (0.5, 0.5))
    few, _, _ = expected_counts(chip, (1.0,), 0.25)
    macs = [counts.events[Phase.FORWARD, 0, Component.MAC] / samples for counts in (full, half)]
    assert macs[0] == 116
    assert 0.4 * 98 < macs[1] - 18 < 0.6 * 98
    assert 4 * few.events[Phase.UPDATE, 0, Component.MAC] == full.events[Phase.UPDATE, 0, Component.MAC]
    assert few.events[Phase.UPDATE, 0, Component.UPDATE] == full.events[Phase.UPDATE, 0, Component.UPDATE]
    assert few.events[Phase.UPDATE, 1, Component.MAC] == full.events[Phase.UPDATE, 1, Component.MAC]


@pytest.mark.parametrize("rule", ["drtp", "dfa", "sdfa"])
@pytest.mark.parametrize("more", [{}, {"momentum": Momentum(3, layers_of((4, 3, 2))[0].weight, False)}], ids=str)
def test_a_dense_graph_costs_what_the_dense_chip_costs(rule, more):
    """Logic is the same, part by part; actions are wherever both machines count the same."""
    layers = layers_of((12, 9, 7, 5))
    dense, graph = pair(layers, learning_of(rule, 3, 4, **more), numerics_of())
    logic = {part.name: part for part in chip_parts.parts_of(dense) if "logic" in part.attributes}
    for part in deep_parts.parts_of(graph):
        if part.name in logic:
            assert replace(part, note="") == replace(logic.pop(part.name), note="")
    assert not logic
    density = (0.5, 1.0)
    old, new = dense_counts(dense, density), expected_counts(graph, density)
    assert old[2] == new[2]
    made = [designs.design_of(chip, (c[0], c[2]), (c[1], c[2]), "") for chip, c in ((dense, old), (graph, new))]
    equal = 0
    for which in range(2):
        found = [Counter(), Counter()]
        for design, sums in zip(made, found, strict=True):
            for use in design.workloads[which].uses:
                sums[use.phase, use.layer, use.part, use.action] += use.count
        for phase in Phase:
            for k in range(3):
                if (old[1 - which].events[phase, k] != new[1 - which].events[phase, k]).any():
                    continue
                keys = [key for key in found[0] if key[:2] == (phase.name.lower(), k) and key[2] in dict(names(dense))]
                assert keys or not old[1 - which].events[phase, k].any()
                assert {key: found[1][key] for key in keys} == pytest.approx({key: found[0][key] for key in keys})
                equal += 1
    assert equal > 15


def names(chip):
    return [(part.name, part) for part in chip_parts.parts_of(chip) if "logic" in part.attributes]


def costed(chip, training, inference, samples):
    """Costs with learning and without, after what holds for any."""
    design = designs.design_of(chip, (training, samples), (inference, samples), "")
    plain = designs.design_of(chip, None, (inference, samples), "")
    for workload, counts in zip(design.workloads, (inference, training), strict=True):
        nothing_is_dropped(counts, samples, workload.uses)
    cost, without = cost_of(design, PRICES, 100.0), cost_of(plain, PRICES, 100.0)
    assert without.area.nominal < cost.area.nominal
    assert record_of(cost, without)["learning"]["area"]["percent"] > 0
    assert without.workloads["inference"].energy.nominal <= cost.workloads["inference"].energy.nominal
    assert not any(part.learns for part in plain.parts if part.component in {"sram", "rom"})
    return cost


def nothing_is_dropped(counts, samples, uses):
    """Every counter of an access is charged as often as it was counted, every operation at least so."""
    wanted, found = Counter(), Counter()
    for (phase, layer, counter), count in found_in(counts).items():
        wanted[phase.name.lower(), layer, counter] += count / samples
    for use in uses:
        if use.why in {c.name.lower() for c in (*Component, *Port)} and use.action in {"read", "write", "operate"}:
            access = use.why.endswith(("_read", "_write")) or use.why == "choice"
            found[use.phase, use.layer, use.why] += use.count * (not access or use.action != "operate")
    for key, count in wanted.items():
        if key[2] in IDENTITY:
            assert found[key] <= count * (1 + 1e-9)
        elif key[2].endswith(("_read", "_write")):
            assert found[key] == pytest.approx(count), key
        elif key[2] not in {"choice", "add", "norm"}:
            assert found[key] >= count * (1 - 1e-9), key


@pytest.mark.parametrize("rule", rule_graphs.ALL)
def test_every_rule_is_charged(rule):
    for graph in (rule_graphs.plain(), rule_graphs.residual(), rule_graphs.normed()):
        chip = rule_graphs.chip_of(rule, rule_graphs.own_formats(graph))
        costed(chip, *expected_counts(chip, (0.4, 0.7)))


@pytest.mark.parametrize("options", [{"local_classifier": True}, {"matching": "random"}, {"matching": "average_pool"}])
def test_options_of_rules_are_charged(options):
    rule = "asfp" if "local_classifier" in options else "activation_sharing"
    for graph in (rule_graphs.plain(), rule_graphs.residual()):
        chip = rule_graphs.chip_of(rule, graph, options=tuple(options.items()))
        costed(chip, *expected_counts(chip, (1.0,)))


def test_shipped_configurations_are_charged():
    chips = [load(path).chip for path in sorted(CONFIGS.glob("*.yaml"))]
    graphs = [chip for chip in chips if isinstance(chip, DeepChip)]
    assert graphs
    for chip in graphs:
        costed(chip, *expected_counts(chip, (0.2, 1.0)))


@pytest.mark.parametrize("seed", range(12))
def test_random_chips_are_charged(seed):
    random = np.random.default_rng(seed)
    chip = chip_of(chain(random), RULES[seed % 5], random, design=design_of(random), **settings_of(random))
    training, inference, samples = expected_counts(chip, (0.6,))
    cost = costed(chip, training, inference, samples)
    assert cost.workloads["training"].workload.cycles == training.cycles / samples


def test_batch_normalisation_is_assumed_and_said_so():
    chip = rule_graphs.chip_of("bp", rule_graphs.normed())
    cost = costed(chip, *expected_counts(chip, (1.0,)))
    assumed = [spent for spent in cost.workloads["training"].spent if spent.use.span]
    assert {spent.use.part for spent in assumed} == set(deep_parts.NORM_PARTS)
    for spent in assumed:
        assert spent.use.span == pytest.approx((spent.use.count / 2, spent.use.count * 2))
    assert any("assumed" in text for text in cost.design.limits)
    scale = sum(s.use.count for s in assumed if s.use.why == "scale" and s.use.phase == "forward")
    assert scale == 2 * sum(layer.neurons for layer in chip.graph.layers if layer.norm)


def test_what_nothing_does_is_refused():
    chip = conv_net("drtp")
    parts = deep_parts.parts_of(chip)
    for component in (Component.NORM, Component.VELOCITY, Component.CHOICE, Component.SHARED_UPDATE):
        counts = Counts(2, chip.design.weight_banks)
        counts.add(Phase.UPDATE, 0, component)
        with pytest.raises(MismatchError, match=f"counted {component.name.lower()} in phase update of layer 0"):
            uses_of(chip, counts, 1, parts, learning=True)
    counts = Counts(2, chip.design.weight_banks)
    counts.access(Phase.UPDATE, 1, Port.VELOCITY_READ, 0)
    with pytest.raises(MismatchError, match="velocity_read"):
        uses_of(chip, counts, 1, parts, learning=True)
    without = tuple(part for part in parts if part.name != "lane multiplier")
    with pytest.raises(MismatchError, match="lane multiplier"):
        uses_of(chip, one_sample(chip, CODES), 1, without, learning=True)
