"""From a configuration to a chip: defaults filled in, formats followed through, impossible widths refused."""

from __future__ import annotations

import difflib

from neuro_emu.config import schema
from neuro_emu.config.typed import Document
from neuro_emu.datasets import describe
from neuro_emu.machine.chip import Chip, Learning, Numerics
from neuro_emu.machine.design import Design
from neuro_emu.network.layers import DenseLayer, Network
from neuro_emu.numerics.formats import Format
from neuro_emu.numerics.modes import Rounding
from neuro_emu.rules import RULES, Need, Rule

WIDEST = (1 << 63) - 1
"""No intermediate value may pass 63 bits and a sign."""


def resolve(config: schema.Config, document: Document) -> Chip:
    """Return the chip that *config* describes.

    Args:
        config: the typed configuration.
        document: where it was written, for error messages.

    Raises:
        ConfigError: for settings that contradict each other or need more than 63 bits.

    """
    rule = _rule(config, document)
    layers = _layers(config, document)
    chip = Chip(Network(layers), _numerics(config), _learning(config, rule), _design(config, document))
    for check in (_check_samples, _check_ends, _check_signs, _check_options, _check_schedule, _check_bounds):
        check(config, chip, document)
    return chip


def warnings_of(config: schema.Config) -> list[str]:
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
    rule = RULES.get(config.training.rule)
    if rule and rule.need is not Need.ERROR and any(dense.projection for dense in network.layers):
        found.append(f"network.layers: {rule.name} projects nothing; projection has no effect")
    return found


def _rule(config: schema.Config, document: Document) -> Rule:
    name = config.training.rule
    if name not in RULES:
        near = difflib.get_close_matches(name, RULES, 1)
        hint = f"did you mean {near[0]!r}? known rules: " if near else "known rules: "
        raise document.error("training.rule", f"unknown rule {name!r}", hint + ", ".join(sorted(RULES)))
    return RULES[name]


def _layers(config: schema.Config, document: Document) -> tuple[DenseLayer, ...]:
    described = next(d for d in describe() if d.name == config.dataset.name)
    inputs = 1
    for side in described.image_shape:
        inputs *= side
    codes = config.dataset.input
    if codes.signed or codes.bits > 8:
        raise document.error("dataset.input", f"image bytes do not fit {codes}", "use u8f8, or fewer bits: u4f4, u1f1")
    if not config.network.layers:
        raise document.error("network.layers", "a network needs at least an output layer")
    layers = []
    last = len(config.network.layers) - 1
    for k, dense in enumerate(config.network.layers):
        delta = dense.delta or config.numerics.delta
        layer = DenseLayer(
            index=k,
            inputs=inputs,
            units=dense.units,
            activation=dense.activation,
            table_frac=dense.table_frac,
            input=codes,
            weight=dense.weight,
            output=dense.output,
            delta=delta,
            projection=dense.projection or delta,
            feedback=None if k == last else dense.feedback or config.numerics.feedback.format,
        )
        layers.append(layer)
        inputs, codes = dense.units, dense.output
    if layers[-1].units != described.classes:
        raise document.error(
            f"network.layers.{last}.dense.units",
            f"the output layer has {layers[-1].units} neurons, {config.dataset.name} has {described.classes} classes",
            f"write units: {described.classes}",
        )
    return tuple(layers)


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


def _pairs(schedule: schema.Schedule) -> tuple[tuple[int, int], ...]:
    return ((0, schedule),) if isinstance(schedule, int) else schedule


def _learning(config: schema.Config, rule: Rule) -> Learning:
    training, feedback = config.training, config.numerics.feedback
    last = len(config.network.layers) - 1
    rates = []
    for k, dense in enumerate(config.network.layers):
        common = training.lr_shift.output if k == last else training.lr_shift.hidden
        rates.append(_pairs(common if dense.lr_shift is None else dense.lr_shift))
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


def _check_ends(config: schema.Config, chip: Chip, document: Document) -> None:
    del config
    output = chip.network.output
    if output.activation != "sigmoid":
        raise document.error(
            f"network.layers.{output.index}.dense.activation",
            f"the output layer is {output.activation}",
            "write sigmoid: the error e = y* − y_K is that of a sigmoid with binary cross-entropy",
        )
    if chip.network.hot == 0:
        raise document.error(
            f"network.layers.{output.index}.dense.output",
            f"{output.output} cannot hold a target: its largest code is 0",
            "write u8f8",
        )


def _check_samples(config: schema.Config, chip: Chip, document: Document) -> None:
    del chip
    described = next(d for d in describe() if d.name == config.dataset.name)
    made = config.dataset.name == "synthetic"  # as many as are asked for
    for part, wanted, there in (
        ("train", config.dataset.train, described.train),
        ("test", config.dataset.test, described.test),
    ):
        if wanted is not None and wanted > there and not made:
            raise document.error(
                f"dataset.{part}",
                f"{config.dataset.name} has {there} samples, not {wanted}",
                "null takes all of them",
            )
    samples = config.dataset.train or described.train
    if config.training.validation >= samples:
        raise document.error(
            "training.validation",
            f"holding out {config.training.validation} of {samples} training samples leaves nothing to learn from",
            f"hold out fewer than {samples}",
        )


