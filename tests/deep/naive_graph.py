"""Chips with any graph in plain Python integers, written from docs/numerics.md and docs/deep.md.

It takes first weights, feedback and registers from the chip's state and does everything else itself.
"""

import math

import naive_deep as naive
import numpy as np
from naive_norm import Naive

from neuro_emu.network.deep.graph import Add, Concat, Flatten, Input, Pool, Weighted
from neuro_emu.network.state import DELTA_OVF, PREACTIVATION_OVF, PROJECTION_OVF, TALLIES


def values(function, *arrays):
    found = np.zeros(arrays[0].shape, dtype=object)
    for place in np.ndindex(found.shape):
        found[place] = function(*(int(a[place]) for a in arrays))
    return found


def activated(name, q, frac, storage):
    real = {
        "hard_tanh": lambda x: max(-1.0, min(1.0, x)),
        "relu": lambda x: max(0.0, x),
        "identity": lambda x: x,
        "sigmoid": lambda x: 1 / (1 + math.exp(-x)),
    }[name](q / 2**frac)
    return min(max(math.floor(real * 2**storage.frac + 0.5), storage.low), storage.high)


def is_open(name, q, frac):
    return {"hard_tanh": -(2**frac) < q < 2**frac, "relu": q > 0, "identity": True}[name]


def nearest_mean(total, count):
    return (2 * total + count) // (2 * count)


