"""Random small chips and data, and the same chip as the `spec` of the naive reference."""

from dataclasses import asdict, dataclass, replace
from fractions import Fraction

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st

from neuro_emu.machine.chip import Chip, Numerics
from neuro_emu.machine.design import Design, ZeroInput
from neuro_emu.machine.learning import Decay, Learning, Mirror
from neuro_emu.machine.matrices import Kind
from neuro_emu.machine.plan import plan_of
from neuro_emu.network.layers import DenseLayer, Network
from neuro_emu.numerics.activations import NAMES
from neuro_emu.numerics.formats import Format
from neuro_emu.numerics.modes import Overflow, Rounding, WordSource
from neuro_emu.rules import RULES, Need

RULE_NAMES = sorted(RULES)  # those of the package; tests may register more
RTL_NAMES = ["drtp", "dfa", "sdfa", "shallow"]
CHAIN_NAMES = [name for name in RULE_NAMES if RULES[name].need is Need.CHAIN or name == "dkp"]
WIDEST = 2**63 - 1  # largest intermediate value of docs/numerics.md, section 1
GOLDEN = 0x9E3779B9  # the seed with which lane register 0 would start at 0


@dataclass(frozen=True)
class Data:
    """Input codes (samples, inputs) and labels for a chip."""

    codes: np.ndarray
    labels: np.ndarray
    targets: np.ndarray | None = None


def formats(signs, bits, fracs):
    return st.builds(Format, st.sampled_from(signs), st.sampled_from(bits), st.sampled_from(fracs))


NARROW_OR_USUAL = (1, 2, 3, 4, 6, 8, 8, 8, 12)
WEIGHTS = st.one_of(
    formats([True], [1, 2, 3, 4], range(6)),
    formats([True], [6, 8, 8, 8, 12, 14, 16], range(4, 12)),
    formats([True], [17, 20, 24, 32], range(6, 24)),
)
NARROW_WEIGHTS = formats([True], [2, 4, 8, 8, 8, 10, 12, 16], range(4, 12))
OUTPUTS = st.one_of(
    formats([True, False], NARROW_OR_USUAL, range(10)),
    formats([True, False], NARROW_OR_USUAL, range(10)),
    formats([True, False], [15, 16, 17, 24, 31], range(6, 20)),
)
DELTAS = formats([True], (*NARROW_OR_USUAL, 16, 17, 24, 32), range(12))
USUAL_ROUNDING = (Rounding.STOCH, Rounding.STOCH, Rounding.STOCH, *Rounding)
USUAL_WORDS = (WordSource.ROW_WORD, WordSource.ROW_WORD, *WordSource)


def _schedule(draw, layer, epochs):
    """Learning-rate shifts whose update shifts all lie in 0...31, biased towards those that move weights."""
    base = layer.update_shift(0)
    largest = (layer.delta.magnitude * layer.input.magnitude).bit_length()
    moving = st.integers(min(max(largest - layer.weight.bits, 0), 31), min(largest + 2, 31))
    shifts = st.one_of(moving, moving, st.integers(0, 31))
    first = [0, *sorted(draw(st.sets(st.integers(1, max(epochs - 1, 1)), max_size=2)))]
    return tuple((epoch, draw(shifts) - base) for epoch in first)


def exact_in_63_bits(chip):
    """Whether the worst case of every intermediate value passes neither the sums nor the alignments."""

    def aligned(bound, shift):
        return bound << -shift if shift < 0 else bound + (1 << shift)

    output, layers = chip.network.output, chip.network.layers
    widest_code = max([layers[0].input.magnitude, *(2 * la.output.magnitude for la in layers)])
    widest_delta = max(la.delta.magnitude for la in layers)
    fracs = [la.delta.frac for la in layers]
    for layer in layers:
        bounds = [
            aligned(layer.accumulator_bound, layer.preactivation_shift),
            chip.learning.batch * layer.delta.magnitude * layer.input.magnitude + (1 << 31) + layer.weight.magnitude,
            chip.learning.batch * max(widest_delta, widest_code) * widest_code + (1 << 31) + layer.weight.magnitude,
        ]
        if layer.feedback is not None:
            b, p, d, w = layer.feedback, layer.projection, layer.delta, layers[layer.index + 1].weight
            f_d, slope = layer.derivative.frac, layer.derivative.magnitude
            rows = max(chip.network.classes, layers[layer.index + 1].units)
            for matrix in (b, w):
                projected = rows * matrix.magnitude * max(widest_delta, output.delta.magnitude)
                bounds += [aligned(projected, matrix.frac + f - p.frac) for f in fracs]
            bounds += [
                aligned(b.magnitude * slope, b.frac + f_d - d.frac),
                aligned(p.magnitude * slope, p.frac + f_d - d.frac),
                aligned(layer.weight.magnitude * widest_code * (130 + 40), layer.weight.frac - layer.table_frac),
            ]
        if max(bounds) > WIDEST:
            return False
    return True


