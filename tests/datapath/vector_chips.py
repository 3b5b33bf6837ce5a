"""Chips for the comparison of back-ends: one function of many settings, and everything that two runs must agree on."""

from dataclasses import dataclass, field, replace

import numpy as np
from environment import WITHOUT_JIT
from strategies import Data, plan_of_sizes

from neuro_emu.datapath.backends import PORTABLE
from neuro_emu.datapath.fast import FastDatapath
from neuro_emu.machine.chip import Chip, Numerics
from neuro_emu.machine.design import Design, ZeroInput
from neuro_emu.machine.initialise import initial_state
from neuro_emu.machine.learning import Learning, Targets
from neuro_emu.network.layers import DenseLayer, Network
from neuro_emu.numerics.formats import Format
from neuro_emu.numerics.modes import Overflow, Rounding, WordSource
from neuro_emu.rules import RULES

_TRAINED, _TESTED = (3, 1) if WITHOUT_JIT else (9, 5)


@dataclass(frozen=True)
class Settings:
    """A chip in a few words; formats as text.

    Attributes:
        sizes: inputs, neurons of every layer.
        shift: update shift of every matrix: one number, or one an epoch.
        accumulator: bits below (negative) or above what every sum fits, and whether it wraps.

    """

    rule: str = "drtp"
    sizes: tuple = (20, 96, 10)
    weight: str = "s8f7"
    code: str = "u8f8"
    hidden: str = "s8f7"
    top: str = "s16f12"
    delta: str = "s8f7"
    delta_top: str = "s9f8"
    projection: str = "s12f9"
    feedback: str = "s8f7"
    twin_bits: int | None = None
    activation: str = "hard_tanh"
    shift: int | tuple = 14
    rounding: str = "STOCH"
    words: str = "row_word"
    zero_input: str = "skip"
    overflow: str = "SAT"
    accumulator: tuple = (2, "SAT")
    gate: int | None = None
    dead_zone: int = 0
    loss: str = "bce"
    hot: int = 1
    batch: int = 1
    banks: int = 2
    lanes: int = 16
    seed: int = 7
    options: tuple = ()
    initial: str = "random"
    table_frac: int = 4
    output: str | None = None
    density: float = 0.6
    more: dict = field(default_factory=dict)

    def __str__(self) -> str:
        given = {n: v for n, v in self.__dict__.items() if v != getattr(type(self), n, None) and v != {}}
        return " ".join(f"{n}={v}" for n, v in given.items()) or "as usual"


def _network(s):
    layers, code, last = [], Format.parse(s.code), len(s.sizes) - 2
    for k, (inputs, units) in enumerate(zip(s.sizes[:-1], s.sizes[1:], strict=True)):
        top = k == last
        topmost = {"cce": "softmax", "mse": "tanh"}.get(s.loss, "sigmoid")
        stored = s.output or ("s8f7" if s.loss == "mse" else "u8f8")
        layer = DenseLayer(
            index=k,
            inputs=inputs,
            units=units,
            activation=topmost if top else s.activation,
            table_frac=s.table_frac,
            input=code,
            weight=Format.parse(s.top if top else s.weight),
            output=Format.parse(stored if top else s.hidden),
            delta=Format.parse(s.delta_top if top else s.delta),
            projection=Format.parse(s.delta_top if top else s.projection),
            feedback=None if top else Format.parse(s.feedback),
        )
        layers.append(layer)
        code = layer.output
    plan = plan_of_sizes(RULES[s.rule], list(s.sizes), {})
    for k, use in enumerate(plan.feedback):
        if use.twin:  # a twin has the fractional bits of the weights above
            above = layers[k + 1].weight
            layers[k] = replace(layers[k], feedback=Format(True, s.twin_bits or above.bits, above.frac))
    return Network(tuple(layers))


