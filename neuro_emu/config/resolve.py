"""From a configuration to a chip: defaults filled in, formats followed through, impossible widths refused."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from math import prod

from neuro_emu.config import schema
from neuro_emu.config.checks import CHECKS
from neuro_emu.config.checks_around import check_inputs
from neuro_emu.config.deep_checks import Case, check_graph
from neuro_emu.config.deep_resolve import is_graph, made_of, with_feedback
from neuro_emu.config.deep_schema import Conv, Dense, Layer
from neuro_emu.config.fields import Schedule
from neuro_emu.config.formats import delta_of, format_of, output_of, wanted_format
from neuro_emu.config.schedules import pairs
from neuro_emu.config.typed import Document
from neuro_emu.datasets import Description, describe
from neuro_emu.errors import RuleError
from neuro_emu.machine.chip import Chip, Numerics
from neuro_emu.machine.deep.chip import DeepChip
from neuro_emu.machine.deep.either import AnyChip
from neuro_emu.machine.design import Design
from neuro_emu.machine.learning import Adam, Decay, Learning, Mirror, Momentum, Targets, WeightNorm
from neuro_emu.machine.matrices import Kind
from neuro_emu.machine.plan import plan_of
from neuro_emu.network.layers import DenseLayer, Network
from neuro_emu.numerics.modes import Rounding
from neuro_emu.rules import RULES, Need, OptionValue, Rule, find_rule, installed_rules

_GRAPHS_ALONE = {"norm": None, "learns": True, "initial": None, "dropout": True, "preactivation": None}
"""Settings of a dense layer that only graphs have, and what leaves them out."""


def resolve(config: schema.Config, document: Document) -> AnyChip:
    """Return the chip that *config* describes.

    Args:
        config: the typed configuration.
        document: where it was written, for error messages.

    Raises:
        ConfigError: for settings that contradict each other or need more than 63 bits.

    """
    rule = _rule(config, document)
    try:
        if is_graph(config):
            return _graph_chip(config, rule, document)
        rates = [dense.lr_shift for dense in _dense_layers(config, document)]
        learning = _learning(config, rule, document, rates)
        layers = _layers(config, learning, document)
        chip = Chip(Network(layers), _numerics(config), learning, _design(config, document))
        for check in CHECKS:
            check(config, chip, document)
    except RuleError as error:
        raise document.error("training.rule", str(error), "mend the rule, or choose another") from error
    return chip


def _graph_chip(config: schema.Config, rule: Rule, document: Document) -> DeepChip:
    """Return a chip with a graph of layers."""
    described = _described(config)
    check_inputs(config, described, document)
    made = made_of(config, _input_shape(config, described, document), described.classes, document)
    learning = _learning(config, rule, document, [source.step.lr_shift for source in made.sources])
    plain = DeepChip(made.graph, _numerics(config), learning, _design(config, document))
    chip = with_feedback(config, plain, made.sources)
    check_graph(Case(config, chip, document, made.sources, described))
    return chip


def warnings_of(config: schema.Config, chip: AnyChip) -> list[str]:
    """Settings that work but rarely mean what was intended."""
    found = []
    if config.numerics.update_rounding in {Rounding.TRN, Rounding.TRN_ZERO}:
        mode = config.numerics.update_rounding.value
        drift = "drifts negative and destroys learning" if mode == "TRN" else "loses every step below one code"
        found.append(f"numerics.update_rounding: {mode} {drift}; STOCH or RND is meant for weight updates")
    if config.numerics.overflow.value == "WRAP":
        found.append("numerics.overflow: WRAP turns the largest weights into the smallest; SAT is what chips do")
    feedback, network = config.numerics.feedback, config.network
    if feedback.source is schema.FeedbackSource.LFSR and feedback.range is schema.FeedbackRange.KAIMING:
        found.append("numerics.feedback.range: an LFSR fills its format; kaiming has no effect")
    if network.initial_weights is schema.InitialWeights.ZERO and network.initial_layers is schema.InitialLayers.ALL:
        found.append("network.initial_layers: all has no effect while initial_weights is zero")
    rule, training = chip.learning.rule, config.training
    if not any(matrix.kind is Kind.FEEDBACK for matrix in chip.matrices):
        why = "its twins follow the weights" if any(use.twin for use in chip.plan.feedback) else "it learns no feedback"
        written = [n for n in ("feedback_decay", "feedback_lr_shift") if getattr(training, n) is not None]
        found += [f"training.{name}: no effect with {rule.name}; {why}" for name in written]
    if training.mirror != schema.Mirror() and not rule.mirror:
        found.append(f"training.mirror: no effect with {rule.name}, which has no mirror mode")
    optimiser = training.optimiser
    if training.momentum != schema.Momentum() and chip.learning.momentum is None:
        found.append(f"training.momentum: no effect with optimiser {optimiser}")
    if training.adam != schema.Adam() and optimiser != "adam":
        found.append(f"training.adam: no effect with optimiser {optimiser}")
    if training.dropout and not chip.network.hidden:
        found.append("training.dropout: no effect without hidden layers")
    if rule.need < Need.ERROR and any(_projects(layer) for layer in network.layers):
        found.append(f"network.layers: {rule.name} projects nothing; projection has no effect")
    if (norm := chip.learning.weight_norm) and isinstance(chip, Chip):
        few = [la.index for la in chip.network.layers if norm.code(la.weight) ** 2 < la.inputs]
        found += [
            f"training.weight_norm.gamma: layer {k} has more weights than squares of its norm in codes; most become 0"
            for k in few
        ]
    return found + [
        f"training.options.{name}: {rule.name} has no such option; it has no effect"
        for name in config.training.options
        if name not in rule.options
    ]


def _projects(layer: Layer) -> bool:
    return isinstance(layer, Dense | Conv) and layer.projection is not None


def _rule(config: schema.Config, document: Document) -> Rule:
    name = config.training.rule
    known = sorted({*RULES, *installed_rules()})
    if name not in known and ":" not in name:
        near = difflib.get_close_matches(name, known, 1)
        hint = f"did you mean {near[0]!r}? known rules: " if near else "known rules: "
        hint += ", ".join(known) + "; a rule of your own is module:function"
        raise document.error("training.rule", f"unknown rule {name!r}", hint)
    try:
        return find_rule(name)
    except RuleError as error:
        raise document.error(
            "training.rule", str(error), "name a module that Python finds, and its function"
        ) from error


def _options(config: schema.Config, rule: Rule, document: Document) -> tuple[tuple[str, OptionValue], ...]:
    """Check the rule's own options; those of other rules have no effect, so that one file serves several rules."""
    offered = {name for one in RULES.values() for name in one.options}
    chosen = []
    for name, value in sorted(config.training.options.items()):
        where = f"training.options.{name}"
        if name not in offered:
            names = ", ".join(sorted(rule.options)) or "none"
            raise document.error(where, f"no rule has an option {name!r}", f"options of {rule.name}: {names}")
        if name in rule.options:
            if complaint := rule.options[name].complaint(value):
                raise document.error(where, f"{value!r} is no value of {name}", complaint)
            chosen.append((name, value))
    return tuple(chosen)


