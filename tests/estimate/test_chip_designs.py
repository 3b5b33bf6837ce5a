"""Configured chips as designs: every shipped configuration, every rule, every setting; no counter is dropped."""

import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from neuro_emu.api import load, run
from neuro_emu.config.experiment import load_text
from neuro_emu.errors import ConfigError, MismatchError
from neuro_emu.estimate.chip import design_of
from neuro_emu.estimate.chip_parts import parts_of
from neuro_emu.estimate.chip_uses import uses_of
from neuro_emu.estimate.cost import cost_of
from neuro_emu.estimate.price import Prices
from neuro_emu.estimate.record import record_of
from neuro_emu.estimate.technology import find_technology
from neuro_emu.machine.chip import Chip
from neuro_emu.machine.counts import Component, Counts, Phase, Port
from neuro_emu.machine.expected import expected_counts
from neuro_emu.rules import RULES

sys.path.append(str(Path(__file__).parents[1] / "config"))
from tiny_experiment import BASE

CONFIGS = Path(__file__).parents[2] / "configs"
SHIPPED = sorted(path.name for path in CONFIGS.glob("*.yaml") if isinstance(load(path).chip, Chip))
PAPERS = [f"papers/{name}_chip.yaml" for name in ("dkp", "drtp_fc1", "drtp_regression", "fa_review", "weight_mirror")]
TECHNOLOGY = find_technology("n28")
PRICES = Prices(TECHNOLOGY, TECHNOLOGY.nominal_voltage)
DENSITY = [0.19, 1.0]
SCALED = {Component.RANDOM_WORD}  # a word is one of several registers' step
TIME = {Component.CYCLES, Component.STALLS}  # energy in a cycle is that of the clocked parts


def refused(*overrides):
    try:
        return load(CONFIGS / "rules_mnist.yaml", overrides)
    except ConfigError:
        return None


def checked(chip, training, inference, samples):
    """Return the costs of a chip with learning and without, after what holds for any."""
    design = design_of(chip, (training, samples), (inference, samples), "counted")
    plain = design_of(chip, None, (inference, samples), "counted")
    for name, counts in (("training", training), ("inference", inference)):
        workload = next(one for one in design.workloads if one.name == name)
        nothing_is_dropped(counts, samples, workload.uses, parts_of(chip))
        assert workload.cycles == counts.cycles / samples
    cost, without = cost_of(design, PRICES, 100.0), cost_of(plain, PRICES, 100.0)
    assert without.area.nominal < cost.area.nominal
    assert without.leakage.nominal < cost.leakage.nominal
    assert without.workloads.keys() == {"inference"}
    for other in cost.workloads.values():
        assert 0 < without.workloads["inference"].energy.nominal <= other.energy.nominal * (1 + 1e-12)
    assert record_of(cost, without)["learning"]["area"]["percent"] > 0
    assert {part.name for part in plain.parts} <= {part.name for part in design.parts}
    assert not any(part.learns for part in plain.parts if part.component in {"sram", "rom"})
    return cost, without


def nothing_is_dropped(counts, samples, uses, parts):
    counted = Counter()
    for use in uses:
        counted[use.phase, use.layer, use.why.split(":")[0], use.part] += use.count * samples
    for phase, layer, component in np.argwhere(counts.events).tolist():
        kind = Component(component)
        if kind in TIME:
            continue
        key = (Phase(phase).name.lower(), layer, kind.name.lower())
        found = {part: count for (*where, part), count in counted.items() if tuple(where) == key}
        assert found, f"{key} is dropped"
        if kind not in SCALED and "lane gradient" not in found:  # its sums are clocked too
            expected = counts.events[phase, layer, component]
            if kind is Component.ERROR_READ:  # of the layer's own signals, and of those above
                assert sum(found.values()) == pytest.approx(expected), key
            else:
                assert all(count == pytest.approx(expected) for count in found.values()), key
    for phase, layer, port in np.argwhere(counts.banked.sum(axis=3)).tolist():
        key = (Phase(phase).name.lower(), layer, Port(port).name.lower())
        found = [count for (*where, _), count in counted.items() if tuple(where) == key]
        assert found == [pytest.approx(counts.banked[phase, layer, port].sum())], key
    assert {use.part for use in uses} <= {part.name for part in parts}