def chip_of(s):
    """The chip of some settings."""
    network = _network(s)
    shifts = s.shift if isinstance(s.shift, tuple) else (s.shift,)
    rates = tuple(tuple((e, x - la.update_shift(0)) for e, x in enumerate(shifts)) for la in network.layers)
    bound = max(layer.accumulator_bound for layer in network.layers)
    numerics = Numerics(
        Rounding(s.rounding),
        Overflow(s.overflow),
        min(max(bound.bit_length() + s.accumulator[0], 3), 63),
        Overflow(s.accumulator[1]),
        WordSource(s.words),
        False,
    )
    labels = s.sizes[-1] // s.hot if s.hot > 1 else None
    learning = Learning(
        RULES[s.rule],
        s.seed,
        s.batch,
        s.gate,
        s.dead_zone,
        rates,
        False,
        s.initial,
        True,
        "random",
        "full",
        options=s.options,
        loss=s.loss,
        targets=Targets(s.hot, labels),
        **s.more,
    )
    chip = Chip(network, numerics, learning, Design(s.lanes, 100.0, s.banks, 1, ZeroInput(s.zero_input)))
    if any(step.op == "learn_feedback" for step in chip.plan.steps + chip.plan.mirror):
        found = [chip.feedback_shift(m.layer) for m in chip.matrices if m.kind.value == "feedback"]
        rate = ((0, 12 - min(found, default=0)),)
        chip = replace(chip, learning=replace(learning, feedback_lr_shift=rate))
    return chip


def data_of(chip, samples, seed, density=0.6):
    """Random samples, some without any active input."""
    random, code = np.random.default_rng(seed), chip.network.layers[0].input
    shape = (samples, chip.network.inputs)
    codes = random.integers(code.low, code.high + 1, shape).astype(np.int32 if code.signed else np.uint8)
    codes[random.random(shape) > density] = 0
    codes[-1] = 0
    labels = random.integers(0, chip.labels, samples, dtype=np.uint8)
    targets = None
    if chip.learning.targets.regression:
        output = chip.network.output.output
        targets = random.integers(output.low, output.high + 1, (samples, chip.network.classes)).astype(np.int32)
    return Data(codes, labels, targets)


class Run:
    """One back-end at work on a chip."""

    def __init__(self, chip, backend, threads=1):
        self.path = FastDatapath(chip, initial_state(chip), backend, threads)
        self.vector = self.path._vector is not None
        self.trained = []

    def epoch(self, number, train, test):
        """Train in two pieces, which may share a batch, then infer; returns every integer that may be compared."""
        path, count = self.path, len(train.labels)
        path.begin_epoch(number)
        self.trained.append(bool(self.vector and path._vector.trains))
        order = np.random.default_rng(number).permutation(count)
        block = path.samples(train.codes, train.labels, order, learn=True, targets=train.targets)
        assert path.train(block._replace(flush=0), 0, count // 3) == count // 3
        path.train(block, count // 3, count)
        activity, tested = path.new_activity(), len(test.labels)
        asked = path.samples(test.codes, test.labels, np.arange(tested), learn=False, outputs=True)
        path.infer(asked, 0, tested, activity)
        state = path.state()
        return {
            "predictions": block.predictions,
            "weights": state.weights,
            "feedback": state.feedback,
            "classifiers": state.classifiers,
            "forward": state.forward,
            "gradients": state.gradients,
            "row registers": state.row_registers,
            "lane registers": state.lane_registers,
            "noise registers": state.noise_registers,
            "dropout registers": state.dropout_registers,
            "velocities": state.velocities,
            "progress": np.array([state.samples, state.updates, state.mirrored, state.batch_fill]),
            "events": path.activity.events.copy(),
            "hits": path.activity.hits.copy(),
            "totals": path.activity.totals.copy(),
            "inferred": asked.predictions,
            "outputs": asked.outputs,
            "inference events": activity.events,
            "inference hits": activity.hits,
            "inference totals": activity.totals,
        }


def _differences(part, left, right):
    """Where two parts differ: which matrix, how many entries, the first place with its two numbers."""
    pairs = zip(left, right, strict=True) if isinstance(left, list) else [(left, right)]
    for number, (a, b) in enumerate(pairs):
        if not np.array_equal(a, b):
            places = np.argwhere(np.asarray(a) != np.asarray(b))
            first = tuple(places[0].tolist())
            yield f"{part} {number}: {len(places)} of {a.size}, at {first}: {a[first]} and {b[first]}"


def compare(chip, backends, epochs=(0, 1), seed=1, density=0.6, threads=1):
    """Assert that all *backends* agree with the portable one; returns their runs by name."""
    runs = {name: Run(chip, name, threads) for name in (PORTABLE, *backends)}
    train, test = data_of(chip, _TRAINED, seed, density), data_of(chip, _TESTED, seed + 1, density)
    for number in epochs:
        expected, *others = [(name, run.epoch(number, train, test)) for name, run in runs.items()]
        for name, found in others:
            wrong = [text for part in found for text in _differences(part, expected[1][part], found[part])]
            assert not wrong, f"portable and {name} differ after epoch {number}: {wrong}"
    return runs