def _dense_layers(config: schema.Config, document: Document) -> tuple[Dense, ...]:
    """Return the layers of a chip that learns sample by sample; refuse what only graphs have."""
    found = tuple(layer for layer in config.network.layers if isinstance(layer, Dense))
    if not found:
        raise document.error("network.layers", "a network needs at least an output layer", "write layers, or a preset")
    for k, dense in enumerate(found):
        for name, usual in _GRAPHS_ALONE.items():
            if getattr(dense, name) != usual:
                raise document.error(
                    f"network.layers.{k}.dense.{name}",
                    f"{name} is for networks that learn a mini-batch at a time",
                    "leave it out, or write network.batched: true",
                )
    if config.network.formats.preactivation is not None:
        raise document.error(
            "network.formats.preactivation",
            "pre-activations have table_frac where networks learn sample by sample",
            "leave it out, or write network.batched: true",
        )
    return found


def _layers(config: schema.Config, learning: Learning, document: Document) -> tuple[DenseLayer, ...]:
    described = _described(config)
    check_inputs(config, described, document)
    inputs = prod(_input_shape(config, described, document))
    codes, common = config.dataset.input, config.network.formats
    written = _dense_layers(config, document)
    places = [f"network.layers.{k}.dense" for k in range(len(written))]
    weights = [wanted_format(config, dense, "weight", places[k], document) for k, dense in enumerate(written)]
    sizes = (inputs, *(dense.units for dense in written))
    last = len(written) - 1
    order = tuple(reversed(range(last + 1))) if learning.rule.need >= Need.ERROR else tuple(range(last + 1))
    plan = plan_of(learning.rule, sizes, dict(learning.options), order, described.classes)
    layers = []
    for k, dense in enumerate(written):
        delta, feedback, projection = delta_of(config, dense), None, dense.projection
        if k < last:
            usual = weights[k + 1] if plan.feedback[k].learned else config.numerics.feedback.format
            feedback = format_of(config, dense, "feedback") or usual
            projection = projection or common.projection
        layer = DenseLayer(
            index=k,
            inputs=inputs,
            units=dense.units,
            activation=dense.activation,
            table_frac=dense.table_frac,
            input=codes,
            weight=weights[k],
            output=output_of(config, dense, places[k], document),
            delta=delta,
            projection=projection or delta,
            feedback=feedback,
        )
        layers.append(layer)
        inputs, codes = dense.units, layer.output
    wanted, hot = described.classes * learning.targets.hot or described.classes, learning.targets.hot
    if layers[-1].units != wanted if hot < 2 else layers[-1].units < wanted:
        what = f"{described.classes} {'functions' if described.regression else 'classes'}"
        what += f" of {hot} outputs each" if hot > 1 else ""
        raise document.error(
            f"network.layers.{last}.dense.units",
            f"the output layer has {layers[-1].units} neurons, {described.name} has {what}",
            f"write units: {wanted}" + (" or more" if hot > 1 else ""),
        )
    return tuple(layers)