@pytest.mark.parametrize("name", SHIPPED + PAPERS)
def test_shipped_configurations(name):
    chip = load(CONFIGS / name).chip
    checked(chip, *expected_counts(chip, DENSITY))


SETTINGS = {
    "momentum": ["training.optimiser=momentum"],
    "nesterov, mini-batch": ["training.optimiser=nesterov", "training.batch=4"],
    "mini-batch": ["training.batch=8"],
    "norm": ["training.weight_norm={gamma: 0.75}"],
    "norm, no feedback": ["training.weight_norm={gamma: 0.75, feedback: false}"],
    "dropout": ["training.dropout=64"],
    "softmax": ["training.loss=cce", "network.layers.2.dense.activation=softmax"],
    "mse": ["training.loss=mse", "network.layers.2.dense.activation=hard_tanh"],
    "tables": ["network.layers.0.dense.activation=tanh", "network.layers.1.dense.activation=tanh"],
    "lane words": ["numerics.random_words=lane_xorshift"],
    "nothing random": ["numerics.update_rounding=RND"],
    "no skipping": ["machine.zero_input=none", "machine.weight_banks=1"],
    "wide": ["machine.lanes=64", "machine.activation_units=4", "machine.zero_input=gate"],
}


@pytest.mark.parametrize("rule", RULES)
def test_every_rule(rule):
    chip = load(CONFIGS / "rules_mnist.yaml", [f"training.rule={rule}"]).chip
    checked(chip, *expected_counts(chip, DENSITY))


SETTLED = ("bp", "drtp", "kp", "weight_mirror")


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("rule", SETTLED)
def test_settings_of_training_and_machine(rule, setting):
    experiment = refused(f"training.rule={rule}", *SETTINGS[setting])
    if experiment is None:  # docs/rules.md, what does not go together
        assert (rule, setting) in {("kp", "norm"), ("kp", "norm, no feedback"), ("weight_mirror", "softmax")}
        return
    checked(experiment.chip, *expected_counts(experiment.chip, DENSITY))


@pytest.mark.parametrize("rule", ["asfp", "asap", "activation_sharing"])
def test_options_of_sharing(rule):
    options = {"asfp": "local_classifier", "asap": "first_layer", "activation_sharing": "matching"}
    values = {"asfp": "true", "asap": "fixed", "activation_sharing": "random"}
    overrides = [f"training.options={{{options[rule]}: {values[rule]}}}", "network.layers.1.dense.units=64"]
    experiment = load(CONFIGS / "rules_mnist.yaml", [f"training.rule={rule}", *overrides])
    checked(experiment.chip, *expected_counts(experiment.chip, DENSITY))


TINY = {
    "decay": {"rule: dfa,": "rule: dfa, weight_decay: {shift: 9, every: 2}, feedback_decay: {shift: 9, every: 2},"},
    "norm": {"rule: dfa,": "rule: dfa, weight_norm: {gamma: 0.5, feedback: false},"},
    "nesterov": {"rule: dfa,": "rule: dfa, optimiser: nesterov, batch: 2,"},
}


