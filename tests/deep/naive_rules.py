"""Learning rules on graphs in NumPy's 64-bit integers, written from docs/deep.md, sections 2 and 3, alone.

First weights, feedback and registers come from the chip's state; everything else is done here. Sums are taken tap by
tap of a kernel, errors are sent to each source by the rule's name, and a graph is walked by what its nodes are called.
"""

import naive_deep
import numpy as np
from naive_net import activation, slope

CHAIN_W = ("bp", "activation_sharing")
TWIN, SHARING = ("kp", "asap"), ("asap", "activation_sharing", "asfp")
DIRECT = ("drtp", "dfa", "sdfa", "dkp")


def requantise(values, shift, to):
    values = np.asarray(values, dtype=np.int64)
    moved = values * 2**-shift if shift < 0 else (values + 2**shift // 2) // 2**shift
    return np.clip(moved, to.low, to.high)


def taps(layer):
    """Kernel row, column and the rows of W for each; a dense layer's kernel is its whole input."""
    window = layer.window
    height, width = (window.kernel_height, window.kernel_width) if window else layer.seen[:2]
    channels = layer.seen[2]
    return [(y, x, slice((y * width + x) * channels, (y * width + x + 1) * channels))
            for y in range(height) for x in range(width)]  # fmt: skip


def steps(layer):
    return (layer.window.stride, layer.window.padding) if layer.window else (1, 0)


def under(padded, y, x, layer):
    """The codes that one tap of the kernel sees at all output positions."""
    stride = steps(layer)[0]
    rows, columns = layer.shape[:2]
    return padded[:, y : y + stride * rows : stride, x : x + stride * columns : stride][:, :rows, :columns]


def surrounded(x, layer):
    padding = steps(layer)[1]
    return np.pad(x.astype(np.int64), ((0, 0), (padding, padding), (padding, padding), (0, 0)))


def forward_sums(x, w, layer, bias=0):
    padded = surrounded(x, layer)
    z = sum(under(padded, y, across, layer) @ w[rows] for y, across, rows in taps(layer))
    return z + bias * w[-1] if bias else z


def back_sums(d, w, layer):
    p = surrounded(np.zeros((len(d), *layer.seen)), layer)
    for y, x, rows in taps(layer):
        under(p, y, x, layer)[...] += d.astype(np.int64) @ w[rows].T
    padding, (height, width, _) = steps(layer)[1], layer.seen
    return p[:, padding : padding + height, padding : padding + width]


def gradient(h, d, layer, bias=0):
    padded = surrounded(h, layer)
    sums = [np.einsum("nyxi,nyxo->io", under(padded, y, x, layer), d.astype(np.int64)) for y, x, _ in taps(layer)]
    own = np.concatenate(sums)
    return np.concatenate([own, bias * d.sum(axis=(0, 1, 2), dtype=np.int64)[None]]) if bias else own


def best(codes, average):
    n, w = codes.shape[0], codes.shape[1] * codes.shape[2]
    flat = codes.reshape(n, w, -1).astype(np.int64)
    return (2 * flat.sum(axis=1) + w) // (2 * w) if average else flat.max(axis=1)


def spans(here, there):
    """Beginning and end of the window of each of *there* places over *here*."""
    return [(i * here // there, -(-(i + 1) * here // there)) for i in range(there)]


def matched(h, to, average):
    if h.shape[1:] == to:
        return h
    n, height, width, channels = h.shape
    if (height, width, *to[:2]) == (1, 1, 1, 1):
        joined = np.tile(h.reshape(n, channels), -(-to[2] // channels))
        ends = spans(joined.shape[1], to[2])
        return np.stack([best(joined[:, None, a:b, None], average)[:, 0] for a, b in ends], 1).reshape(n, *to)
    pooled = [[best(h[:, a:b, c:d], average) for c, d in spans(width, to[1])] for a, b in spans(height, to[0])]
    grid = np.array(pooled).transpose(2, 0, 1, 3)
    return grid[..., np.arange(to[2]) % channels]


class NaiveRules:
    """A chip with conv, dense, pool, add and flatten nodes, no norm; plain stochastic steps of one rate a layer."""

    def __init__(self, chip, state):
        self.chip, self.nodes, self.layers = chip, chip.graph.nodes, chip.graph.layers
        self.chain, self.last = list(chip.graph.chain), len(chip.graph.layers) - 1
        self.rule, self.options = chip.learning.rule.name, dict(chip.learning.options)
        self.rates = [schedule[0][1] for schedule in chip.learning.lr_shift]
        self.back_rate = chip.learning.feedback_lr_shift[0][1]
        self.weights, self.feedback, self.local = (
            [m.astype(np.int64) for m in part] for part in (state.weights, state.feedback, state.classifiers)
        )
        self.fixed_forward = [m.astype(np.int64) for m in state.forward]
        self.registers = state.row_registers.tolist()
        self.noise = state.noise_registers.tolist()
        self.place = {(m.kind.value, m.layer): m.index for m in chip.matrices}
        self.samples = self.updates = 0
        self.block, self.lag = self.options.get("block", 2), self.options.get("lag", 0)
        self.ends = [
            k
            for c, k in enumerate(self.chain[:-1])
            if self.options.get("local_classifier") and c and c % self.block == 0
        ]

    # --- where things are ---

    def slot(self, j):
        """Where the matrix lies that errors cross layer j with."""
        return self.chain[self.chain.index(j) - 1] if j in self.chain else j

    def head(self, k):
        """The node that a layer's activation belongs to: the add that reads it and nothing else, or itself."""
        index = self.layers[k].index
        readers = [node for node in self.nodes if index in node.sources]
        alone = len(readers) == 1 and type(readers[0]).__name__ == "Add" and self.layers[k].activation == "identity"
        return readers[0].index if alone else index

    def as_w(self, j):
        """Feedback that errors cross layer j with, lying like W."""
        b = self.feedback[self.slot(j)]
        return b if self.layers[j].window else b.T

    def old(self, j):
        """The node whose output layer j shares, None for its own input."""
        c = self.chain.index(j) if j in self.chain else 0
        if self.rule not in SHARING or c == 0:
            return None
        s = max(0, (c - 1 - self.lag) // self.block * self.block)
        return None if s == c - 1 else self.head(self.chain[s])

    # --- forward ---

    def table(self, node, q):
        frac = node.preactivation.frac
        return np.vectorize(lambda v: activation(node.activation, int(v), frac, node.code), otypes=[np.int64])(q)

    def slopes(self, node, q):
        if node.activation == "identity":
            return np.ones(q.shape, dtype=np.int64)
        frac = node.preactivation.frac
        return np.vectorize(lambda v: slope(node.activation, int(v), frac), otypes=[np.int64])(q)

    def forward(self, codes):
        y, q, picked, z = {}, {}, {}, None
        for node in self.nodes:
            kind, i = type(node).__name__, node.index
            read = [y[s] for s in node.sources]
            if kind == "Input":
                y[i] = codes.reshape(len(codes), *node.shape).astype(np.int64)
            elif kind == "Weighted":
                bias = min(2**node.input.frac, node.input.high)
                z = forward_sums(read[0], self.weights[node.layer], node, bias)
                q[i] = requantise(z, node.weight.frac + node.input.frac - node.preactivation.frac, node.preactivation)
                y[i] = self.table(node, q[i])
            elif kind == "Pool" and node.kind == "max":
                found, chosen = naive_deep.max_pool(read[0], node.kernel, node.stride)
                y[i], picked[i] = found.astype(np.int64), chosen
            elif kind == "Pool":
                y[i] = self.means(read[0], node)
            elif kind == "Add":
                fracs = [self.nodes[s].code.frac for s in node.sources]
                total = sum(codes_ * 2 ** (max(fracs) - f) for codes_, f in zip(read, fracs, strict=True))
                q[i] = requantise(total, max(fracs) - node.preactivation.frac, node.preactivation)
                y[i] = self.table(node, q[i])
            else:
                assert kind == "Flatten", kind
                y[i] = read[0].reshape(len(codes), *node.shape)
        return y, q, picked, z

    @staticmethod
    def means(x, node):
        (rows, columns), s = node.shape[:2], node.stride
        places = [[best(x[:, a * s : a * s + node.kernel[0], b * s : b * s + node.kernel[1]], True)
                   for b in range(columns)] for a in range(rows)]  # fmt: skip
        return np.array(places).transpose(2, 0, 1, 3)

    @staticmethod
    def means_back(d, node):
        p, w = np.zeros((len(d), *node.seen), dtype=np.int64), node.kernel[0] * node.kernel[1]
        for a, b in np.ndindex(node.shape[:2]):
            rows, columns = (
                slice(at * node.stride, at * node.stride + k) for at, k in zip((a, b), node.kernel, strict=True)
            )
            p[:, rows, columns] += ((2 * d[:, a, b] + w) // (2 * w))[:, None, None]
        return p

    # --- errors ---

    def gate(self, node, p, frac, q):
        return requantise(p * self.slopes(node, q[node.index]), frac - node.delta.frac, node.delta)

    def errors(self, y, q, picked, e, labels):
        delta, deltas, arrived = e.reshape(len(e), 1, 1, -1), {}, {node.index: [] for node in self.nodes}
        deltas[self.last] = delta  # u8f8 outputs, s9f8 errors: exact
        self.seen_locally = {}
        for node in reversed(self.nodes):
            kind, i = type(node).__name__, node.index
            local = [k for k in self.ends if self.head(k) == i]
            p = self.classified(local[0], y[i], labels) if local else None
            if p is None and arrived[i]:
                p = np.clip(sum(arrived[i]), node.projection.low, node.projection.high)
            if kind == "Weighted" and node.layer != self.last:
                if self.rule in DIRECT:
                    deltas[node.layer] = self.direct(node, q, e, labels)
                    continue
                if p is None:
                    continue
                deltas[node.layer] = self.gate(node, p, node.projection.frac, q)
            if kind == "Weighted":
                if self.rule not in DIRECT and self.rule != "shallow":
                    self.down(node, deltas[node.layer], arrived)
                continue
            if p is None or kind == "Input":
                continue
            sources = [self.nodes[s] for s in node.sources]
            if kind == "Flatten":
                parts = [p.reshape(len(p), *sources[0].shape)]
            elif kind == "Pool" and node.kind == "max":
                to = sources[0].projection
                parts = [naive_deep.max_pool_back(p, picked[i], node.seen, node.kernel, node.stride, to.low, to.high)]
            elif kind == "Pool":
                to = sources[0].projection
                scaled = p * 2 ** (to.frac - node.projection.frac)
                parts = [np.clip(self.means_back(scaled, node), to.low, to.high)]
            else:
                d = self.gate(node, p, node.projection.frac, q)
                parts = [requantise(d, node.delta.frac - s.projection.frac, s.projection) for s in sources]
            for source, part in zip(sources, parts, strict=True):
                arrived[source.index].append(part.astype(np.int64))
        return deltas

    def down(self, node, d, arrived):
        source = self.nodes[node.sources[0]]
        if type(source).__name__ == "Input" or (self.first_is_fixed() and source.index == self.head(self.chain[0])):
            return
        if self.rule in CHAIN_W:
            m, frac = self.weights[node.layer], node.weight.frac
        elif self.rule == "sign_symmetry":
            storage = self.layers[self.slot(node.layer)].feedback
            m, frac = storage.high * np.sign(self.weights[node.layer][: node.depth]), storage.frac
        else:
            if not len(self.feedback[self.slot(node.layer)]) or self.slot(node.layer) in self.ends:
                return
            m, frac = self.as_w(node.layer), self.layers[self.slot(node.layer)].feedback.frac
        p = back_sums(d, m, node)
        arrived[source.index].append(requantise(p, frac + node.delta.frac - source.projection.frac, source.projection))

    def first_is_fixed(self):
        return self.options.get("first_layer") == "fixed"

    def direct(self, node, q, e, labels):
        """The matrix of the head, which the last conv of a body and the conv of its shortcut share."""
        head = self.nodes[self.head(node.layer)]
        owner = next(k for k in [*self.chain, node.layer] if self.head(k) == head.index)
        b, storage = self.feedback[owner], self.layers[owner].feedback
        if self.rule == "drtp":
            p, frac = b[labels], storage.frac
        else:
            signal, f = (np.sign(e), 0) if self.rule == "sdfa" else (e, 8)
            frac = head.projection.frac
            p = requantise(signal @ b, storage.frac + f - frac, head.projection)
        d = self.gate(head, p.reshape(len(e), *head.shape), frac, q)
        if head is not node:
            p = requantise(d, head.delta.frac - node.projection.frac, node.projection)
            d = self.gate(node, p, node.projection.frac, q)
        return d

    def classified(self, k, y, labels):
        """Error of a local classifier on means of 2 × 2 codes, or on the codes of a vector."""
        head, output = self.nodes[self.head(k)], self.layers[-1]
        rows, columns = head.shape[0] // 2, head.shape[1] // 2
        small = min(head.shape[:2]) < 2
        seen = y if small else np.stack([
            best(y[:, 2 * a : 2 * a + 2, 2 * b : 2 * b + 2], True) for a in range(rows) for b in range(columns)
        ], 1)  # fmt: skip
        flat = seen.reshape(len(y), -1)
        bias = min(2**head.code.frac, head.code.high)
        z = flat @ self.local[k][:-1] + bias * self.local[k][-1]
        q = requantise(z, output.weight.frac + head.code.frac - output.preactivation.frac, output.preactivation)
        target = np.zeros(q.shape, dtype=np.int64)
        target[np.arange(len(y)), labels] = min(2**output.code.frac, output.code.high)
        d = target - self.table(output, q)
        sums = np.concatenate([flat.T @ d, bias * d.sum(axis=0)[None]])
        self.seen_locally[k] = sums
        p = requantise(d @ self.feedback[k], self.layers[k].feedback.frac + 8 - head.projection.frac, head.projection)
        if small:
            return p.reshape(y.shape)
        p = p.reshape(len(y), rows, columns, -1)
        spread = np.zeros(y.shape, dtype=np.int64)
        spread[:, : 2 * rows, : 2 * columns] = ((2 * p + 4) // 8).repeat(2, axis=1).repeat(2, axis=2)
        return spread

    # --- learning ---

    def shared(self, j, y):
        """What layer j learns with, or its feedback with asfp."""
        layer, old = self.layers[j], self.old(j)
        own = y[layer.sources[0]]
        if old is None:
            return own
        below = self.nodes[layer.sources[0]]
        before = self.nodes[below.sources[0]].shape if type(below).__name__ == "Flatten" else layer.seen
        method = self.options.get("matching", "max_pool")
        if method != "random" or y[old].shape[1:] == before:
            return matched(y[old], before, method == "average_pool").reshape(own.shape)
        k = self.chain[self.chain.index(j) - 1]
        head, (height, width) = self.nodes[self.head(k)], y[old].shape[1:3]
        rows, columns = (
            [i * here // there for i in range(there)] for here, there in zip((height, width), before[:2], strict=True)
        )
        z = y[old][:, rows][:, :, columns] @ self.fixed_forward[k]
        q = requantise(z, self.layers[k].weight.frac + layer.input.frac - head.preactivation.frac, head.preactivation)
        return self.table(head, q).reshape(own.shape)

    def write(self, kind, k, codes, sums, shift, storage, twin=None):
        """Stochastic writes of all rows from the register of a matrix; its twin repeats the words."""
        at = self.place[kind, k]
        before = self.registers[at]
        found, self.registers[at] = naive_deep.write(codes, sums, before, shift, storage.low, storage.high)
        if twin is None:
            return found.astype(np.int64)
        b, limits = twin
        repeated, _ = naive_deep.write(b, sums[: len(b)], before, shift, limits.low, limits.high)
        return found.astype(np.int64), repeated.astype(np.int64)

    def learn(self, codes, labels):
        y, q, picked, z = self.forward(codes)
        last, n = self.layers[-1], len(codes)
        hot = np.zeros((n, last.units), dtype=np.int64)
        hot[np.arange(n), labels] = min(2**last.code.frac, last.code.high)
        e = hot - y[last.index].reshape(n, -1)
        deltas = self.errors(y, q, picked, e, labels)
        weights, feedback = [w.copy() for w in self.weights], [b.copy() for b in self.feedback]
        for k, la in enumerate(self.layers):
            if k not in deltas or (k < self.last and self.rule == "shallow") or not la.learns:
                continue
            own = self.rule not in SHARING or self.rule == "asfp"
            bias = min(2**la.input.frac, la.input.high)
            sums = gradient(y[la.sources[0]] if own else self.shared(k, y), deltas[k], la, bias)
            shift = la.delta.frac + la.input.frac - la.weight.frac + self.rates[k]
            lowest = 2 if self.first_is_fixed() else 1
            if self.rule in TWIN and (k not in self.chain or self.chain.index(k) >= lowest):
                s = self.slot(k)
                twin = self.as_w(k), self.layers[s].feedback
                weights[k], b = self.write("weights", k, self.weights[k], sums, shift, la.weight, twin)
                feedback[s] = b if la.window else b.T
            else:
                weights[k] = self.write("weights", k, self.weights[k], sums, shift, la.weight)
        for k in self.ends:
            head = self.nodes[self.head(k)]
            shift = 8 + head.code.frac - last.weight.frac + self.rates[-1]
            self.local[k] = self.write("classifier", k, self.local[k], self.seen_locally[k], shift, last.weight)
        self.teach_feedback(y, deltas, e, feedback)
        self.weights, self.feedback = weights, feedback
        self.finish(n)
        return z.reshape(n, -1).argmax(axis=1).tolist()

    def teach_feedback(self, y, deltas, e, feedback):
        for k in range(self.last):
            storage = self.layers[k].feedback
            if self.rule == "dkp" and (k in self.chain):
                head = self.nodes[self.head(k)]
                sums = e.T @ y[head.index].reshape(len(e), -1)
                shift = 8 + head.code.frac - storage.frac + self.back_rate
                feedback[k] = self.write("feedback", k, self.feedback[k], sums, shift, storage)
            j = next((j for j in range(1, self.last + 1) if self.slot(j) == k), None)
            if self.rule == "asfp" and j is not None and k not in self.ends and j in deltas:
                la = self.layers[j]
                sums = gradient(self.shared(j, y) if j in self.chain else y[la.sources[0]], deltas[j], la)
                shift = la.delta.frac + la.input.frac - storage.frac + self.back_rate
                sums = sums if la.window else sums.T
                feedback[k] = self.write("feedback", k, self.feedback[k], sums, shift, storage)

    def finish(self, n):
        """Decay, then mirror mode."""
        decay = self.chip.learning.weight_decay
        self.updates += 1
        if decay and self.updates % decay.every == 0:
            for k, la in enumerate(self.layers):
                if la.learns and (k or decay.first_layer):
                    self.decay("weights", k, la, decay.shift[0][1])
        before, self.samples = self.samples, self.samples + n
        mirror = self.chip.learning.mirror
        if self.rule == "weight_mirror":
            for _ in range((self.samples // mirror.every - before // mirror.every) * mirror.steps):
                for j in [*self.chain[1:], *sorted(set(range(self.last)) - set(self.chain))]:
                    self.follow(j)

    def decay(self, kind, k, la, d):
        at, w = self.place[kind, k], self.weights[k]
        register, s = self.registers[at], self.slot(k)
        b = self.as_w(k).copy() if self.rule in TWIN and ("twin", s) in self.place else None
        for i in range(la.depth):
            register = naive_deep.xorshift(register)
            for matrix in (w, b):
                for j in range(la.units if matrix is not None else 0):
                    draw = (register ^ naive_deep.bit_reverse(j)) >> (32 - d)
                    matrix[i, j] -= (int(matrix[i, j]) + draw) >> d
        self.registers[at] = register
        if b is not None:
            self.feedback[s] = b if la.window else b.T

    def follow(self, j):
        """One mirror step of the matrix that errors cross layer j with."""
        la, s = self.layers[j], self.slot(j)
        storage, a = self.layers[s].feedback, 2 ** (la.input.frac - self.chip.learning.mirror.noise_shift)
        noise = []
        for _ in range(la.seen[0] * la.seen[1] * la.seen[2]):
            self.noise[s] = naive_deep.xorshift(self.noise[s])
            noise.append(a if self.noise[s] >= 2**31 else -a)
        x = np.array(noise).reshape(1, *la.seen)
        z = forward_sums(x, self.weights[j][: la.depth], la)
        if la.window:
            signal = requantise(z, la.weight.frac + la.input.frac - la.delta.frac, la.delta)
            sums, f, rows = gradient(x, signal, la), la.delta.frac, slice(None)
        else:
            q = requantise(z, la.weight.frac + la.input.frac - la.preactivation.frac, la.preactivation)
            signal = (self.table(la, q) - self.table(la, np.zeros(1))).reshape(-1)
            rows, f = np.flatnonzero(signal), la.code.frac
            sums = signal[rows, None] * x.reshape(1, -1)
        shift = f + la.input.frac - storage.frac + self.back_rate
        self.feedback[s] = self.feedback[s].copy()
        self.feedback[s][rows] = self.write("feedback", s, self.feedback[s][rows], sums, shift, storage)
