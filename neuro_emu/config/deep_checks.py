"""Settings of graphs that contradict each other, or that their integers do not hold: each raises where it stands."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from neuro_emu.config import schema
from neuro_emu.config.checks import check_ascending, check_decays, check_options, check_samples
from neuro_emu.config.checks_around import check_density, check_task
from neuro_emu.config.deep_resolve import PRESET, Source
from neuro_emu.config.formats import place_of
from neuro_emu.config.typed import Document
from neuro_emu.datasets import Description
from neuro_emu.errors import ConfigError, RunError
from neuro_emu.machine.deep.chip import DeepChip
from neuro_emu.network.deep.graph import Add, Concat, Node, Weighted
from neuro_emu.numerics.activations import LINEAR, SOFTMAX
from neuro_emu.numerics.formats import Format
from neuro_emu.numerics.modes import Overflow
from neuro_emu.numerics.norm_formats import NormFormats
from neuro_emu.numerics.norm_numbers import MOST_VALUES

_LONGEST = 16
"""Bits of codes, errors and weights, the sign included."""
_MOST_SUM = 1 << 62
"""Gradients of a batch stay below."""
_SHIFTS = 31


@dataclass(frozen=True)
class Case:
    """What is checked.

    Attributes:
        config: the configuration, as written.
        chip: the chip that was made of it.
        document: where it was written.
        sources: where each layer was written.
        described: the data set.

    """

    config: schema.Config
    chip: DeepChip
    document: Document
    sources: tuple[Source, ...]
    described: Description

    def error(self, k: int, name: str, message: str, help: str = "") -> ConfigError:
        """Return a complaint about a setting of layer k, or of all layers if it is written there."""
        source = self.sources[k]
        path = place_of(self.config, source.step, source.where, name)
        if path.startswith(PRESET):
            return self.document.error(PRESET, f"layer {k} of this network: {message}", help)
        return self.document.error(path, message, help)


def check_graph(case: Case) -> None:
    """Refuse what is wrong with a chip with a graph.

    Raises:
        ConfigError: with the place.
        RuleError: if the rule asks for what graphs do not offer.

    """
    for check in (
        _check_task,
        _check_ends,
        _check_formats,
        _check_joints,
        _check_norms,
        _check_numerics,
        _check_rates,
        _check_sums,
    ):
        check(case)
    chip = case.chip
    try:
        # Adam is for the float twin; what the integers hold of the rest is checked for both.
        replace(chip, learning=replace(chip.learning, adam=None)).refuse_unheld()
    except RunError as error:
        raise case.document.error("network", str(error), "docs/deep.md says what graphs of layers have") from None


def _check_task(case: Case) -> None:
    config, chip, document, training = case.config, case.chip, case.document, case.config.training
    if case.described.regression:
        what = f"{config.dataset.name} has numbers to approximate; graphs of layers learn classes"
        raise document.error("dataset.name", what, "e.g. write mnist")
    if training.hot != 1:
        raise document.error("training.hot", "graphs of layers have one hot output a class", "write 1")
    if training.weight_norm:
        hint = "write null; norm: {} of a layer normalises its sums"
        raise document.error("training.weight_norm", "graphs of layers do not normalise weights", hint)
    check_task(config, chip, document)
    check_samples(config, chip, document)
    check_options(config, chip, document)
    check_density(config, chip, document)
    if training.error_gate is not None and any(layer.norm for layer in chip.graph.layers):
        what = "the gate leaves samples out of a batch whose statistics they are part of"
        raise document.error("training.error_gate", what, "write null, or norm: null for all layers")


def _check_ends(case: Case) -> None:
    chip, loss = case.chip, case.config.training.loss
    output, last = chip.graph.output, len(chip.graph.layers) - 1
    if output.units != case.described.classes:
        raise case.error(
            last,
            "units",
            f"the output layer has {output.units} neurons, {case.described.name} has {case.described.classes} classes",
            f"write units: {case.described.classes}",
        )
    if loss == "mse" and output.activation == SOFTMAX:
        raise case.error(last, "activation", "softmax outputs have no squared error here", "write training.loss: cce")
    if loss != "mse" and output.activation != (SOFTMAX if loss == "cce" else "sigmoid"):
        hint = "write softmax" if loss == "cce" else "write sigmoid, or training.loss: mse (any activation) or cce"
        if case.config.network.preset is not None:
            hint = f"write training.loss: {'cce' if output.activation == SOFTMAX else 'bce'}"
        raise case.error(
            last, "activation", f"the output layer is {output.activation}, which is not for loss {loss}", hint
        )
    for layer in chip.graph.hidden:
        if layer.activation == SOFTMAX:
            raise case.error(layer.layer, "activation", "a hidden layer is softmax", "only outputs can be")
    if chip.graph.hot == 0:
        raise case.error(last, "output", f"{output.output} cannot hold a target: its largest code is 0", "write u8f8")
    step = case.sources[last].step
    for name in ("feedback", "projection", "norm"):
        if getattr(step, name) is not None:
            raise case.error(last, name, f"the output layer has no {name}", "leave it out")


def _formats_of(layer: Weighted, *, last: bool) -> Iterable[tuple[str, Format, bool]]:
    """Return name, format and whether it must be signed of every tensor that products read."""
    yield "weight", layer.weight, True
    yield "delta", layer.delta, True
    yield "preactivation", layer.preactivation, True
    if not last:
        yield "projection", layer.projection, True
        yield "output", layer.output, False
        if layer.feedback is not None:
            yield "feedback", layer.feedback, True


def _complaint(name: str, given: Format, *, signed: bool) -> tuple[str, str] | None:
    """Say what is wrong with a format, and what would be right."""
    if signed and not given.signed:
        return f"{name} needs a signed format, got {given}", f"write s{given.bits}f{given.frac}"
    if given.bits - given.signed > _LONGEST - 1:
        text = f"{name} in {given}: products take {_LONGEST} bits with the sign"
        return text, f"at most s{_LONGEST}" + ("" if signed else f" or u{_LONGEST - 1}")
    return None


def _check_formats(case: Case) -> None:
    for layer in case.chip.graph.layers:
        k, last = layer.layer, layer is case.chip.graph.output
        for name, given, signed in _formats_of(layer, last=last):
            if complaint := _complaint(name, given, signed=signed):
                raise case.error(k, name, *complaint)
        if layer.preactivation.bits != 8 and layer.activation not in LINEAR:
            text = f"{layer.activation} looks its values up with 8 bits, not with {layer.preactivation}"
            raise case.error(k, "preactivation", text, "leave it out, or write table_frac")


def _check_joints(case: Case) -> None:
    """Formats of residuals and concatenations, which have no weights."""
    for node in case.chip.graph.nodes:
        if not isinstance(node, Add | Concat):
            continue
        given = [("output", node.code, False)]
        if isinstance(node, Add):
            given += [("preactivation", node.preactivation, True), ("delta", node.delta, True)]
            if node.preactivation.bits != 8 and node.activation not in LINEAR:
                text = f"{node.activation} looks its values up with 8 bits, not with {node.preactivation}"
                raise case.document.error(_joint_place(case, node, "preactivation"), text, "write table_frac")
        for name, form, signed in given:
            if complaint := _complaint(name, form, signed=signed):
                raise case.document.error(_joint_place(case, node, name), *complaint)


def _joint_place(case: Case, node: Node, name: str) -> str:
    """Path at which a format of a node without weights is written."""
    common = getattr(case.config.network.formats, name)
    own = f"{node.where}.{name}"
    return own if common is None or case.document.holds(own) else f"network.formats.{name}"


def _check_norms(case: Case) -> None:
    for layer in case.chip.graph.layers:
        norm, k = layer.norm, layer.layer
        if norm is None:
            continue
        formats = NormFormats(
            layer.sum_frac,
            norm.input,
            norm.scale,
            norm.offset,
            layer.preactivation,
            layer.delta,
            norm.error,
            norm.epsilon,
            norm.shift,
        )
        if complaint := formats.complaint():
            raise case.error(k, "norm", complaint, "docs/deep.md has the formats that are taken")
        values = layer.positions * case.config.training.batch
        if values > MOST_VALUES:
            raise case.document.error(
                "training.batch",
                f"layer {k} brings {values} values of a channel to its norm, which takes {MOST_VALUES}",
                f"at most {MOST_VALUES // layer.positions}",
            )


def _check_numerics(case: Case) -> None:
    numerics, document = case.chip.numerics, case.document
    source = numerics.word_source
    if source.per_lane or source.value == "raw":
        what = f"graphs of layers draw row words, not {source.value}"
        raise document.error("numerics.random_words", what, "write row_word or row_lfsr")
    for layer in case.chip.graph.layers:
        reached = layer.accumulator_bound > numerics.accumulator_high
        if reached and numerics.accumulator_overflow is Overflow.SAT:
            raise document.error(
                "numerics.accumulator.overflow",
                f"sums of layer {layer.layer} reach {layer.accumulator_bound.bit_length() + 1} bits, and graphs of"
                " layers do not saturate them",
                "write WRAP, or more bits",
            )


def _check_rates(case: Case) -> None:
    chip, training = case.chip, case.config.training
    learning = chip.learning
    own = training.feedback_lr_shift is not None
    where = "training.feedback_lr_shift" if own else "training.lr_shift.hidden"
    check_ascending(learning.feedback_lr_shift, where, case.document)
    check_decays(learning, case.document)
    if learning.momentum and not learning.momentum.velocity.signed:
        raise case.document.error("training.momentum.velocity", "velocities have both signs", "e.g. s16f12")
    for layer, source in zip(chip.graph.layers, case.sources, strict=True):
        k, last = layer.layer, layer is chip.graph.output
        where = "training.lr_shift." + ("output" if last else "hidden")
        if source.step.lr_shift is not None:
            where = f"{source.where}.lr_shift"
        check_ascending(learning.lr_shift[k], where, case.document)
        if chip.readings[k].learns:
            for epoch, rate in learning.lr_shift[k]:
                _check_rate(case, layer, epoch, rate, where)


def _check_rate(case: Case, layer: Weighted, epoch: int, rate: int, where: str) -> None:
    chip, k, momentum = case.chip, layer.layer, case.chip.learning.momentum
    if momentum is None:
        shift = layer.update_shift(rate)
        if not 0 <= shift <= _SHIFTS:
            raise case.document.error(
                where,
                f"lr_shift {rate} (epoch {epoch}) gives layer {k} an update shift of {shift}, not 0 … {_SHIFTS}",
                f"update shift = delta frac {layer.sum_error.frac} + input frac {layer.input.frac}"
                f" − weight frac {layer.weight.frac} + lr_shift",
            )
        return
    matrix = chip.matrices[k]
    inner, outer = chip.velocity_shifts(matrix, epoch)
    if not 0 <= inner <= _SHIFTS:
        raise case.document.error(
            "training.momentum.velocity",
            f"gradients of layer {k} with {chip.gradient_frac(matrix)} fractional bits cannot enter velocities"
            f" {momentum.velocity}",
            f"give velocities fewer fractional bits than gradients, by at most {_SHIFTS}",
        )
    last = max(momentum.shift, inner) + outer if momentum.nesterov else outer
    if not 0 <= outer <= last <= _SHIFTS:
        raise case.document.error(
            where,
            f"in epoch {epoch} velocities {momentum.velocity} of layer {k} enter {matrix.format} with a shift of"
            f" {last}, not 0 … {_SHIFTS}",
            f"change lr_shift or the velocity's fractional bits; momentum: shift {momentum.shift}",
        )


def _check_sums(case: Case) -> None:
    """Gradients of a batch are exact in 64 bits, with momentum after their shift too."""
    learning = case.chip.learning
    for layer in case.chip.graph.layers:
        exact = learning.batch * layer.positions * layer.sum_error.magnitude * layer.input.magnitude
        exact *= 1 << learning.momentum.shift if learning.momentum else 1
        if exact >= _MOST_SUM:
            raise case.document.error(
                "training.batch",
                f"gradients of layer {layer.layer} can need {exact.bit_length() + 1} bits; at most 62 are exact",
                "choose a smaller batch, or narrower formats",
            )