def _network(draw, wide, narrow, rule):
    shares = "block" in rule.options
    inputs = draw(st.integers(1, 12 if wide else 30))
    code = Format(False, draw(st.sampled_from([1, 2, 4, 7, 8, 8, 8])), draw(st.sampled_from([0, 1, 4, 8, 8])))
    chained = rule.need is Need.CHAIN
    depth = draw(st.integers(2, 5) if shares else st.integers(1, 4) if chained else st.integers(1, 3))
    sizes = [draw(st.integers(1, 16 if depth >= 3 else 40)) for _ in range(depth - 1)]
    if shares and draw(st.booleans()):
        sizes = sizes[:1] * (depth - 1)
    common = draw(OUTPUTS)
    sizes.append(draw(st.integers(1, 12)))
    if wide:
        sizes[draw(st.integers(0, min(depth - 1, 1)))] = draw(st.integers(64, 130))
    feedback = draw(formats([True], (*NARROW_OR_USUAL, 16), range(10)))
    layers = []
    for k, units in enumerate(sizes):
        last = k == depth - 1
        delta = draw(DELTAS)
        layer = DenseLayer(
            index=k,
            inputs=inputs,
            units=units,
            activation="sigmoid" if last else draw(st.sampled_from(NAMES)),
            table_frac=draw(st.integers(0, 6)),
            input=code,
            weight=draw(NARROW_WEIGHTS if narrow else WEIGHTS),
            output=common if shares and not last else draw(OUTPUTS),
            delta=delta,
            projection=draw(st.one_of(st.just(delta), DELTAS)),
            feedback=None if last else feedback,
        )
        layers.append(layer)
        inputs, code = units, layer.output
    if any(step.twin for step in plan_of_sizes(rule, [layers[0].inputs, *sizes], {}).feedback):
        for k, layer in enumerate(layers[:-1]):  # a twin has the fractional bits of the weights above
            bits = draw(st.sampled_from([layers[k + 1].weight.bits, layers[k + 1].weight.bits, 8]))
            layers[k] = replace(layer, feedback=Format(True, bits, layers[k + 1].weight.frac))
    return Network(tuple(layers))


def plan_of_sizes(rule, sizes, options):
    """The plan of a rule on layers of given sizes."""
    layers = range(len(sizes) - 1)
    return plan_of(rule, tuple(sizes), options, tuple(reversed(layers)) if rule.need >= Need.ERROR else tuple(layers))


def _numerics(draw, network):
    largest = max(layer.accumulator_bound for layer in network.layers)
    reached = st.integers(3, max(min(largest.bit_length(), 63), 3))  # SAT clamps, WRAP wraps
    return Numerics(
        update_rounding=draw(st.sampled_from(USUAL_ROUNDING)),
        overflow=draw(st.sampled_from([Overflow.SAT, Overflow.SAT, Overflow.WRAP])),
        accumulator_bits=draw(st.one_of(st.sampled_from([32, 32, 48, 63]), reached)),
        accumulator_overflow=draw(st.sampled_from(list(Overflow))),
        word_source=draw(st.sampled_from(USUAL_WORDS)),
        strict=False,
    )


def _options(draw, rule):
    """Values of the rule's own options; some are left to their defaults."""
    chosen = []
    for name, option in sorted(rule.options.items()):
        if isinstance(option.default, bool):
            value = draw(st.booleans())
        elif isinstance(option.default, int):
            value = draw(st.integers(1, 4))
        else:
            value = draw(st.sampled_from(option.choices))
        if draw(st.booleans()) or value != option.default:
            chosen.append((name, value))
    return tuple(chosen)