def _described(config: schema.Config) -> Description:
    return next(d for d in describe() if d.name == config.dataset.name)


def _input_shape(config: schema.Config, described: Description, document: Document) -> tuple[int, int, int]:
    """Channels, rows and columns of what is presented."""
    channels, rows, columns = described.shape
    side = config.dataset.side
    if side is None:
        return described.shape
    if described.real or side > min(rows, columns):
        why = "has no images" if described.real else f"has images of {rows} × {columns} pixels"
        raise document.error("dataset.side", f"{described.name} {why}", "write null, or fewer pixels a side")
    return channels, side, side


def _numerics(config: schema.Config) -> Numerics:
    numerics = config.numerics
    return Numerics(
        update_rounding=numerics.update_rounding,
        overflow=numerics.overflow,
        accumulator_bits=numerics.accumulator.bits,
        accumulator_overflow=numerics.accumulator.overflow,
        word_source=numerics.random_words,
        strict=numerics.strict,
    )


def _learning(config: schema.Config, rule: Rule, document: Document, own_rates: Sequence[Schedule | None]) -> Learning:
    """Return what is learned how; *own_rates* are those of the layers, None where they have the usual one."""
    training, feedback = config.training, config.numerics.feedback
    weights, learned = training.weight_decay, training.feedback_decay
    described = _described(config)
    moving = training.optimiser in {"momentum", "nesterov"}
    norm, adam, momentum = training.weight_norm, training.adam, training.momentum
    usual = [training.lr_shift.hidden] * (len(own_rates) - 1) + [training.lr_shift.output]
    rates = [pairs(common if own is None else own) for own, common in zip(own_rates, usual, strict=True)]
    return Learning(
        rule=rule,
        seed=training.seed,
        batch=training.batch,
        error_gate=training.error_gate,
        sign_dead_zone=training.sign_dead_zone,
        lr_shift=tuple(rates),
        shuffled=training.order is schema.Order.SHUFFLED,
        initial=config.network.initial_weights.value,
        initial_output=config.network.initial_layers is schema.InitialLayers.ALL,
        feedback_source=feedback.source.value,
        feedback_range=feedback.range.value,
        learned_range=feedback.learned_range.value,
        options=_options(config, rule, document),
        feedback_lr_shift=pairs(
            training.lr_shift.hidden if training.feedback_lr_shift is None else training.feedback_lr_shift
        ),
        weight_decay=Decay(pairs(weights.shift), weights.every, weights.first_layer) if weights else None,
        feedback_decay=Decay(pairs(learned.shift), learned.every) if learned else None,
        mirror=Mirror(training.mirror.every, training.mirror.steps, training.mirror.noise_shift),
        loss=training.loss,
        targets=Targets(0 if described.regression else training.hot, described.classes),
        momentum=Momentum(momentum.shift, momentum.velocity, training.optimiser == "nesterov") if moving else None,
        adam=Adam(adam.learning_rate, adam.beta_1, adam.beta_2, adam.epsilon) if training.optimiser == "adam" else None,
        weight_norm=WeightNorm(norm.gamma, norm.every, norm.feedback) if norm else None,
        dropout=training.dropout,
    )


def _design(config: schema.Config, document: Document) -> Design:
    machine = config.machine
    if machine.weight_banks & (machine.weight_banks - 1):
        near = 1 << (machine.weight_banks.bit_length() - 1)
        raise document.error(
            "machine.weight_banks",
            f"{machine.weight_banks} is not a power of two",
            f"write {near} or {2 * near}",
        )
    return Design(
        lanes=machine.lanes,
        clock_mhz=machine.clock_mhz,
        weight_banks=machine.weight_banks,
        activation_units=machine.activation_units,
        zero_input=machine.zero_input,
    )