@pytest.mark.parametrize(
    ("rule", "setting"),
    [(r, "as it is") for r in RULES] + [(r, s) for r in ("dfa", "dkp", "weight_mirror") for s in TINY],
)
def test_counts_of_a_real_run(rule, setting):
    text = BASE.replace("train: 200, test: 50", "train: 6, test: 2").replace("epochs: 2", "epochs: 1")
    for old, new in TINY.get(setting, {}).items():
        text = text.replace(old, new)
    text = text.replace("rule: dfa,", f"rule: {rule}, mirror: {{every: 3, steps: 2}},")
    if (rule, setting) == ("dfa", "decay"):  # whose feedback is fixed
        text = text.replace("feedback_decay: {shift: 9, every: 2},", "")
    experiment = load_text(text)
    metrics = run(experiment, datapath="traced").metrics
    chip, counted = experiment.chip, []
    for name in ("training", "inference"):
        record = metrics[name]
        counts = Counts.from_dict(record["counts"], len(chip.network.layers), chip.design.weight_banks)
        counted.append((counts, record["samples"]))
    (training, trained), (inference, inferred) = counted
    for one, (counts, samples) in zip(("training", "inference"), counted, strict=True):
        uses = uses_of(chip, counts, samples, parts_of(chip))
        nothing_is_dropped(counts, samples, uses, parts_of(chip))
        assert uses, one
    design = design_of(chip, (training, trained), (inference, inferred), "a run")
    assert cost_of(design, PRICES, 100.0).workloads["training"].energy.nominal > 0


FOREIGN = [
    (Phase.FORWARD, Component.RANDOM_READ),
    (Phase.FEEDBACK, Component.FEEDBACK_WRITE),
    (Phase.UPDATE, Component.VELOCITY),
    (Phase.UPDATE, Component.SCALE),
    (Phase.UPDATE, Component.SHARED_UPDATE),
    (Phase.FORWARD, Component.NORM),
    (Phase.ERROR, Component.PARTIAL_READ),
]


@pytest.mark.parametrize(("phase", "component"), FOREIGN, ids=lambda value: value.name.lower())
def test_counts_of_what_a_chip_has_not_are_an_error(phase, component):
    chip = load(CONFIGS / "bp_mnist.yaml").chip
    counts = Counts(len(chip.network.layers), chip.design.weight_banks)
    counts.add(phase, 0, component, 10)
    with pytest.raises(MismatchError):
        uses_of(chip, counts, 1, parts_of(chip))


@pytest.mark.parametrize("port", [Port.GRADIENT_READ, Port.VELOCITY_WRITE])
def test_accesses_to_what_a_chip_has_not_are_an_error(port):
    chip = load(CONFIGS / "bp_mnist.yaml").chip
    counts = Counts(len(chip.network.layers), chip.design.weight_banks)
    counts.access(Phase.UPDATE, 0, port, 0, 10)
    with pytest.raises(MismatchError, match="counted accesses to"):
        uses_of(chip, counts, 1, parts_of(chip))


def test_learning_on_a_chip_that_only_infers_is_an_error():
    chip = load(CONFIGS / "bp_mnist.yaml").chip
    training, _, samples = expected_counts(chip, DENSITY)
    with pytest.raises(MismatchError):
        uses_of(chip, training, samples, parts_of(chip, learning=False))


def test_more_lanes_are_larger_and_faster():
    found = []
    for lanes in (8, 16, 32):
        chip = load(CONFIGS / "drtp_small.yaml", [f"machine.lanes={lanes}"]).chip
        found.append(checked(chip, *expected_counts(chip, DENSITY))[0])
    areas = [cost.area.nominal for cost in found]
    times = [cost.workloads["training"].latency_us for cost in found]
    assert areas == sorted(areas)
    assert times == sorted(times, reverse=True)


def test_wider_weights_cost_more():
    found = []
    for weight in ("s8f8", "s12f12", "s16f16"):
        chip = load(CONFIGS / "drtp_small.yaml", [f"network.layers.0.dense.weight={weight}"]).chip
        found.append(checked(chip, *expected_counts(chip, DENSITY))[0])
    for quantity in ("area", "leakage"):
        values = [getattr(cost, quantity).nominal for cost in found]
        assert values == sorted(values), quantity
    energies = [cost.workloads["training"].energy.nominal for cost in found]
    assert energies == sorted(energies)


def test_fewer_active_inputs_take_less_energy():
    chip = load(CONFIGS / "drtp_small.yaml").chip
    sparse, dense = (checked(chip, *expected_counts(chip, [d, 1.0]))[0] for d in (0.1, 0.5))
    for name in ("inference", "training"):
        assert sparse.workloads[name].energy.nominal < dense.workloads[name].energy.nominal
    assert sparse.area == dense.area
