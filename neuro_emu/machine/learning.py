"""What is learned how: targets, loss, rates, optimiser, decay, normalisation, dropout; nothing of shapes."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import floor

from neuro_emu.numerics.formats import Format
from neuro_emu.rules import OptionValue, Rule


@dataclass(frozen=True)
class Targets:
    """What the outputs are to become.

    Attributes:
        hot: outputs that are 1 for each class: 1, or more for N-hot targets; 0 for regression, whose targets
            come with the samples.
        labels: classes; None: as many as there are outputs.

    """

    hot: int = 1
    labels: int | None = None

    @property
    def regression(self) -> bool:
        """Whether each sample brings its own target vector."""
        return self.hot == 0


@dataclass(frozen=True)
class Momentum:
    """A velocity register for each weight: V ← (1 − 2^-shift) V + G, W ← W + η V (docs/numerics.md, section 6).

    Attributes:
        shift: the coefficient is 1 − 2^-shift.
        velocity: format of V.
        nesterov: whether the step looks ahead: W ← W + η ((1 − 2^-shift) V + G).

    """

    shift: int
    velocity: Format
    nesterov: bool = False


@dataclass(frozen=True)
class Adam:
    """Adam (Kingma and Ba 2015), for the float twin alone."""

    learning_rate: float = 1e-3
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8


@dataclass(frozen=True)
class WeightNorm:
    """The incoming weights of each neuron, bias left out, are brought back to the norm γ (Panjehpour, equation 9).

    Attributes:
        gamma: γ as a number.
        every: updates between two passes.
        feedback: whether fixed feedback matrices are brought to γ once, before the first sample.

    """

    gamma: float
    every: int = 1
    feedback: bool = True

    def code(self, storage: Format) -> int:
        """Γ: γ as a code of weights in *storage*, not clamped."""
        return floor(Fraction(self.gamma) * (1 << storage.frac) + Fraction(1, 2))


@dataclass(frozen=True)
class Decay:
    """Weight decay in a pass of its own: M −= M · 2^-shift after every ``every`` updates; a schedule of shifts."""

    shift: tuple[tuple[int, int], ...]
    every: int
    first_layer: bool = False

    def shift_at(self, epoch: int) -> int:
        """Shift in *epoch*."""
        return _at(self.shift, epoch)


@dataclass(frozen=True)
class Mirror:
    """Schedule of mirror mode: ``steps`` steps of noise ±2^-noise_shift after every ``every`` samples."""

    every: int = 100
    steps: int = 10
    noise_shift: int = 1


@dataclass(frozen=True)
class Learning:
    """What is learned how.

    Attributes:
        rule: the learning rule of the hidden layers.
        seed: of every draw.
        batch: samples summed before an update.
        error_gate: θ as a code of e; None: no gate.
        sign_dead_zone: D as a code of e.
        lr_shift: per layer, pairs (epoch, shift), first epoch 0, ascending.
        shuffled: whether each epoch has its own order.
        initial: ``zero`` or ``random`` weights at the start.
        initial_output: whether the output layer is random too.
        feedback_source: ``random``, ``sign`` or ``lfsr``.
        feedback_range: ``full`` or ``kaiming``, of fixed matrices.
        learned_range: the same of learned ones.
        options: the rule's own settings, as pairs; defaults are left out.
        feedback_lr_shift: schedule of learned feedback matrices without twin.
        weight_decay: of W_k, and of their twins.
        feedback_decay: of learned feedback matrices without twin.
        mirror: schedule of mirror mode.
        loss: ``bce`` (sigmoid outputs, binary cross-entropy), ``cce`` (softmax) or ``mse``.
        targets: what the outputs are to become.
        momentum: velocity registers; None: plain steps.
        adam: None, or the optimiser of the float twin; the integer datapaths refuse it.
        weight_norm: None, or how weights are normalised.
        dropout: a hidden output is dropped with probability dropout / 256 while learning.

    """

    rule: Rule
    seed: int
    batch: int
    error_gate: int | None
    sign_dead_zone: int
    lr_shift: tuple[tuple[tuple[int, int], ...], ...]
    shuffled: bool
    initial: str
    initial_output: bool
    feedback_source: str
    feedback_range: str
    learned_range: str = "kaiming"
    options: tuple[tuple[str, OptionValue], ...] = ()
    feedback_lr_shift: tuple[tuple[int, int], ...] = ((0, 0),)
    weight_decay: Decay | None = None
    feedback_decay: Decay | None = None
    mirror: Mirror = Mirror()
    loss: str = "bce"
    targets: Targets = Targets()
    momentum: Momentum | None = None
    adam: Adam | None = None
    weight_norm: WeightNorm | None = None
    dropout: int = 0

    @property
    def sums(self) -> bool:
        """Whether gradients are summed before they are written: mini-batches, and every sample with momentum."""
        return self.batch > 1 or self.momentum is not None

    def shift_at(self, layer: int, epoch: int) -> int:
        """lr_shift of *layer* in *epoch*."""
        return _at(self.lr_shift[layer], epoch)

    def feedback_shift_at(self, epoch: int) -> int:
        """feedback_lr_shift in *epoch*."""
        return _at(self.feedback_lr_shift, epoch)

    def option(self, name: str) -> OptionValue:
        """Value of one of the rule's own options."""
        return dict(self.options).get(name, self.rule.options[name].default)


def _at(schedule: tuple[tuple[int, int], ...], epoch: int) -> int:
    return [shift for first, shift in schedule if first <= epoch][-1]
