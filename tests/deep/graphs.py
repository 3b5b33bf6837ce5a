"""Small chips with convolutions for the tests."""

from dense_pair import DESIGN, fmt, learning_of, numerics_of

from neuro_emu.machine.deep.chip import DeepChip
from neuro_emu.network.deep.builder import Builder, Formats


def formats(weight="s8f7", output="s8f7", delta="s8f7", feedback="s8f7", projection=None, preactivation="s8f5"):
    of = [fmt(text) for text in (weight, output, delta, feedback)]
    return Formats(*of, projection=projection and fmt(projection), preactivation=fmt(preactivation))


def output_formats(weight="s12f9"):
    return Formats(fmt(weight), fmt("u8f8"), fmt("s9f8"), preactivation=fmt("s8f4"))


def one_layer(shape, code, conv, layer_formats, bits=32):
    """A chip of one conv layer, and an output layer nobody looks at."""
    made = Builder(shape, fmt(code))
    made.conv(*conv[:2], layer_formats, stride=conv[2], padding=conv[3], activation="relu")
    made.dense(2, output_formats(), activation="sigmoid")
    return DeepChip(made.graph(), numerics_of(bits=bits), learning_of("drtp", 2, 4), DESIGN)


def small_net(rule, batch, conv=(3, 3, 1, 1), layer_formats=None, **learning):
    """6×5×2, conv, 2×2 pool, conv, dense: 4 classes."""
    own = layer_formats or formats()
    made = Builder((6, 5, 2), fmt("u8f8"))
    made.conv(conv[0], conv[1], own, stride=conv[2], padding=conv[3], activation="hard_tanh")
    made.pool("max", 2, 1)
    made.conv(4, 2, own, activation="relu")
    made.dense(9, own, activation="hard_tanh")
    made.dense(4, output_formats(), activation="sigmoid")
    return DeepChip(made.graph(), numerics_of(), learning_of(rule, 4, batch, **learning), DESIGN)
