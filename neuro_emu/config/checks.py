"""Settings that contradict each other, or need more than 63 bits: each check raises at the place where they stand."""

from __future__ import annotations

from neuro_emu.config import schema
from neuro_emu.config.checks_around import check_density, check_optimiser, check_task
from neuro_emu.config.formats import own_rate
from neuro_emu.config.typed import Document
from neuro_emu.datasets import describe
from neuro_emu.machine.chip import Chip
from neuro_emu.machine.deep.either import AnyChip
from neuro_emu.machine.learning import Decay, Learning
from neuro_emu.machine.matrices import Kind, error_bound
from neuro_emu.numerics.activations import SOFTMAX
from neuro_emu.numerics.formats import Format
from neuro_emu.rules import Need

_ROOT = 1 << 17
"""A root takes squares with 16 bits more, one of its own 63 bits below all others."""

WIDEST = (1 << 63) - 1
"""No intermediate value may pass 63 bits and a sign."""


def _check_ends(config: schema.Config, chip: Chip, document: Document) -> None:
    output, loss = chip.network.output, config.training.loss
    where = f"network.layers.{output.index}.dense.activation"
    if loss == "mse" and output.activation == SOFTMAX:
        raise document.error(where, "softmax outputs have no squared error here", "write training.loss: cce")
    if loss != "mse" and output.activation != (SOFTMAX if loss == "cce" else "sigmoid"):
        hint = "write softmax" if loss == "cce" else "write sigmoid, or training.loss: mse (any activation) or cce"
        raise document.error(where, f"the output layer is {output.activation}, which is not for loss {loss}", hint)
    for layer in chip.network.hidden:
        if layer.activation == SOFTMAX:
            raise document.error(
                f"network.layers.{layer.index}.dense.activation", "a hidden layer is softmax", "only outputs can be"
            )
    if chip.network.hot == 0:
        raise document.error(
            f"network.layers.{output.index}.dense.output",
            f"{output.output} cannot hold a target: its largest code is 0",
            "write u8f8",
        )


def check_samples(config: schema.Config, chip: AnyChip, document: Document) -> None:
    """More samples than there are, or none left to learn from."""
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
                raise document.error(
                    where + name if own else _common_place(config, name, where),
                    f"{name} needs a signed format, got {storage}",
                    f"write s{storage.bits}f{storage.frac}",
                )


def _common_place(config: schema.Config, name: str, where: str) -> str:
    """Where a format is written that a layer does not have of its own; a projection is that of delta by default."""
    if getattr(config.network.formats, name) is not None:
        return f"network.formats.{name}"
    common = {"delta": "numerics.delta", "feedback": "numerics.feedback.format"}
    return common.get(name, where + ("delta" if name == "projection" else name))


def check_options(config: schema.Config, chip: AnyChip, document: Document) -> None:
    """Gates that never open or never close, and dead zones that the rule does not have."""
    training, rule, hot = config.training, chip.learning.rule, chip.network.hot
    gate, output = training.error_gate, chip.network.output.output
    most, least = hot, hot - output.high  # e[label], of outputs that are not negative
    if training.loss == "mse":
        most = hot - min(output.low, 0)
    if gate is not None:
        if rule.need is Need.NOTHING:
            raise document.error("training.error_gate", f"{rule.name} has no hidden learning to gate", "write null")
        if gate >= most:
            raise document.error(
                "training.error_gate", f"the gate never opens: e is at most {most}", f"choose a code below {most}"
            )
        if gate < least:
            raise document.error(
                "training.error_gate", f"the gate never closes: e is at least {least}", "write null for no gate"
            )
    if training.sign_dead_zone:
        if "sign_dead_zone" not in rule.settings:
            raise document.error(
                "training.sign_dead_zone", f"{rule.name} does not use the sign of the error", "leave it out"
            )
        if training.sign_dead_zone >= (widest := error_bound(chip) if training.loss == "mse" else hot):
            raise document.error(
                "training.sign_dead_zone",
                f"every error lies in the dead zone: |e| is at most {widest}",
                f"choose a code below {widest}",
            )


def _check_output(config: schema.Config, chip: Chip, document: Document) -> None:
    del chip
    last = len(config.network.layers) - 1
    for name in ("feedback", "projection"):
        if getattr(config.network.layers[last], name) is not None:
            raise document.error(
                f"network.layers.{last}.dense.{name}", f"the output layer has no {name}", "leave it out"
            )


def check_ascending(pairs: tuple[tuple[int, int], ...], where: str, document: Document) -> None:
    """Refuse schedules that do not begin with epoch 0 and ascend."""
    epochs = [epoch for epoch, _ in pairs]
    if epochs[:1] != [0] or epochs != sorted(set(epochs)):
        raise document.error(where, "a schedule starts with epoch 0 and its epochs ascend", "e.g. [[0, 9], [4, 10]]")


