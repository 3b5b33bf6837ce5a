"""What batch normalisation adds to a chip: formats of its arithmetic, registers, update shifts, what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from neuro_emu.errors import RunError
from neuro_emu.network.deep.graph import Weighted
from neuro_emu.numerics import words
from neuro_emu.numerics.norm_formats import NormFormats
from neuro_emu.numerics.norm_numbers import MOST_VALUES, VALUE_FRAC

if TYPE_CHECKING:
    from neuro_emu.machine.deep.chip import DeepChip

_MOST_SHIFT, _MOST_BITS = 31, 62
_SUM_BITS = 32
_VALUE_MAGNITUDE = 1 << 15


def norm_layers(chip: DeepChip) -> tuple[Weighted, ...]:
    """Layers with a norm, ascending."""
    return tuple(layer for layer in chip.graph.layers if layer.norm)


def norm_register(chip: DeepChip, layer: Weighted) -> int:
    """Place of a norm's row register and velocities: behind those of all matrices."""
    return len(chip.matrices) + norm_layers(chip).index(layer)


def norm_seeds(chip: DeepChip) -> list[int]:
    """First states of the row registers of all norms (docs/numerics.md, section 7); never 0."""
    return [words.word(chip.learning.seed, words.TAG_NORM, layer.layer) or 1 for layer in norm_layers(chip)]


def norm_formats(layer: Weighted) -> NormFormats:
    """Formats of the arithmetic of a layer's norm."""
    norm = layer.norm
    assert norm
    fields = norm.input, norm.scale, norm.offset, layer.preactivation, layer.delta, norm.error
    return NormFormats(layer.sum_frac, *fields, norm.epsilon, norm.shift)


def norm_shifts(chip: DeepChip, layer: Weighted, epoch: int) -> tuple[tuple[int, int], ...]:
    """(s_V, s_W) of γ and of β in *epoch*; s_V is 0 without momentum. Negative ones shift to the left, exactly."""
    norm, momentum, rate = layer.norm, chip.learning.momentum, chip.learning.shift_at(layer.layer, epoch)
    assert norm
    fracs = layer.delta.frac + VALUE_FRAC, layer.delta.frac
    pairs = zip(fracs, (norm.scale.frac, norm.offset.frac), strict=True)
    if momentum is None:
        return tuple((0, gradient - own + rate) for gradient, own in pairs)
    frac = momentum.velocity.frac
    return tuple((gradient - frac, frac - own + rate) for gradient, own in pairs)


def refuse_norms(chip: DeepChip, *, floating: bool = False) -> None:
    """Refuse norms that are not defined, or whose integers 64 bits might not hold.

    Args:
        chip: the chip.
        floating: whether formats do not matter.

    Raises:
        RunError: naming the layer.

    """
    for layer in norm_layers(chip):
        if complaint := _structure(chip, layer) or ("" if floating else _widths(chip, layer)):
            raise RunError(f"layer {layer.layer} {layer.where}: {complaint}")


def _structure(chip: DeepChip, layer: Weighted) -> str:
    if layer is chip.graph.output:
        return "the output layer has no norm"
    if chip.learning.error_gate is not None:
        return "an error gate leaves samples out that a norm has counted: leave out one of the two"
    most = MOST_VALUES // layer.positions
    return f"a norm takes batches of at most {most} samples here" if chip.learning.batch > most else ""


def _widths(chip: DeepChip, layer: Weighted) -> str:
    formats = norm_formats(layer)
    if complaint := formats.complaint():
        return complaint
    if chip.numerics.accumulator_bits > _SUM_BITS:
        return f"a norm takes sums of at most {_SUM_BITS} bits"
    if not chip.readings[layer.layer].learns:
        return ""
    momentum, count = chip.learning.momentum, chip.learning.batch * layer.positions
    bound = (count * layer.delta.magnitude * _VALUE_MAGNITUDE).bit_length() + (momentum.shift if momentum else 0)
    for epoch, _ in chip.learning.lr_shift[layer.layer]:
        for inner, outer in norm_shifts(chip, layer, epoch):
            left = -min(inner, outer, 0)
            least = 0 if momentum else -_MOST_SHIFT
            most = outer + (max(inner, momentum.shift) if momentum and momentum.nesterov else 0)
            if not least <= outer <= most <= _MOST_SHIFT or inner > _MOST_SHIFT or bound + left > _MOST_BITS:
                return f"update shifts {inner}, {outer} of the norm in epoch {epoch} are out of range"
    return ""
