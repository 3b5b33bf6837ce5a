"""What a configuration file may say: sections as frozen dataclasses, help and limits beside each field."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Literal

from neuro_emu.config.deep_schema import Formats, Layer
from neuro_emu.config.fields import Schedule, section, setting
from neuro_emu.config.presets import Preset
from neuro_emu.config.typed import FieldError
from neuro_emu.machine.design import ZeroInput
from neuro_emu.numerics.formats import Format
from neuro_emu.numerics.modes import Overflow, Rounding, WordSource


class Order(Enum):
    """Order in which an epoch presents the training samples."""

    SHUFFLED = "shuffled"
    AS_STORED = "as_stored"


class InitialWeights(Enum):
    """Weights before the first sample."""

    ZERO = "zero"
    RANDOM = "random"


class InitialLayers(Enum):
    """Which layers start with random weights."""

    HIDDEN = "hidden"
    ALL = "all"


class FeedbackSource(Enum):
    """Where the feedback matrices come from."""

    RANDOM = "random"
    SIGN = "sign"
    LFSR = "lfsr"


class FeedbackRange(Enum):
    """How far random feedback codes reach."""

    FULL = "full"
    KAIMING = "kaiming"


Channels = int | tuple[int, ...]
"""A number for all channels of an image, or a list with one for each."""


@dataclass(frozen=True)
class Normalise:
    """Image bytes become signed codes: (byte − mean) · multiplier · 2^-shift, to the nearest, ties up, clamped."""

    mean: Channels = setting("byte that becomes 0: one for all channels, or a list with one for each", min=0, max=255)
    multiplier: Channels = setting("one for all channels, or a list with one for each", 1, min=1, max=255)
    shift: int = setting("right shift after the multiplication", 0, min=0, max=31)


@dataclass(frozen=True)
class Augment:
    """Training images are varied anew in each epoch; test and validation images are not."""

    crop: int = setting("they are moved by up to so many pixels along each axis, 0 comes in", 0, min=0, max=255)
    flip: bool = setting("half of them are mirrored, left to right", False)


@dataclass(frozen=True)
class Dataset:
    """Which samples are presented."""

    name: Literal[
        "mnist",
        "fashion_mnist",
        "cifar10",
        "cifar100",
        "cifar100_coarse",
        "svhn",
        "tiny_imagenet",
        "synthetic",
        "cosines",
        "hypercube",
    ] = setting("data set by name: see `neuro-emu data list`")
    input: Format = setting(
        "format of an input code; image bytes are u8f8, fewer bits keep the top ones; real numbers and normalised"
        " images need a signed one",
        Format(False, 8, 8),
    )
    normalise: Normalise | None = setting("images are centred; null: bytes are codes", None)
    augment: Augment | None = setting("random crops and mirror images while learning; null: as they are", None)
    side: int | None = setting(
        "images are averaged down to this many pixels a side; null: as they are", None, min=1, max=256
    )
    path: str | None = setting("directory that holds the files; null: search, then download", None)
    train: int | None = setting("use only the first N training samples; null: all", None, min=1)
    test: int | None = setting("use only the first N test samples; null: all", None, min=1)


@dataclass(frozen=True)
class Network:
    """Layers from input to output."""

    layers: tuple[Layer, ...] = setting(
        "layers, first hidden layer first, output layer last; or none, beside a preset", ()
    )
    preset: Preset | None = setting("a network by name, see `neuro-emu networks`; null: layers are written out", None)
    formats: Formats = section(Formats, "formats of layers that do not have their own")
    batched: bool = setting(
        "whether dense layers too learn a mini-batch at a time, as convolutions do (docs/deep.md)", False
    )
    initial_weights: InitialWeights = setting("weights before the first sample", InitialWeights.ZERO)
    initial_layers: InitialLayers = setting(
        "layers that `initial_weights: random` concerns; the others start at 0", InitialLayers.HIDDEN
    )


@dataclass(frozen=True)
class LearningRate:
    """Learning rates 2^-shift: a number, pairs [epoch, shift], or a curve of shifts."""

    hidden: Schedule = setting("hidden layers")
    output: Schedule = setting("output layer")


@dataclass(frozen=True)
class WeightDecay:
    """Decay of weights in a pass of its own: W ← W − W · 2^-shift."""

    shift: Schedule = setting("λ = 2^-shift, 1 to 31: a number, or pairs [epoch, shift]")
    every: int = setting("updates (samples, or mini-batches) between two passes", 256, min=1, max=10**9)
    first_layer: bool = setting("whether the first layer's weights decay too", False)


@dataclass(frozen=True)
class FeedbackDecay:
    """Decay of learned feedback matrices that are no twins: B ← B − B · 2^-shift."""

    shift: Schedule = setting("λ = 2^-shift, 1 to 31: a number, or pairs [epoch, shift]")
    every: int = setting("updates, or mirror steps of weight_mirror, between two passes", 256, min=1, max=10**9)


@dataclass(frozen=True)
class Mirror:
    """Mirror mode of weight_mirror: noise in place of activations, between samples."""

    every: int = setting("samples between two visits", 100, min=1, max=10**9)
    steps: int = setting("mirror steps in one visit", 10, min=0, max=1000000)
    noise_shift: int = setting("amplitude of the noise is 2^-noise_shift", 1, min=0, max=31)


@dataclass(frozen=True)
class Momentum:
    """Velocity registers of `optimiser: momentum` and `nesterov`."""

    shift: int = setting("the coefficient is 1 − 2^-shift: 3 is 0.875", 3, min=1, max=31)
    velocity: Format = setting("format of a velocity", Format(True, 16, 12))


@dataclass(frozen=True)
class Adam:
    """`optimiser: adam`, for the float twin alone: `run --datapath float`."""

    learning_rate: float = setting("η", 1e-3, min=0.0, max=1.0)
    beta_1: float = setting("decay of the mean of gradients, below 1", 0.9, min=0.0, max=0.999999999)
    beta_2: float = setting("decay of the mean of their squares, below 1", 0.999, min=0.0, max=0.999999999)
    epsilon: float = setting("added to the root of the second, above 0", 1e-8, min=1e-30, max=1.0)


@dataclass(frozen=True)
class WeightNorm:
    """The incoming weights of each neuron are brought back to a fixed norm."""

    gamma: float = setting("norm of the incoming weights of a neuron, bias left out", 1.0, min=1e-6, max=1e6)
    every: int = setting("updates (samples, or mini-batches) between two passes", 1, min=1, max=10**9)
    feedback: bool = setting("whether fixed feedback matrices are normalised too, once before the first sample", True)


@dataclass(frozen=True)
class Training:
    """What is learned how."""

    rule: str = setting("learning rule: see `neuro-emu rules`")
    lr_shift: LearningRate = setting("learning rates as right shifts")
    epochs: int = setting("passes over the training samples", 10, min=1, max=100000)
    batch: int = setting("samples summed before the weights are written", 1, min=1, max=65536)
    seed: int = setting("of every draw: weights, feedback, order, rounding", 1, min=0, max=2**64 - 1)
    order: Order = setting("order of the samples within an epoch", Order.SHUFFLED)
    validation: int = setting("training samples, taken from the end, held out to choose settings on", 0, min=0)
    options: dict[str, int | bool | str] = section(dict, "settings of the rule's own: see `neuro-emu rules`")
    feedback_lr_shift: Schedule | None = setting(
        "learning rate of learned feedback matrices that are no twins; null: lr_shift.hidden", None
    )
    weight_decay: WeightDecay | None = setting("decay of the weights and of feedback twins; null: none", None)
    feedback_decay: FeedbackDecay | None = setting("decay of other learned feedback matrices; null: none", None)
    mirror: Mirror = section(Mirror, "schedule of mirror mode (weight_mirror)")
    loss: Literal["bce", "cce", "mse"] = setting(
        "bce: sigmoid outputs, cross-entropy of each; cce: softmax outputs; mse: squared error of any outputs", "bce"
    )
    hot: int = setting("outputs that are 1 for a class (N-hot targets)", 1, min=1, max=65536)
    optimiser: Literal["sgd", "momentum", "nesterov", "adam"] = setting(
        "plain steps; a velocity for each weight; adam is for the float twin alone", "sgd"
    )
    momentum: Momentum = section(Momentum, "of momentum and nesterov")
    adam: Adam = section(Adam, "of adam")
    weight_norm: WeightNorm | None = setting("norm of each neuron's weights, held fixed; null: free", None)
    dropout: int = setting("hidden outputs are dropped with probability N/256 while learning", 0, min=0, max=255)
    error_gate: int | None = setting("hidden layers learn only while e[label] exceeds this code; null: always", None)
    sign_dead_zone: int = setting("codes of e within ± this count as zero (rules that use the error's sign)", 0, min=0)


@dataclass(frozen=True)
class Feedback:
    """Feedback matrices B."""

    source: FeedbackSource = setting("random codes, random signs, or one 16-bit LFSR per class", FeedbackSource.RANDOM)
    format: Format = setting(
        "format of the codes; matrices that learn take that of the weights of the layer above", Format(True, 8, 7)
    )
    range: FeedbackRange = setting("full: up to the largest code; kaiming: ±sqrt(6 / neurons)", FeedbackRange.FULL)
    learned_range: FeedbackRange = setting(
        "the same for matrices that learn (kp, dkp, asap, asfp, weight_mirror)", FeedbackRange.KAIMING
    )


@dataclass(frozen=True)
class Accumulator:
    """Accumulators of the multiply-accumulate lanes."""

    bits: int = setting("width, sign included", 32, min=2, max=63)
    overflow: Overflow = setting("SAT: clamp after every product; WRAP: modulo", Overflow.SAT)


@dataclass(frozen=True)
class Numerics:
    """Arithmetic of the whole chip."""

    feedback: Feedback = section(Feedback, "feedback matrices")
    delta: Format = setting("format of the modulatory signals, unless a layer says otherwise", Format(True, 9, 8))
    update_rounding: Rounding = setting("rounding of weight updates", Rounding.STOCH)
    overflow: Overflow = setting("overflow of weights: SAT, or WRAP to see why not", Overflow.SAT)
    accumulator: Accumulator = section(Accumulator, "accumulators")
    random_words: WordSource = setting("generator of the random words for STOCH", WordSource.ROW_WORD)
    strict: bool = setting("stop at the first overflow of any tensor and name it", False)


@dataclass(frozen=True)
class Machine:
    """The design point."""

    lanes: int = setting("parallel multiply-accumulate units", 16, min=1, max=65536)
    clock_mhz: float = setting("clock frequency in MHz", 100.0, min=0.001, max=100000.0)
    weight_banks: int = setting("single-port banks per weight memory, a power of two", 2, min=1, max=64)
    activation_units: int = setting("neurons activated per cycle", 1, min=1, max=65536)
    zero_input: ZeroInput = setting(
        "what a zero input costs: none (cycle and access), gate (cycle), skip (nothing)", ZeroInput.SKIP
    )


@dataclass(frozen=True)
class Estimate:
    """What the chip is made in, for energy and area; changes no integer and no cycle."""

    technology: str = setting("see `neuro-emu technologies`, or a YAML file", "ihp130")
    voltage: float | None = setting("supply in V; null: the technology's", None, min=0.1, max=10.0)
    constants: str | None = setting("YAML file with constants of your own; null: none", None)
    density: tuple[float, ...] | None = setting(
        "share of input codes that are not 0, by layer, the last for all above; null: that of the data set, 1 above",
        None,
        min=0.0,
        max=1.0,
    )


@dataclass(frozen=True, kw_only=True)
class Config:
    """A complete description of a chip and a run."""

    name: str = setting("name of the run directory and of reports", "unnamed")
    dataset: Dataset = setting("samples")
    network: Network = setting("layers and their number formats")
    training: Training = setting("learning")
    numerics: Numerics = section(Numerics, "arithmetic")
    machine: Machine = section(Machine, "design point")
    estimate: Estimate = section(Estimate, "technology, for energy and area")

    def __post_init__(self) -> None:
        if not self.name or self.name.startswith(".") or any(c in "/\\" or not c.isprintable() for c in self.name):
            raise FieldError("name", f"{self.name!r} cannot name a directory", "use letters, digits, - and _")