def _check_schedule(config: schema.Config, chip: Chip, document: Document) -> None:
    last = len(chip.network.layers) - 1
    for layer, pairs in zip(chip.network.layers, chip.learning.lr_shift, strict=True):
        own = own_rate(config, layer.index) is not None
        common = "training.lr_shift." + ("output" if layer.index == last else "hidden")
        where = f"network.layers.{layer.index}.dense.lr_shift" if own else common
        check_ascending(pairs, where, document)
        for epoch, rate in pairs:
            shift = layer.update_shift(rate)
            if not 0 <= shift <= 31 and not chip.learning.momentum:
                raise document.error(
                    where,
                    f"lr_shift {rate} (epoch {epoch}) gives layer {layer.index} an update shift of {shift}, not 0 … 31",
                    f"update shift = delta frac {layer.delta.frac} + input frac {layer.input.frac}"
                    f" − weight frac {layer.weight.frac} + lr_shift",
                )


def check_decays(learning: Learning, document: Document) -> None:
    """Schedules of decays."""
    for name in ("weight_decay", "feedback_decay"):
        decay: Decay | None = getattr(learning, name)
        if decay:
            check_ascending(decay.shift, f"training.{name}.shift", document)
            for _, shift in decay.shift:
                if not 1 <= shift <= 31:
                    raise document.error(
                        f"training.{name}.shift", f"shift {shift} lies outside 1 … 31", "e.g. 11, for λ = 2^-11"
                    )


def _check_learned(config: schema.Config, chip: Chip, document: Document) -> None:
    """Schedules, formats and noise of what learns beside the weights."""
    learning, layers = chip.learning, chip.network.layers
    own = config.training.feedback_lr_shift is not None
    where = "training.feedback_lr_shift" if own else "training.lr_shift.hidden"
    check_ascending(learning.feedback_lr_shift, where, document)
    check_decays(learning, document)
    for matrix in chip.matrices:
        k = matrix.layer
        if matrix.kind is Kind.TWIN and matrix.format.frac != layers[k + 1].weight.frac:
            raise document.error(
                f"network.layers.{k}.dense.feedback",
                f"feedback in {matrix.format} cannot share the steps of weights in {layers[k + 1].weight}",
                f"its fractional bits must be {layers[k + 1].weight.frac}; null takes the weights' format",
            )
        if matrix.kind is Kind.FEEDBACK:
            for epoch, rate in learning.feedback_lr_shift:
                shift = chip.feedback_shift(k) + rate
                if not 0 <= shift <= 31 and not chip.has_velocity(matrix):
                    raise document.error(
                        where,
                        f"shift {rate} (epoch {epoch}) gives B_{k} an update shift of {shift}, not 0 … 31",
                        f"update shift = {chip.feedback_shift(k)} + feedback_lr_shift",
                    )
        if matrix.kind is Kind.CLASSIFIER:
            for epoch, _ in learning.lr_shift[-1]:
                shift = chip.shift_of(matrix, epoch)
                if not 0 <= shift <= 31 and not chip.has_velocity(matrix):
                    raise document.error(
                        "training.lr_shift.output",
                        f"it gives the local classifier of layer {k} an update shift of {shift}, not 0 … 31",
                        "update shift = delta frac of the output + output frac of the layer − weight frac + lr_shift",
                    )
    for layer in chip.network.hidden if learning.rule.mirror else ():
        amplitude = chip.noise_amplitude(layer.index)
        if not 1 <= amplitude <= layer.output.high:
            raise document.error(
                "training.mirror.noise_shift",
                f"noise of ±{amplitude} codes in place of the outputs {layer.output} of layer {layer.index}",
                f"the amplitude 2^({layer.output.frac} − noise_shift) must lie in 1 … {layer.output.high}",
            )


