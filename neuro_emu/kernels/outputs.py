"""What happens to outputs besides the activation table: softmax, dropout, predictions from several hot outputs."""

from __future__ import annotations

from neuro_emu.jit import routine
from neuro_emu.kernels import fabric as fb
from neuro_emu.numerics.ops import dropped, reciprocal, requantise, xorshift


@routine
def softmax(fabric: fb.Fabric) -> None:
    """Outputs of the last layer from all of its pre-activations."""
    last = fabric.constants[fb.LAYERS] - 1
    units = fabric.layers[last, fb.UNITS]
    preactivation, codes = fabric.scratch.preactivation[last], fabric.scratch.codes[last + 1]
    largest = int(preactivation[0])
    for c in range(units):
        largest = max(largest, int(preactivation[c]))
    total = 0
    for c in range(units):
        total += fabric.geometry.exponentials[largest - int(preactivation[c])]
    inverse = reciprocal(total)
    for c in range(units):
        power = fabric.geometry.exponentials[largest - int(preactivation[c])]
        codes[c] = requantise(power * inverse, fabric.constants[fb.SOFTMAX], 0, fabric.constants[fb.OUTPUT_HIGH])


@routine
def drop(k: int, fabric: fb.Fabric) -> None:
    """Drop outputs of hidden layer k: one word of the layer's register a neuron, ascending."""
    threshold, codes = fabric.constants[fb.DROPOUT], fabric.scratch.codes[k + 1]
    word = int(fabric.memory.dropout_registers[k])
    for j in range(fabric.layers[k, fb.UNITS]):
        word = xorshift(word)
        gone = dropped(word, threshold)
        fabric.scratch.dropped[k, j] = gone
        if gone:
            codes[j] = 0
    fabric.memory.dropout_registers[k] = word


@routine
def most_owned(fabric: fb.Fabric, samples: fb.Samples) -> int:
    """Class whose outputs have the largest sum, ties to the lowest; 0 in regression."""
    last = fabric.constants[fb.LAYERS] - 1
    codes = fabric.scratch.codes[last + 1]
    best, largest = 0, -1
    if fabric.constants[fb.HOT] == 0:
        return 0
    for c in range(samples.targets.shape[0]):
        total = 0
        for j in range(fabric.layers[last, fb.UNITS]):
            if samples.targets[c, j] > 0:
                total += int(codes[j])
        if c == 0 or total > largest:
            best, largest = c, total
    return best