def average_pool(x, size, stride):
    n, height, width, channels = x.shape
    rows, columns = ((side - k) // stride + 1 for side, k in zip((height, width), size, strict=True))
    pooled = np.zeros((n, rows, columns, channels), dtype=object)
    for s, y, across, c in naive.grid(n, rows, columns, channels):
        seen = [int(x[s, y * stride + ty, across * stride + tx, c]) for ty, tx in naive.grid(*size)]
        pooled[s, y, across, c] = nearest_mean(sum(seen), len(seen))
    return pooled


def average_pool_back(errors, shape, size, stride, gained):
    sums = np.zeros((len(errors), *shape), dtype=object)
    for s, y, across, c in naive.grid(*errors.shape):
        for ty, tx in naive.grid(*size):
            sums[s, y * stride + ty, across * stride + tx, c] += int(errors[s, y, across, c])
    return values(lambda total: nearest_mean(total * 2**gained, size[0] * size[1]), sums)


def geometry(layer):
    if layer.window is None:
        return layer.seen[:2], 1, 0
    return (layer.window.kernel_height, layer.window.kernel_width), layer.window.stride, layer.window.padding


class NaiveGraph:
    """Rules: bp, drtp, dfa. ``norms`` are those of the layers that have one, by layer."""

    def __init__(self, chip, state):
        self.graph, self.learning = chip.graph, chip.learning
        self.weights = [w.astype(object) for w in state.weights]
        self.feedback, self.registers = [b.astype(object) for b in state.feedback], state.row_registers.tolist()
        self.velocities = [v.astype(object) for v in state.velocities]
        self.drops = state.dropout_registers.tolist()
        self.events = np.zeros((len(self.graph.layers), len(TALLIES)), dtype=int)
        self.counted, self.norms, self.gone, self.training = [], {}, {}, False
        for node in self.graph.nodes:
            follows = self.counted[node.sources[0]] if node.sources else 0
            self.counted.append(node.layer if isinstance(node, Weighted) else follows)
            if isinstance(node, Weighted) and node.norm:
                norm = node.norm
                parts = norm.input, norm.scale, norm.offset, node.preactivation, node.delta, norm.error
                pairs = [(part.bits, part.frac) for part in parts]
                own = state.norm[node.layer].tolist()
                frac = node.weight.frac + node.input.frac
                self.norms[node.layer] = Naive(frac, *pairs, norm.epsilon, norm.shift, own, norm.frozen)

    def narrow(self, array, frac, to, layer, event):
        """Requantise and count."""

        def one(value):
            code = naive.requantise(value, frac - to.frac, to.low, to.high)
            self.events[layer, event] += self.training and code != naive.requantise(
                value, frac - to.frac, -math.inf, math.inf
            )
            return code

        return values(one, array)

    # --- forward ---

    def forward(self, codes, training):
        self.training = training
        outputs, addresses, extra, z = [], {}, {}, None
        for node in self.graph.nodes:
            read = [outputs[source] for source in node.sources]
            sources, layer = [self.graph.nodes[source] for source in node.sources], self.counted[node.index]
            if isinstance(node, Input):
                y = codes.astype(object).reshape(len(codes), *node.shape)
            elif isinstance(node, Flatten):
                y = read[0].reshape(len(codes), *node.shape)
            elif isinstance(node, Pool) and node.kind == "max":
                y, extra[node.index] = naive.max_pool(read[0], node.kernel, node.stride)
            elif isinstance(node, Pool):
                y = average_pool(read[0], node.kernel, node.stride)
            elif isinstance(node, Concat):
                pairs = zip(read, sources, strict=True)
                y = [self.narrow(part, source.code.frac, node.code, layer, PREACTIVATION_OVF) for part, source in pairs]
                y = np.concatenate(y, axis=3)
            else:
                if isinstance(node, Add):
                    frac = max(source.code.frac for source in sources)
                    one, two = (part * 2 ** (frac - s.code.frac) for part, s in zip(read, sources, strict=True))
                    q = self.narrow(one + two, frac, node.preactivation, layer, PREACTIVATION_OVF)
                else:
                    q, z = self.preactivation(node, read[0].reshape(len(codes), *node.seen), extra)
                addresses[node.index] = q
                y = values(lambda v, n=node: activated(n.activation, v, n.preactivation.frac, n.code), q)
                y = self.dropped(node, y)
            outputs.append(y)
        return outputs, addresses, extra, z

    def preactivation(self, node, x, extra):
        bias = min(2**node.input.frac, node.input.high)
        z = naive.convolve(x, self.weights[node.layer], *geometry(node), bias)
        if node.norm is None:
            return self.narrow(
                z, node.weight.frac + node.input.frac, node.preactivation, node.layer, PREACTIVATION_OVF
            ), z
        norm, q, kept = self.norms[node.layer], np.zeros(z.shape, dtype=object), []
        for c in range(node.units):
            column = z[..., c].reshape(-1).tolist()
            if self.training:
                column, x_hat, v = norm.channel(c, column)
                kept.append((norm.state[0][c], x_hat, v))
            else:
                column = norm.folded(c, column)
            q[..., c] = np.array(column, dtype=object).reshape(z.shape[:3])
        extra[node.index] = kept
        return q, z

    def dropped(self, node, y):
        threshold = self.learning.dropout
        if not threshold or not isinstance(node, Weighted) or not node.dropout:
            return y
        if not self.training:
            to = node.code
            return values(lambda v: naive.requantise(v * (256 - threshold), 8, to.low, to.high), y)
        gone = np.zeros(y.shape, dtype=bool)
        for place in np.ndindex(y.shape):
            self.drops[node.layer] = naive.xorshift(self.drops[node.layer])
            gone[place] = self.drops[node.layer] // 2**24 < threshold
        self.gone[node.index] = gone
        return np.where(gone, 0, y)

    def predict(self, codes):
        return self.forward(codes, False)[3].reshape(len(codes), -1).astype(np.int64).argmax(axis=1).tolist()

    # --- errors ---

    def learn(self, codes, labels, epoch=0):
        outputs, addresses, extra, z = self.forward(codes, True)
        graph, last, n = self.graph, self.graph.output, len(codes)
        error = -outputs[-1]  # u8f8 outputs, s9f8 errors: exact
        error[np.arange(n), 0, 0, labels] += min(2**last.code.frac, last.code.high)
        incoming, deltas = {node.index: [] for node in graph.nodes}, {last.layer: error}
        for node in reversed(graph.nodes[1:]):
            p, layer = self.merged(node, incoming[node.index]), self.counted[node.index]
            if isinstance(node, Weighted):
                if node is not last:
                    deltas[layer] = self.delta(node, p, error, labels, addresses[node.index], extra)
                if self.learning.rule.name == "bp" and deltas[layer] is not None:
                    self.through(node, deltas[layer], incoming)
            elif p is not None:
                self.pass_on(node, p, addresses, extra, incoming)
        for k, node in enumerate(graph.layers):
            h = outputs[node.sources[0]].reshape(n, *node.seen)
            self.write(
                node, naive.gradient(h, deltas[k], *geometry(node), min(2**node.input.frac, node.input.high)), epoch
            )
        self.write_norms(epoch)
        return z.reshape(n, -1).astype(np.int64).argmax(axis=1).tolist()

    def merged(self, node, parts):
        if not parts:
            return None
        return self.narrow(sum(parts), node.projection.frac, node.projection, self.counted[node.index], PROJECTION_OVF)

    def gated(self, node, p, frac, q):
        if node.index in self.gone:
            p = np.where(self.gone[node.index], 0, p)
        p = p * values(lambda v: int(is_open(node.activation, v, node.preactivation.frac)), q)
        return self.narrow(p, frac, node.delta, self.counted[node.index], DELTA_OVF)

    def delta(self, node, p, error, labels, q, extra):
        k, frac = node.layer, node.projection.frac
        if self.learning.rule.name == "drtp":
            p, frac = self.feedback[k][labels].reshape(q.shape), node.feedback.frac
        elif self.learning.rule.name == "dfa":
            p = (error.reshape(len(error), -1) @ self.feedback[k]).reshape(q.shape)
            p = self.narrow(p, node.feedback.frac + 8, node.projection, k, PROJECTION_OVF)
        elif p is None:
            return None
        d = self.gated(node, p, frac, q)
        if node.norm is None:
            return d
        norm, found, sums = self.norms[k], np.zeros(d.shape, dtype=object), []
        for c, (gamma, x_hat, v) in enumerate(extra[node.index]):
            column, gradients = norm.back(gamma, d[..., c].reshape(-1).tolist(), x_hat, v)
            found[..., c] = np.array(column, dtype=object).reshape(d.shape[:3])
            sums.append(gradients)
        norm.sums = np.array(sums, dtype=object).T
        return found

    def through(self, node, d, incoming):
        source = self.graph.nodes[node.sources[0]]
        if not isinstance(source, Input):
            p = naive.back(d, self.weights[node.layer], node.seen, *geometry(node)).reshape(len(d), *source.shape)
            frac = node.weight.frac + (node.norm.error if node.norm else node.delta).frac
            counted = self.counted[source.index]
            incoming[source.index].append(self.narrow(p, frac, source.projection, counted, PROJECTION_OVF))

    def pass_on(self, node, p, addresses, extra, incoming):
        sources = [self.graph.nodes[source] for source in node.sources]
        first, frac, counted = 0, node.projection.frac, node.index
        if isinstance(node, Add):
            p, frac = self.gated(node, p, frac, addresses[node.index]), node.delta.frac
        for source in sources:
            if isinstance(source, Input):
                continue
            if isinstance(node, Flatten):
                part = p.reshape(len(p), *source.shape)
            elif isinstance(node, Concat):
                part, first = p[..., first : first + source.shape[2]], first + source.shape[2]
            elif isinstance(node, Add):
                part, counted = p, source.index
            elif node.kind == "max":
                seen = node.seen, node.kernel, node.stride
                part = naive.max_pool_back(p, extra[node.index], *seen, -math.inf, math.inf)
            else:
                gained, frac = source.projection.frac - frac, source.projection.frac
                part = average_pool_back(p, node.seen, node.kernel, node.stride, gained)
            part = self.narrow(part, frac, source.projection, self.counted[counted], PROJECTION_OVF)
            incoming[source.index].append(part)

    # --- writes ---

    def rate(self, k, epoch):
        return [shift for first, shift in self.learning.lr_shift[k] if first <= epoch][-1]

    def write(self, node, sums, epoch):
        k, delta = node.layer, node.norm.error if node.norm else node.delta
        sums = sums[: len(self.weights[k])]
        frac, rate = delta.frac + node.input.frac, self.rate(k, epoch)
        self.weights[k] = self.written(k, self.weights[k], slice(None), sums, frac, node.weight, rate)

    def write_norms(self, epoch):
        for place, (k, norm) in enumerate(self.norms.items(), start=len(self.weights)):
            node = self.graph.layers[k]
            formats = (node.norm.scale, node.delta.frac + 12), (node.norm.offset, node.delta.frac)
            for row, (to, frac) in enumerate(formats):
                before, at = np.array([norm.state[row]], dtype=object), slice(row, row + 1)
                after = self.written(place, before, at, norm.sums[at], frac, to, self.rate(k, epoch))
                norm.state[row] = after[0].tolist()

    def written(self, m, weights, rows, sums, frac, to, rate):
        """Write rows of matrix m stochastically; *frac* is of the sums."""
        momentum = self.learning.momentum
        if momentum is None:
            shift = frac - to.frac + rate
            sums = sums * 2 ** max(0, -shift)
            after, self.registers[m] = naive.write(weights, sums, self.registers[m], max(0, shift), to.low, to.high)
            return after
        inner, outer = frac - momentum.velocity.frac, momentum.velocity.frac - to.frac + rate
        sums, inner, speed = sums * 2 ** max(0, -inner), max(0, inner), self.velocities[m][rows]
        more, after = max(inner, momentum.shift), np.zeros(weights.shape, dtype=object)
        for i, row in enumerate(weights):
            words = [naive.xorshift(self.registers[m])]
            words.append(naive.xorshift(words[0]))
            self.registers[m] = words[1]
            for j, weight in enumerate(row):
                gained = int(sums[i, j]) * 2 ** (more - inner)
                exact = int(speed[i, j]) * (2**more - 2 ** (more - momentum.shift)) + gained
                draws = [word ^ naive.bit_reverse(j) for word in words]
                velocity = (exact + draws[0] // 2 ** (32 - more)) // 2**more
                speed[i, j] = min(max(velocity, momentum.velocity.low), momentum.velocity.high)
                step = (int(speed[i, j]) + draws[1] // 2 ** (32 - outer)) // 2**outer
                after[i, j] = min(max(int(weight) + step, to.low), to.high)
        return after