def _check_vectors(config: schema.Config, chip: Chip, document: Document) -> None:
    """Whether the vectors that the rule brings together have formats that fit."""
    del config
    layers = chip.network.layers
    sources: dict[int, Format] = {}
    for step in chip.plan.steps:
        if step.op == "random_forward":
            given = chip.format_of(step.sources[0])
            if sources.setdefault(step.layer, given) != given:
                raise document.error(
                    "training.rule",
                    f"rule {chip.learning.rule.name} sends vectors in {sources[step.layer]} and in {given}"
                    f" through C_{step.layer}",
                    "give the outputs that share random weights one format",
                )
        if step.op == "update" and chip.format_of(step.sources[0]) != layers[step.layer].delta:
            raise document.error(
                "training.rule",
                f"rule {chip.learning.rule.name} updates layer {step.layer} with a signal in"
                f" {chip.format_of(step.sources[0])}, but the layer's delta format is {layers[step.layer].delta}",
                "requantise it (gate) or make the formats equal",
            )
        if step.op == "update" and chip.format_of(step.sources[1]) != layers[step.layer].input:
            raise document.error(
                "training.rule",
                f"rule {chip.learning.rule.name} updates layer {step.layer} with an activation in"
                f" {chip.format_of(step.sources[1])} in place of its input in {layers[step.layer].input}",
                "give the outputs that share activations one format",
            )
        if step.op == "pool" and chip.format_of(step.sources[0]) != layers[step.layer].output:
            raise document.error(
                "training.rule",
                f"{chip.learning.rule.name} pools outputs in {chip.format_of(step.sources[0])}"
                f" to outputs in {layers[step.layer].output}",
                "give the outputs that share activations one format",
            )


def _check_bounds(config: schema.Config, chip: Chip, document: Document) -> None:
    """Refuse what could pass 63 bits anywhere between two registers.

    Label rows, gates and, but for squared errors, δ_K need no check: codes of at most 32 bits, slopes of at most 8 and
    exact shifts of at most 31 to the left stay below 2^62.
    """
    del config
    batch, layers = chip.learning.batch, chip.network.layers
    sums: dict[tuple[int, str], int] = {}

    def need(k: int, what: str, bound: int) -> None:
        sums[k, what] = max(sums.get((k, what), 0), bound)

    for matrix in chip.matrices:
        k, product = matrix.layer, matrix.lane * matrix.code
        if matrix.kind in {Kind.WEIGHTS, Kind.CLASSIFIER, Kind.FORWARD}:
            model = chip.network.output if matrix.kind is Kind.CLASSIFIER else layers[k]
            frac = matrix.format.frac + chip.source_frac(matrix) - model.table_frac
            need(k, "accumulator", _aligned(matrix.accumulator_bound, frac))
        if matrix.kind is Kind.WEIGHTS:
            product = layers[k].delta.magnitude * layers[k].input.magnitude
        need(k, "weight update", batch * product + (1 << 31) + matrix.format.magnitude)
        if (momentum := chip.learning.momentum) and chip.has_velocity(matrix):
            more = max(momentum.shift, chip.velocity_shifts(matrix, 0)[0])
            need(k, "velocity", (2 * momentum.velocity.magnitude + batch * product) * (1 << more) + (1 << 31))
        if chip.learning.weight_norm and matrix.kind is Kind.WEIGHTS:
            need(k, "sum of squared weights", matrix.rows * matrix.format.magnitude**2 * _ROOT)
    for layer, use in zip(chip.network.hidden, chip.plan.feedback, strict=True):
        norm = chip.learning.weight_norm
        if norm and norm.feedback and layer.feedback and not use.learned:
            need(layer.index, "sum of squared feedback", use.rows * layer.feedback.magnitude**2 * _ROOT)
    if chip.learning.loss == "mse":
        output = chip.network.output
        frac = output.output.frac + output.derivative.frac - output.delta.frac
        need(output.index, "output error", _aligned(error_bound(chip) * output.derivative.magnitude, frac))
    for step in chip.plan.steps:
        if step.op in {"project", "transpose", "transpose_sign"}:
            layer, signal = layers[step.layer], step.sources[0]
            storage = layers[step.layer + 1].weight if step.op == "transpose" else layer.feedback
            assert storage is not None
            source = chip.format_of(signal)
            largest = 1 if signal.op == "error_sign" else source.magnitude
            exact = signal.length * storage.magnitude * largest
            need(step.layer, "projection", _aligned(exact, storage.frac + source.frac - layer.projection.frac))
    for (k, what), bound in sums.items():
        if bound > WIDEST:
            raise document.error(
                f"network.layers.{k}.dense",
                f"the {what} of this layer can need {bound.bit_length() + 1} bits; at most 64 are exact",
                "use narrower formats, a smaller batch or formats whose fractional bits are closer together",
            )


def _aligned(bound: int, shift: int) -> int:
    """Largest value while *bound* is shifted and rounded."""
    return bound * (1 << -shift) if shift < 0 else bound + (1 << max(shift, 0))


CHECKS = (
    check_task,
    check_optimiser,
    check_samples,
    _check_ends,
    _check_signs,
    check_options,
    _check_output,
    _check_schedule,
    _check_learned,
    _check_vectors,
    _check_bounds,
    check_density,
)
"""In the order in which problems are reported."""
