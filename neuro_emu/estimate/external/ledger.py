"""Accesses of one step in the making: a rule's plan, walked through as :mod:`neuro_emu.estimate.external.step` says."""

from __future__ import annotations

from fractions import Fraction

from neuro_emu.estimate.external.layers import NetworkTraffic
from neuro_emu.estimate.external.learner import Accounting, Learner
from neuro_emu.estimate.external.traffic import Access, Tensor
from neuro_emu.machine.plan import Plan, Step, Vector
from neuro_emu.rules import Need


def weights(network: NetworkTraffic, k: int) -> Tensor:
    """W_k with biases and scales."""
    layer = network.layers[k]
    return Tensor("weights", k, layer.parameters, layer.bits.weight)


def samples(network: NetworkTraffic, batch: int, counts: Accounting) -> Tensor | None:
    """What the first layer is given."""
    first = network.layers[0]
    return Tensor("input", -1, batch * first.inputs, first.bits.activation) if counts.input else None


def forward_pass(network: NetworkTraffic, batch: int, counts: Accounting) -> list[Access]:
    """Samples and all parameters are read."""
    given = samples(network, batch, counts)
    found = [Access("forward", given, False, given.words, always=True)] if given else []
    read = (weights(network, k) for k in range(len(network.layers)))
    return found + [Access("forward", tensor, False, tensor.words) for tensor in read]