def _check_signs(config: schema.Config, chip: Chip, document: Document) -> None:
    for layer in chip.network.layers:
        where = f"network.layers.{layer.index}.dense."
        for name in ("weight", "delta", "projection", "feedback"):
            storage: Format | None = getattr(layer, name)
            if storage is not None and not storage.signed:
                own = getattr(config.network.layers[layer.index], name) is not None
                common = {"delta": "numerics.delta", "feedback": "numerics.feedback.format"}
                raise document.error(
                    where + name if own else common.get(name, where + "delta"),
                    f"{name} needs a signed format, got {storage}",
                    f"write s{storage.bits}f{storage.frac}",
                )


def _check_options(config: schema.Config, chip: Chip, document: Document) -> None:
    training, rule, hot = config.training, chip.learning.rule, chip.network.hot
    gate, largest = training.error_gate, chip.network.output.output.high
    if gate is not None:
        if rule.need is Need.NOTHING:
            raise document.error("training.error_gate", f"{rule.name} has no hidden learning to gate", "write null")
        if gate >= hot:
            raise document.error(
                "training.error_gate", f"the gate never opens: e is at most {hot}", f"choose a code below {hot}"
            )
        if gate < -largest:
            raise document.error(
                "training.error_gate", f"the gate never closes: e is at least {-largest}", "write null for no gate"
            )
    if training.sign_dead_zone:
        if "sign_dead_zone" not in rule.options:
            raise document.error(
                "training.sign_dead_zone", f"{rule.name} does not use the sign of the error", "leave it out"
            )
        if training.sign_dead_zone >= hot:
            raise document.error(
                "training.sign_dead_zone",
                f"every error lies in the dead zone: |e| is at most {hot}",
                f"choose a code below {hot}",
            )
    last = len(config.network.layers) - 1
    for name in ("feedback", "projection"):
        if getattr(config.network.layers[last], name) is not None:
            raise document.error(
                f"network.layers.{last}.dense.{name}", f"the output layer has no {name}", "leave it out"
            )


def _check_schedule(config: schema.Config, chip: Chip, document: Document) -> None:
    last = len(chip.network.layers) - 1
    for layer, pairs in zip(chip.network.layers, chip.learning.lr_shift, strict=True):
        own = config.network.layers[layer.index].lr_shift is not None
        common = "training.lr_shift." + ("output" if layer.index == last else "hidden")
        where = f"network.layers.{layer.index}.dense.lr_shift" if own else common
        epochs = [epoch for epoch, _ in pairs]
        if epochs[:1] != [0] or epochs != sorted(set(epochs)):
            raise document.error(
                where, "a schedule starts with epoch 0 and its epochs ascend", "e.g. [[0, 9], [4, 10]]"
            )
        for epoch, rate in pairs:
            shift = layer.update_shift(rate)
            if not 0 <= shift <= 31:
                raise document.error(
                    where,
                    f"lr_shift {rate} (epoch {epoch}) gives layer {layer.index} an update shift of {shift}, not 0 … 31",
                    f"update shift = delta frac {layer.delta.frac} + input frac {layer.input.frac}"
                    f" − weight frac {layer.weight.frac} + lr_shift",
                )


def _check_bounds(config: schema.Config, chip: Chip, document: Document) -> None:
    """Refuse what could pass 63 bits anywhere between two registers.

    Label rows, gates and δ_K need no check: codes of at most 32 bits, slopes of at most 8 and exact shifts of at most
    31 to the left stay below 2^62.
    """
    del config
    classes, batch = chip.network.classes, chip.learning.batch
    for layer in chip.network.layers:
        where = f"network.layers.{layer.index}.dense"
        product = layer.delta.magnitude * layer.input.magnitude
        sums = {
            "accumulator": _aligned(layer.accumulator_bound, layer.preactivation_shift),
            "weight update": batch * product + (1 << 31) + layer.weight.magnitude,
        }
        if layer.feedback is not None:
            output = chip.network.output.delta
            for magnitude, frac in ((output.magnitude, output.frac), (1, 0)):  # the error, or its sign
                projected = classes * layer.feedback.magnitude * magnitude
                bound = _aligned(projected, layer.feedback.frac + frac - layer.projection.frac)
                sums["projection"] = max(sums.get("projection", 0), bound)
        for what, bound in sums.items():
            if bound > WIDEST:
                raise document.error(
                    where,
                    f"the {what} of this layer can need {bound.bit_length() + 1} bits; at most 64 are exact",
                    "use narrower formats, a smaller batch or formats whose fractional bits are closer together",
                )


def _aligned(bound: int, shift: int) -> int:
    """Largest value while *bound* is shifted and rounded."""
    return bound * (1 << -shift) if shift < 0 else bound + (1 << max(shift, 0))
