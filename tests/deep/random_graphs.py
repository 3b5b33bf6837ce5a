"""Small random graphs for the tests: convolutions, norms, residuals, branches, pools; and chips that learn on them."""

from dense_pair import DESIGN, fmt, learning_of, numerics_of
from graphs import output_formats
from hypothesis import strategies as st

from neuro_emu.machine.deep.chip import DeepChip
from neuro_emu.machine.learning import Momentum
from neuro_emu.network.deep.builder import Builder, Formats
from neuro_emu.network.deep.graph import Norm

ACTIVATIONS = ("relu", "hard_tanh")
MOMENTUM = {"momentum": Momentum(2, fmt("s24f11"))}
CLASSES = 3


def norms(draw):
    texts = ("s16f8", "s12f6"), ("s16f12", "s8f6"), ("s16f12", "s8f4"), ("s12f9", "s16f12")
    formats = [fmt(draw(st.sampled_from(pair))) for pair in texts]
    return Norm(*formats, draw(st.integers(0, 4)), draw(st.sampled_from([1, 256])), frozen=draw(st.booleans()))


class Drawing:
    """Adds what hypothesis draws to a builder."""

    def __init__(self, draw, rule):
        self.draw, self.rule = draw, rule
        shape = draw(st.integers(2, 4)), draw(st.integers(2, 4)), draw(st.integers(1, 2))
        self.made = Builder(shape, fmt("u8f8"))

    def pick(self, *options):
        return self.draw(st.sampled_from(options))

    def formats(self):
        texts = [self.pick("s8f7", "s12f9"), self.pick("s8f6", "u8f5", "s10f7"), self.pick("s8f7", "s12f9"), "s8f7"]
        projection = self.pick(None, "s9f6", "s14f10")
        of = [fmt(text) for text in texts]
        return Formats(*of, projection and fmt(projection), fmt(self.pick("s8f5", "s12f7")))

    def weighted(self, activation):
        return {"activation": activation, "norm": norms(self.draw) if self.pick(False, True) else None}

    def conv(self, channels=None, *, same=False, activation=None, source=None):
        shape = self.made.nodes[-1 if source is None else source].shape
        kernel = self.pick(1, 3) if same else self.draw(st.integers(1, min(3, *shape[:2])))
        padding = kernel // 2 if same else self.draw(st.integers(0, kernel - 1))
        geometry = {"stride": 1 if same else self.pick(1, 2), "padding": padding, "source": source}
        own = self.weighted(activation or self.pick(*ACTIVATIONS))
        return self.made.conv(channels or self.pick(1, 2, 3), kernel, self.formats(), **geometry, **own)

    def residual(self):
        start = len(self.made.nodes) - 1
        channels, bottom = self.made.nodes[start].shape[2], start
        # what ends in the identity has its direct feedback at the sum
        end = "identity" if self.rule == "bp" else "relu"
        if self.pick(False, True):
            channels = self.pick(2, 3)
            bottom = self.conv(channels, same=True, activation=end)
        self.conv(same=True, source=start)
        branch = self.conv(channels, same=True, activation=end)
        self.made.add(branch, bottom, self.formats(), activation=self.pick(*ACTIVATIONS, "identity"))

    def concat(self):
        start = len(self.made.nodes) - 1
        parts = [self.conv(same=True, source=start), self.conv(same=True, source=start)]
        self.made.concat([*parts, start] if self.pick(False, True) else parts, self.formats())

    def pool(self):
        kernel = min(2, *self.made.nodes[-1].shape[:2])
        self.made.pool(self.pick("max", "average"), self.pick(kernel, None), self.pick(1, 2))


@st.composite
def chips(draw, rules=("bp", "drtp", "dfa")):
    """A chip with two or three blocks, a hidden dense layer now and then, three classes."""
    rule = draw(st.sampled_from(rules))
    drawing = Drawing(draw, rule)
    drawing.conv(2, same=True)
    for block in draw(st.lists(st.sampled_from(["residual", "concat", "pool", "conv"]), min_size=1, max_size=2)):
        getattr(drawing, block)()
    if drawing.pick(False, True):
        drawing.made.dense(3, drawing.formats(), **drawing.weighted("relu"))
    drawing.made.dense(CLASSES, output_formats(), activation="sigmoid")
    graph = drawing.made.graph()
    more = MOMENTUM if drawing.pick(False, True) else {}
    rates = {"lr_shift": (((0, 9 if more else 7),),) * len(graph.layers)}
    return DeepChip(graph, numerics_of(), learning_of(rule, len(graph.layers), 3, **more, **rates), DESIGN)