class Ledger:
    """Accesses of one training step, in the making."""

    def __init__(self, network: NetworkTraffic, learner: Learner, counts: Accounting) -> None:
        self.network, self.learner, self.counts, self.batch = network, learner, counts, learner.batch
        self.plan: Plan = learner.plan(network)
        self.made = {step.target.number: step for step in self.plan.steps if step.target}
        self.kept: dict[tuple[str, int], Tensor] = {}
        self.accesses = forward_pass(network, learner.batch, counts)
        once = () if learner.waits else range(len(network.layers))
        self.seen = {weights(network, k) for k in once}  # on the way back; without one, the visit serves both

    # --- accesses ---

    def move(self, phase: str, tensor: Tensor | None, *, writes: bool, words: float | None = None) -> None:
        """Add an access, unless the tensor does not count."""
        if tensor is not None:
            self.accesses.append(Access(phase, tensor, writes, tensor.words if words is None else words))

    def fetch(self, phase: str, tensor: Tensor | None, words: float | None = None) -> None:
        """Read once on the way back, however often it is used there."""
        if tensor is not None and tensor not in self.seen:
            self.seen.add(tensor)
            self.move(phase, tensor, writes=False, words=words)

    # --- tensors ---

    def velocities(self, beside: Tensor | None) -> Tensor | None:
        """Registers of the optimiser beside learned parameters."""
        if beside is None or not self.counts.velocities:
            return None
        bits = self.network.layers[beside.layer].bits.velocity
        kind = "velocities" if beside.kind == "weights" else f"{beside.kind} velocities"
        return Tensor(kind, beside.layer, beside.words, bits) if bits else None

    def feedback(self, k: int) -> Tensor | None:
        """B_k; None where it is not counted, or made by a generator."""
        use = self.plan.feedback[k]
        if not use.rows or not self.counts.feedback or (self.learner.generated and not use.learned):
            return None
        layers = self.network.layers
        words = layers[k + 1].weights if self._in_chain(k) else use.rows * layers[k].outputs
        return Tensor("feedback", k, words, layers[k].bits.feedback)

    def _in_chain(self, k: int) -> bool:
        """Whether B_k stands in for the transpose of W_{k+1}."""
        if self.plan.feedback[k].twin:
            return True
        sources = [s.sources[0] for s in self.plan.steps if s.op == "project" and s.layer == k]
        last = k == len(self.network.layers) - 2 and self.learner.rule.need is Need.CHAIN
        return any(v.op == "gate" or (v.op == "error" and last) for v in sources)

    def random_forward(self, step: Step) -> Tensor | None:
        """C_k of a step."""
        if not self.counts.feedback or self.learner.generated:
            return None
        k, layer = step.layer, self.network.layers[step.layer]
        like_weights = step.sources[0].layer == k - 1
        words = layer.weights if like_weights else self.plan.forward[k] * self.network.sizes[k + 1]
        return Tensor("random forward", k, words, layer.bits.weight)

    def classifier(self, k: int) -> Tensor:
        """L_k, biases and all."""
        layer, outputs = self.network.layers[k], self.network.layers[-1].outputs
        return Tensor("classifier", k, (layer.local_inputs + 1) * outputs, layer.bits.classifier)

    # --- passes ---

    def keep(self) -> None:
        """Find what has to be kept, and write it."""
        pooled: set[int] = set()
        whole: set[int] = set()
        for step in self.plan.steps:
            if step.op in {"update", "learn_feedback"} and self._needed(step.sources[1], step.owner):
                self._keep(step.sources[1], pooled)
            if step.op == "learn_feedback" and self.counts.feedback and not self._in_chain(step.layer):
                whole |= {v.layer for v in self._bases(step.sources[1]) if v.layer == step.layer}
            if step.op in {"local_error", "learn_local"} and self.learner.waits:
                pooled.add(step.layer)
        for j in sorted(pooled):
            if j >= 0:
                layer, above = self.network.layers[j], self.network.layers[j + 1]
                words = layer.outputs if j in whole and self.learner.waits else above.inputs
                self.kept["y", j] = Tensor("activations", j, self.batch * words, above.bits.activation)
        self._keep_slopes()
        for tensor in dict.fromkeys(self.kept.values()):
            self.move("forward", tensor, writes=True)

    def _needed(self, vector: Vector, owner: int) -> bool:
        """Whether a vector lies in no buffer when layer *owner* learns: two passes, or an older activation."""
        return self.learner.waits or any(base.layer < owner - 1 for base in self._bases(vector))

    def _bases(self, vector: Vector) -> list[Vector]:
        """Return the outputs y_j that a vector is made from."""
        step = self.made.get(vector.number)
        if vector.op == "output" or step is None or not step.sources:
            return [vector]
        return [base for source in step.sources for base in self._bases(source)]

    def _keep(self, vector: Vector, pooled: set[int]) -> None:
        """Keep a vector itself if it comes through a chain of C_k, else the outputs that it is made from."""
        chained = self._chained()
        if vector.number in chained:
            layer = self.network.layers[vector.layer + 1]
            words = self.batch * self.network.sizes[vector.layer + 1]
            self.kept["h", vector.layer] = Tensor("activations", vector.layer, words, layer.bits.activation)
            for number in sorted(chained):
                self.fetch("forward", self.random_forward(self.made[number]))
            return
        pooled |= {base.layer for base in self._bases(vector)}

    def _chained(self) -> set[int]:
        """Vectors through C_k that stand in a chain of such."""
        steps = [step for step in self.made.values() if step.op == "random_forward"]
        found = set()
        for step in steps:
            for source in step.sources:
                if source.op == "random_forward" and step.target:
                    found |= {source.number, step.target.number}
        return found

    def _keep_slopes(self) -> None:
        """Keep what f′ is made from, where no kept y_k says it."""
        for step in self.plan.steps:
            k, layer = step.layer, self.network.layers[step.layer]
            if step.op != "gate" or not self.learner.waits:
                continue
            kept = self.kept.get(("y", k))
            if self.network.slope_in_output and kept is not None and kept.words == self.batch * layer.outputs:
                self.kept["slope", k] = kept
            elif self.counts.slopes and layer.bits.slope:
                self.kept["slope", k] = Tensor("slopes", k, self.batch * layer.outputs, layer.bits.slope)

    def learn(self) -> None:
        """Walk through the plan: signals, then writes."""
        for step in self.plan.steps:
            self._step(step)

    def _step(self, step: Step) -> None:
        k = step.layer
        if step.op == "gate":
            self.fetch("error", self.kept.get(("slope", k)))
        elif step.op in {"transpose", "transpose_sign"}:
            self.fetch("error", weights(self.network, k + 1))
        elif step.op == "project":
            self.fetch("error", self.feedback(k))
        elif step.op == "label_row":
            matrix = self.feedback(k)
            rows = min(self.batch, self.plan.feedback[k].rows)
            words = None if matrix is None else rows * self.network.layers[k].outputs
            self.fetch("error", matrix, words)
        elif step.op == "local_error":
            self.fetch("error", self.kept.get(("y", k)))
            self.fetch("error", self.classifier(k))
        elif step.op == "learn_local":
            self._rewrite(self.classifier(k))
        elif step.op == "learn_feedback":
            self._activation(step)
            self._rewrite(self.feedback(k))
        elif step.op == "update":
            self._activation(step)
            self._rewrite(weights(self.network, k))
            if step.detail == "twin":
                matrix = self.feedback(k - 1)
                self.fetch("update", matrix)
                self.move("update", matrix, writes=True)

    def _activation(self, update: Step) -> None:
        """Read what an update needs of activations, unless it is in the buffers."""
        vector = update.sources[1]
        own = self.kept.get(("h", vector.layer)) if vector.op == "random_forward" else None
        if own is not None:
            self.fetch("update", own)
            return
        step = self.made.get(vector.number)
        if step is not None and step.op == "random_forward":
            self.fetch("update", self.random_forward(step))
        for base in self._bases(vector):
            if base.layer >= 0:
                self.fetch("update", self.kept.get(("y", base.layer)))
            elif self.learner.waits or update.owner > 0:
                self.fetch("update", samples(self.network, self.batch, self.counts))

    def _rewrite(self, tensor: Tensor | None) -> None:
        """Read learned parameters, if they were not yet, and write them, with their velocities."""
        self.fetch("update", tensor)
        self.move("update", tensor, writes=True)
        velocities = self.velocities(tensor)
        self.move("update", velocities, writes=False)
        self.move("update", velocities, writes=True)

    def mirror(self) -> None:
        """Visits of mirror mode, as many a step as its samples call for."""
        calls = Fraction(self.batch, self.learner.mirror_every)
        for step in self.plan.mirror:
            if step.op == "drive":
                tensor = weights(self.network, step.layer)
                self.move("mirror", tensor, writes=False, words=float(calls * tensor.words))
            elif step.op == "learn_feedback":
                matrix = self.feedback(step.layer)
                if matrix is not None:
                    for writes in (False, True):
                        self.move("mirror", matrix, writes=writes, words=float(calls * matrix.words))