def _learning(draw, network, epochs, rule):
    hot, half = network.hot, network.output.output.quantise(Fraction(1, 2))  # half: every output at first
    gates = st.one_of(st.none(), st.none(), st.just(hot - half), st.integers(-hot - 1, max(hot - 1, 0)))
    zones = st.one_of(st.just(0), st.just(max(half, 0)), st.integers(0, max(hot // 2, 1)))
    amounts = st.sampled_from([1, 2, 4, 8, 31])
    shifts = st.one_of(
        st.builds(lambda d: ((0, d),), amounts), st.builds(lambda d, e: ((0, d), (1, e)), amounts, amounts)
    )
    decays = st.builds(Decay, shifts, st.integers(1, 4), st.booleans())
    ones = st.integers(0, min((layer.output.frac for layer in network.hidden), default=0))
    return Learning(
        rule=rule,
        seed=draw(st.one_of(st.integers(0, 5), st.just(GOLDEN), st.integers(0, 2**64 - 1))),
        batch=draw(st.sampled_from([1, 1, 1, 2, 3, 5])),
        error_gate=None if rule.name == "shallow" else draw(gates),
        sign_dead_zone=draw(zones) if rule.name == "sdfa" else 0,
        lr_shift=tuple(_schedule(draw, layer, epochs) for layer in network.layers),
        shuffled=draw(st.booleans()),
        initial=draw(st.sampled_from(["zero", "random", "random"])),
        initial_output=draw(st.booleans()),
        feedback_source=draw(st.sampled_from(["random", "sign", "lfsr"])),
        feedback_range=draw(st.sampled_from(["full", "kaiming"])),
        learned_range=draw(st.sampled_from(["full", "kaiming"])),
        options=_options(draw, rule),
        feedback_lr_shift=((0, 0),),
        weight_decay=draw(st.one_of(st.none(), decays)),
        feedback_decay=draw(st.one_of(st.none(), decays)),
        mirror=Mirror(draw(st.integers(1, 3)), draw(st.integers(0, 3)), draw(ones)),
    )


def _allowed(chip):
    """Whether the configuration would let the chip pass: update shifts, noise and 63 bits."""
    shifts = [chip.shift_of(matrix, epoch) for matrix in chip.matrices for epoch in range(3)]
    noise = [
        1 <= chip.noise_amplitude(layer.index) <= layer.output.high
        for layer in (chip.network.hidden if chip.learning.rule.mirror else ())
    ]
    return all(0 <= shift <= 31 for shift in shifts) and all(noise) and exact_in_63_bits(chip)


def _feedback_schedule(draw, chip):
    """Rates of learned feedback whose shifts are all in 0 ... 31, if there are any."""
    bases = [chip.feedback_shift(m.layer) for m in chip.matrices if m.kind is Kind.FEEDBACK]
    low, high = max([-b for b in bases], default=0), min([31 - b for b in bases], default=0)
    if low > high:
        return ((0, low),)
    return tuple((epoch, draw(st.integers(low, min(high, low + 16)))) for epoch in range(2))


def _design(draw):
    return Design(
        lanes=draw(st.integers(1, 20)),
        clock_mhz=100.0,
        weight_banks=draw(st.sampled_from([1, 2, 4, 8])),
        activation_units=draw(st.integers(1, 4)),
        zero_input=draw(st.sampled_from(list(ZeroInput))),
    )


@st.composite
def chips(draw, epochs=2, wide=None, rules=None, in_rtl=False):
    """A chip of one to five layers that the contract allows.

    `wide` forces a layer of 64 to 130 neurons (row storage) in or out; half of those have only narrow weights.
    `rules` are the names to draw from; half of the chips have one of the four rules that the RTL has; with `in_rtl`
    all, and nothing else that it has not.
    """
    if wide is None:
        wide = draw(st.sampled_from([False, False, True]))
    names = rules or draw(st.sampled_from([RTL_NAMES] if in_rtl else [RTL_NAMES, CHAIN_NAMES]))
    rule = RULES[draw(st.sampled_from(names))]
    network = _network(draw, wide, draw(st.booleans()) if wide else False, rule)
    chip = Chip(network, _numerics(draw, network), _learning(draw, network, epochs, rule), _design(draw))
    decay = None if in_rtl else chip.learning.weight_decay
    rates = _feedback_schedule(draw, chip)
    chip = replace(chip, learning=replace(chip.learning, feedback_lr_shift=rates, weight_decay=decay))
    assume(_allowed(chip))
    return chip


@st.composite
def data_for(draw, chip, samples=(1, 7)):
    """Random samples, from empty to dense, so that rows are skipped and stalls occur."""
    count = draw(st.integers(*samples))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = (count, chip.network.inputs)
    codes = random.integers(0, chip.network.layers[0].input.high + 1, shape, dtype=np.uint8)
    codes[random.random(shape) > draw(st.sampled_from([0.0, 0.3, 0.6, 1.0]))] = 0
    return Data(codes, random.integers(0, chip.network.classes, count, dtype=np.uint8))


def spec_of(chip):
    """The chip as the plain dictionary that `naive.NaiveChip` reads."""
    numerics, learning = chip.numerics, chip.learning
    layers = [
        {
            **({} if layer.feedback is None else {"feedback": str(layer.feedback)}),
            "units": layer.units,
            "activation": layer.activation,
            "table_frac": layer.table_frac,
            "weight": str(layer.weight),
            "output": str(layer.output),
            "delta": str(layer.delta),
            "projection": str(layer.projection),
            "lr_shift": [list(pair) for pair in schedule],
        }
        for layer, schedule in zip(chip.network.layers, learning.lr_shift, strict=True)
    ]
    feedback = [str(layer.feedback) for layer in chip.network.hidden] or ["s8f7"]
    return {
        "inputs": chip.network.inputs,
        "input": str(chip.network.layers[0].input),
        "layers": layers,
        "rule": learning.rule.name,
        "seed": learning.seed,
        "batch": learning.batch,
        "error_gate": learning.error_gate,
        "sign_dead_zone": learning.sign_dead_zone,
        "lanes": chip.design.lanes,
        "update_rounding": numerics.update_rounding.value,
        "overflow": numerics.overflow.value,
        "random_words": numerics.word_source.value,
        "accumulator": {"bits": numerics.accumulator_bits, "overflow": numerics.accumulator_overflow.value},
        "initial_weights": {"source": learning.initial, "layers": "all" if learning.initial_output else "hidden"},
        "feedback": {
            "format": feedback[0],
            "source": learning.feedback_source,
            "range": learning.feedback_range,
            "learned_range": learning.learned_range,
        },
        "options": dict(learning.options),
        "feedback_lr_shift": [list(pair) for pair in learning.feedback_lr_shift],
        "weight_decay": learning.weight_decay and asdict(learning.weight_decay),
        "feedback_decay": learning.feedback_decay
        and {
            "shift": learning.feedback_decay.shift,
            "every": learning.feedback_decay.every,
        },
        "mirror": asdict(learning.mirror),
        "loss": learning.loss,
        "hot": learning.targets.hot,
        "labels": chip.labels,
        "momentum": learning.momentum and {**asdict(learning.momentum), "velocity": str(learning.momentum.velocity)},
        "weight_norm": learning.weight_norm and asdict(learning.weight_norm),
        "dropout": learning.dropout,
        "order": "shuffled" if learning.shuffled else "as_stored",
    }


def small_chip(source, range_, initial, initial_output, storage):
    """A dfa chip, 5 - 6 - 3, whose weights and feedback are kept in *storage*."""
    layer = DenseLayer(0, 5, 6, "tanh", 4, Format.parse("u8f8"), storage, *[Format.parse("s8f7")] * 3, feedback=storage)
    output = replace(layer, index=1, inputs=6, units=3, activation="sigmoid", feedback=None)
    return Chip(
        Network((layer, output)),
        Numerics(Rounding.STOCH, Overflow.SAT, 63, Overflow.SAT, WordSource.ROW_WORD, False),
        Learning(RULES["dfa"], 11, 1, None, 0, (((0, 8),), ((0, 8),)), True, initial, initial_output, source, range_),
        Design(4, 100.0, 2, 1, ZeroInput.SKIP),
    )
