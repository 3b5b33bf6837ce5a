"""What a rule asks of the chip, found by letting it ask: the operations of one sample, without number formats.

Memories, buffers and programs follow from the plan, never from a rule's name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from neuro_emu.errors import RuleError
from neuro_emu.rules import Datapath, Learn, Need, OptionValue, Rule

BY_GROUP = ("label_row", "project", "transpose", "transpose_sign", "gate")
"""Signals that are made a group of the learning layer at a time; the others are whole vectors."""

ACTIVATIONS = ("output", "random_forward", "pool", "noise")
"""Vectors of codes; everything else is a signal."""

WRITES = ("update", "learn_local", "learn_feedback")


@dataclass(frozen=True)
class Vector:
    """A vector that the rule holds, by number; the source of what it can be used for."""

    number: int
    length: int
    op: str
    layer: int


@dataclass(frozen=True)
class Step:
    """One operation.

    Attributes:
        op: name of the method of :class:`neuro_emu.rules.base.Datapath`.
        owner: layer whose learning asks for it first; a closed error gate leaves out those of hidden layers.
        layer: k of the operation.
        sources: vectors it reads.
        target: vector it makes; None for writes.
        detail: pooling method, or ``twin``.

    """

    op: str
    owner: int
    layer: int
    sources: tuple[Vector, ...]
    target: Vector | None
    detail: str = ""


@dataclass
class Feedback:
    """How a feedback matrix B_k is used: rows of the vector that is projected, 0 without a matrix."""

    rows: int = 0
    learned: bool = False
    twin: bool = False


@dataclass
class Plan:
    """The operations of one sample, and what they need.

    Attributes:
        steps: in the order in which they are carried out, writes of a layer in the order W, L, B.
        mirror: one step of mirror mode; empty without.
        feedback: one entry a hidden layer.
        forward: rows of C_k of each hidden layer, 0 without.
        classifiers: whether each hidden layer has a local classifier.
        learns: whether each layer's weights learn.

    """

    steps: list[Step]
    mirror: list[Step]
    feedback: list[Feedback]
    forward: list[int]
    classifiers: list[bool]
    learns: list[bool]


@dataclass
class _Planner:
    """A datapath that writes down what it is asked for."""

    rule: Rule
    sizes: tuple[int, ...]
    options: Mapping[str, OptionValue]
    plan: Plan
    labels: int
    owner: int = 0
    mirroring: bool = False
    made: dict[tuple[object, ...], Vector] = field(default_factory=dict)
    deltas: dict[int, Vector] = field(default_factory=dict)
    signals: list[Step] = field(default_factory=list)
    writes: list[Step] = field(default_factory=list)

    @property
    def last(self) -> int:
        """See :class:`Datapath`."""
        return len(self.sizes) - 2

    def size(self, k: int) -> int:
        """See :class:`Datapath`."""
        if not -1 <= k <= self.last:
            raise self._refuse(f"asks for layer {k}; there are layers 0 … {self.last}")
        return self.sizes[k + 1]

    def option(self, name: str) -> OptionValue:
        """See :class:`Datapath`."""
        if name not in self.rule.options:
            raise self._refuse(f"asks for option {name!r}, which it does not declare")
        return self.options.get(name, self.rule.options[name].default)

    def _refuse(self, what: str) -> RuleError:
        return RuleError(f"rule {self.rule.name} {what}")

    def _make(self, op: str, k: int, length: int, sources: tuple[Vector, ...] = (), detail: str = "") -> Vector:
        """Return the vector of an operation; the same operation on the same vectors is done once."""
        if not -1 <= k <= self.last or (k < 0 and op != "output"):
            raise self._refuse(f"asks for {op} of layer {k}; there are layers 0 … {self.last}")
        key = (op, k, tuple(v.number for v in sources), detail)
        if op in BY_GROUP and k != self.owner:
            raise self._refuse(f"asks for {op} of layer {k} while layer {self.owner} learns; dp.delta has its signal")
        if op in BY_GROUP and key in self.made:
            raise self._refuse(f"asks for the same {op} of layer {k} twice; keep the first")
        if key not in self.made:
            vector = Vector(len(self.made), length, op, k)
            self.made[key] = vector
            self.signals.append(Step(op, self.owner, k, sources, vector, detail))
        return self.made[key]

    def _hidden(self, op: str, k: int) -> None:
        if not 0 <= k < self.last:
            raise self._refuse(f"asks for {op} of layer {k}, which is no hidden layer")

    def _signal(self, vector: Vector, use: str, *, whole: bool) -> None:
        """Refuse an activation in the place of a signal and, where a *whole* vector is needed, one made by groups."""
        if vector.op in ACTIVATIONS:
            raise self._refuse(f"uses the activation {vector.op} of layer {vector.layer} as a signal to {use}")
        if whole and vector.op in BY_GROUP and vector.layer == self.owner:
            raise self._refuse(f"needs a whole vector to {use}; {vector.op} of layer {vector.layer} is made by groups")

    def _activation(self, vector: Vector, use: str) -> None:
        """Refuse a signal in the place of an activation, the output of the chip, and what is not there yet."""
        if vector.op not in ACTIVATIONS:
            raise self._refuse(f"uses the signal {vector.op} of layer {vector.layer} as an activation to {use}")
        if vector.op == "output" and vector.layer == self.last:
            raise self._refuse(f"uses the output of the chip to {use}; hidden layers' outputs and the input exist")
        late = vector.op == "output" and vector.layer >= self.owner and use != "learn feedback from"
        if self.rule.need < Need.ERROR and self.owner != self.last and late:
            raise self._refuse(f"uses y of layer {vector.layer} before the forward pass ends; declare needs=Need.ERROR")

    def _feeds(self, k: int, rows: int) -> Feedback:
        use = self.plan.feedback[k]
        if use.rows not in {0, rows}:
            raise self._refuse(f"uses B_{k} with vectors of {use.rows} and of {rows} entries")
        use.rows = rows
        return use

    # --- signals ---

    def label_row(self, k: int) -> Vector:
        """See :class:`Datapath`."""
        self._hidden("label_row", k)
        self._feeds(k, self.labels)
        return self._make("label_row", k, self.size(k))

    def error(self) -> Vector:
        """See :class:`Datapath`."""
        if self.rule.need < Need.ERROR and self.owner != self.last:
            raise self._refuse("uses the error of the output; declare needs=Need.ERROR")
        return self._make("error", self.last, self.size(self.last))

    def error_sign(self) -> Vector:
        """See :class:`Datapath`."""
        self.error()
        return self._make("error_sign", self.last, self.size(self.last))

    def delta(self, k: int) -> Vector:
        """See :class:`Datapath`."""
        if self.rule.need < Need.CHAIN:
            raise self._refuse("uses the signal of the layer above; declare needs=Need.CHAIN")
        if k == self.last:
            return self.error()
        if k not in self.deltas:
            raise self._refuse(f"uses δ of layer {k}, which has none yet")
        return self.deltas[k]

    def local_error(self, k: int) -> Vector:
        """See :class:`Datapath`."""
        self._hidden("local_error", k)
        if self.rule.need < Need.ERROR and self.owner != self.last:
            raise self._refuse("uses a local error before the forward pass ends; declare needs=Need.ERROR")
        self.plan.classifiers[k] = True
        return self._make("local_error", k, self.size(self.last))

    def project(self, k: int, signal: Vector) -> Vector:
        """See :class:`Datapath`."""
        self._hidden("project", k)
        self._signal(signal, "project", whole=True)
        self._feeds(k, signal.length)
        return self._make("project", k, self.size(k), (signal,))

    def _transposed(self, op: str, k: int, signal: Vector) -> Vector:
        self._hidden(op, k)
        self._signal(signal, op, whole=True)
        if self.rule.need < Need.CHAIN:
            raise self._refuse(f"asks for {op}, which must see W before any write; declare needs=Need.CHAIN")
        if signal.length != self.size(k + 1):
            raise self._refuse(f"sends {signal.length} entries back through W_{k + 1}, which has {self.size(k + 1)}")
        return self._make(op, k, self.size(k), (signal,))

    def transpose(self, k: int, signal: Vector) -> Vector:
        """See :class:`Datapath`."""
        return self._transposed("transpose", k, signal)

    def transpose_sign(self, k: int, signal: Vector) -> Vector:
        """See :class:`Datapath`."""
        return self._transposed("transpose_sign", k, signal)

    def gate(self, k: int, signal: Vector) -> Vector:
        """See :class:`Datapath`."""
        self._hidden("gate", k)
        self._signal(signal, "gate", whole=False)
        if signal.length != self.size(k):
            raise self._refuse(f"gates {signal.length} entries with the {self.size(k)} slopes of layer {k}")
        self.deltas[k] = self._make("gate", k, self.size(k), (signal,))
        return self.deltas[k]

    # --- activations ---

    def output(self, k: int) -> Vector:
        """See :class:`Datapath`."""
        return self._make("output", k, self.size(k))

    def random_forward(self, k: int, activation: Vector) -> Vector:
        """See :class:`Datapath`."""
        self._hidden("random_forward", k)
        self._samples_only("random_forward")
        self._activation(activation, "send through C")
        if self.plan.forward[k] not in {0, activation.length}:
            raise self._refuse(f"uses C_{k} with vectors of {self.plan.forward[k]} and of {activation.length} entries")
        self.plan.forward[k] = activation.length
        return self._make("random_forward", k, self.size(k), (activation,))

    def pool(self, k: int, activation: Vector, kind: str) -> Vector:
        """See :class:`Datapath`."""
        if kind not in {"max_pool", "average_pool"}:
            raise self._refuse(f"pools by {kind!r}; max_pool and average_pool exist")
        self._hidden("pool", k)
        self._samples_only("pool")
        self._activation(activation, "pool")
        return self._make("pool", k, self.size(k), (activation,), kind)

    def _mirror_only(self, op: str) -> None:
        if not self.mirroring:
            raise self._refuse(f"asks for {op} outside mirror mode")

    def _samples_only(self, op: str) -> None:
        if self.mirroring:
            raise self._refuse(f"asks for {op} in mirror mode")

    def noise(self, k: int) -> Vector:
        """See :class:`Datapath`."""
        self._hidden("noise", k)
        self._mirror_only("noise")
        return self._make("noise", k, self.size(k))

    def drive(self, k: int, activation: Vector) -> Vector:
        """See :class:`Datapath`."""
        self._mirror_only("drive")
        if activation.op != "noise":
            raise self._refuse("drives a layer with something else than noise")
        if activation.length != self.size(k - 1):
            raise self._refuse(f"drives the {self.size(k - 1)} inputs of layer {k} with {activation.length} entries")
        return self._make("drive", k, self.size(k), (activation,))

    # --- learning ---

    def _write(self, op: str, k: int, sources: tuple[Vector, ...], detail: str = "") -> None:
        if k != self.owner:
            raise self._refuse(f"asks for {op} of layer {k} while layer {self.owner} learns")
        if self.rule.need is Need.NOTHING and self.owner != self.last:
            raise self._refuse("writes hidden layers; declare what they wait for: needs=Need.LABEL or more")
        if any((step.op, step.layer) == (op, k) for step in self.writes):
            raise self._refuse(f"asks for {op} of layer {k} twice in one sample")
        self.writes.append(Step(op, self.owner, k, sources, None, detail))

    def update(self, k: int, delta: Vector, activation: Vector | None = None, *, twin: bool = False) -> None:
        """See :class:`Datapath`."""
        self._samples_only("update")
        inputs = self.output(k - 1) if activation is None else activation
        self._signal(delta, "update with", whole=False)
        self._activation(inputs, "update with")
        if delta.length != self.size(k) or inputs.length != self.size(k - 1):
            raise self._refuse(
                f"updates W_{k} ({self.size(k - 1)}, {self.size(k)}) with {inputs.length} × {delta.length}"
            )
        if twin:
            self._hidden("twin", k - 1)
            if self.rule.need < Need.CHAIN:
                raise self._refuse("writes a twin; declare needs=Need.CHAIN")
            use = self._feeds(k - 1, self.size(k))
            use.twin = use.learned = True
        self.plan.learns[k] = True
        self._write("update", k, (delta, inputs), "twin" if twin else "")

    def learn_feedback(self, k: int, signal: Vector, activation: Vector) -> None:
        """See :class:`Datapath`."""
        self._hidden("learn_feedback", k)
        self._signal(signal, "learn feedback from", whole=True)
        self._activation(activation, "learn feedback from")
        if activation.length != self.size(k):
            raise self._refuse(f"updates B_{k} of {self.size(k)} columns with {activation.length} entries")
        self._feeds(k, signal.length).learned = True
        self._write("learn_feedback", k, (signal, activation))

    def learn_local(self, k: int) -> None:
        """See :class:`Datapath`."""
        self._samples_only("learn_local")
        self._write("learn_local", k, (self.local_error(k), self.output(k)))

    # --- the whole ---

    def take(self) -> list[Step]:
        """Hand over what was asked for since the last time: signals, then writes in their order within a layer."""
        self.writes.sort(key=lambda step: WRITES.index(step.op))
        steps = self.signals + self.writes
        self.signals, self.writes = [], []
        return steps


def _ask(rule: Rule, body: Learn, datapath: Datapath[Vector], k: int) -> None:
    """Run a body; whatever it raises becomes an error that names the rule."""
    try:
        body(datapath, k)
    except RuleError:
        raise
    except Exception as error:
        what = f"{type(error).__name__}: {error}"
        raise RuleError(f"rule {rule.name} fails on layer {k} while it is asked what it needs: {what}") from error


def plan_of(
    rule: Rule, sizes: tuple[int, ...], options: Mapping[str, OptionValue], order: tuple[int, ...], labels: int = 0
) -> Plan:
    """Let *rule* ask for everything it wants of a chip.

    Args:
        rule: the rule.
        sizes: inputs, then neurons of each layer.
        options: values of its own options; defaults for those left out.
        order: layers in the order in which they learn.
        labels: classes of the samples; 0: as many as outputs.

    Raises:
        RuleError: if it asks for what the chip does not offer.

    """
    hidden = len(sizes) - 2
    plan = Plan([], [], [Feedback() for _ in range(hidden)], [0] * hidden, [False] * hidden, [False] * (hidden + 1))
    planner = _Planner(rule, sizes, options, plan, labels or sizes[-1])
    datapath: Datapath[Vector] = planner
    chunks: list[list[Step]] = []
    for k in order:
        planner.owner = k
        _ask(rule, rule.output if k == hidden else rule.learn, datapath, k)
        chunks.append(planner.take())
    if rule.need is Need.CHAIN:  # every signal before the first write
        chunks = [[s for chunk in chunks for s in chunk if s.target], [s for c in chunks for s in c if not s.target]]
    plan.steps = [step for chunk in chunks for step in chunk]
    if rule.mirror:
        planner.mirroring, planner.made, planner.deltas = True, {}, {}
        for k in range(hidden):
            planner.owner = k
            _ask(rule, rule.mirror, datapath, k)
            plan.mirror += planner.take()
    _check(rule, plan, hidden)
    return plan


def _check(rule: Rule, plan: Plan, hidden: int) -> None:
    """Refuse feedback that learns in two ways, and signals of hidden layers that serve nothing."""
    for k, use in enumerate(plan.feedback):
        ways = [use.twin, *(_learns(steps, k) for steps in (plan.steps, plan.mirror))]
        if sum(ways) > 1:
            raise RuleError(f"rule {rule.name} updates B_{k} in more than one way: twin, samples, mirror mode")
    asked = {step.op in WRITES for step in plan.steps if step.owner != hidden}
    if asked == {False}:
        raise RuleError(f"rule {rule.name} asks for signals of hidden layers and writes none of them")


def _learns(steps: list[Step], k: int) -> bool:
    return any(step.op == "learn_feedback" and step.layer == k for step in steps)
