"""Settings around the rule that contradict each other: tasks, targets, momentum, normalisation, densities."""

from __future__ import annotations

from neuro_emu.config import schema
from neuro_emu.config.formats import own_rate
from neuro_emu.config.typed import Document
from neuro_emu.datasets import Description
from neuro_emu.machine.chip import Chip
from neuro_emu.machine.deep.either import AnyChip
from neuro_emu.machine.matrices import Kind

_WIDEST_NORM = 1 << 20
"""Γ stays below, so that its square with 20 fractional bits stays below 2^60."""


def check_inputs(config: schema.Config, described: Description, document: Document) -> None:
    """Formats that the inputs do not fit, and what can be done to images alone."""
    data, codes = config.dataset, config.dataset.input
    if described.real:
        for name in ("normalise", "augment"):
            if getattr(data, name) is not None:
                raise document.error(f"dataset.{name}", f"{described.name} has no images", "write null")
        if not codes.signed:
            raise document.error("dataset.input", f"{described.name} has negative numbers, {codes} none", "e.g. s8f4")
    elif data.normalise is None and (codes.signed or codes.bits > 8):
        hint = "use u8f8, or fewer bits: u4f4, u1f1" + ("; signed: with dataset.normalise" if codes.signed else "")
        raise document.error("dataset.input", f"image bytes do not fit {codes}", hint)
    if data.normalise is not None:
        if not codes.signed:
            raise document.error("dataset.input", f"normalised images have both signs, {codes} none", "e.g. s8f7")
        for name in ("mean", "multiplier"):
            given = getattr(data.normalise, name)
            if not isinstance(given, int) and len(given) != described.channels:
                text = f"{len(given)} values for images of {described.channels} channel{'s' * (described.channels > 1)}"
                raise document.error(f"dataset.normalise.{name}", text, "write one for each, or one number for all")
    if data.augment is not None:
        side = min(data.side or 256, *described.image_shape)
        if data.augment.crop >= side:
            text = f"images of {side} pixels a side moved by up to {data.augment.crop}: nothing of them would stay"
            raise document.error("dataset.augment.crop", text, f"at most {side - 1}; 4 is usual for 32 pixels")


def check_task(config: schema.Config, chip: AnyChip, document: Document) -> None:
    """Targets, losses and rules that do not go together."""
    training, rule, targets = config.training, chip.learning.rule, chip.learning.targets
    by_label = any(step.op == "label_row" for step in chip.plan.steps)
    if targets.regression:
        if training.loss != "mse":
            why = f"{config.dataset.name} has numbers to approximate, no classes"
            raise document.error("training.loss", f"{training.loss} is for classes; {why}", "write mse")
        output = chip.network.output
        if output.output.high >= 1 << 31:
            raise document.error(
                f"network.layers.{output.index}.dense.output", f"targets in {output.output} need 32 bits", "at most u31"
            )
        if by_label:
            raise document.error("training.rule", f"{rule.name} looks rows up by the label; there is none", "e.g. dfa")
        if training.hot > 1:
            raise document.error("training.hot", f"{config.dataset.name} has no classes", "leave it out")
    elif training.loss == "cce" and rule.mirror:
        raise document.error(
            "training.loss", f"mirror mode of {rule.name} looks at outputs one by one; softmax has none", "write bce"
        )
    elif training.hot > 1 and training.loss == "cce":
        raise document.error("training.loss", "softmax with several hot outputs", "write bce or mse, or hot: 1")
    if targets.hot != 1 and training.error_gate is not None:
        raise document.error("training.error_gate", "the gate looks at the one output of the label", "write null")
    if any(chip.plan.classifiers) and (training.loss != "bce" or targets.hot != 1):
        where = "training.options" if training.options else "training.rule"
        raise document.error(
            where, "local classifiers learn with loss bce and one hot output", "write local_classifier: false"
        )


def check_optimiser(config: schema.Config, chip: Chip, document: Document) -> None:
    """Shifts and formats of velocities, and norms that the weights cannot have."""
    _check_momentum(config, chip, document)
    norm = config.training.weight_norm
    if norm is None or chip.learning.weight_norm is None:
        return
    if any(use.twin for use in chip.plan.feedback):
        raise document.error(
            "training.weight_norm",
            f"{chip.learning.rule.name} keeps weights and feedback alike step by step",
            "write null",
        )
    tensors = [(f"weights {layer.weight} of layer {layer.index}", layer.weight) for layer in chip.network.layers]
    for layer, use in zip(chip.network.hidden, chip.plan.feedback, strict=True):
        if norm.feedback and use.rows and not use.learned and layer.feedback:
            tensors.append((f"feedback {layer.feedback} of layer {layer.index}", layer.feedback))
    for name, storage in tensors:
        code = chip.learning.weight_norm.code(storage)
        if not 1 <= code < min(storage.high, _WIDEST_NORM):
            raise document.error(
                "training.weight_norm.gamma",
                f"a norm of {norm.gamma} is the code {code}, out of the reach of {name}",
                f"it must lie in 1 … {min(storage.high, _WIDEST_NORM) - 1}: choose another norm or format",
            )


def check_density(config: schema.Config, chip: AnyChip, document: Document) -> None:
    """Densities of an estimate: at least one, and none for a layer that is not there."""
    density, layers = config.estimate.density, len(chip.network.layers)
    if density is not None and not 1 <= len(density) <= layers:
        given = f"{len(density)} densities" if density else "no density"
        raise document.error(
            "estimate.density",
            f"{given}, and the chip has {layers} layer{'s' * (layers != 1)}",
            "a share a layer, the last for all above, or null",
        )


def _check_momentum(config: schema.Config, chip: Chip, document: Document) -> None:
    momentum, training = chip.learning.momentum, config.training
    if momentum is None:
        return
    if not momentum.velocity.signed:
        raise document.error("training.momentum.velocity", "velocities have both signs", "e.g. s16f12")
    own = config.training.feedback_lr_shift is not None
    for matrix in filter(chip.has_velocity, chip.matrices):
        learns_back = matrix.kind is Kind.FEEDBACK
        k = len(chip.network.layers) - 1 if matrix.kind is Kind.CLASSIFIER else matrix.layer
        schedule = chip.learning.feedback_lr_shift if learns_back else chip.learning.lr_shift[k]
        where = "training.lr_shift"
        if not learns_back and own_rate(config, k) is not None:
            where = f"network.layers.{k}.dense.lr_shift"
        elif learns_back and own:
            where = "training.feedback_lr_shift"
        for epoch, _ in schedule:
            inner, outer = chip.velocity_shifts(matrix, epoch)
            if not 0 <= inner <= 31:
                raise document.error(
                    "training.momentum.velocity",
                    f"gradients of layer {matrix.layer} with {chip.gradient_frac(matrix)} fractional bits cannot enter"
                    f" velocities {momentum.velocity}",
                    "give velocities fewer fractional bits than gradients, by at most 31",
                )
            last = max(momentum.shift, inner) + outer if momentum.nesterov else outer
            if not 0 <= outer <= last <= 31:
                raise document.error(
                    where,
                    f"in epoch {epoch} velocities {momentum.velocity} of layer {matrix.layer} enter {matrix.format}"
                    f" with a shift of {last}, not 0 … 31",
                    f"change lr_shift or the velocity's fractional bits; momentum: shift {training.momentum.shift}",
                )
