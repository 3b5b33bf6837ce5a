"""A whole convolutional chip in plain Python integers: label, error and chain rules, one batch after the other.

It takes first weights, feedback and registers from the chip's state and does everything else itself. Layers are
dictionaries of numbers, so nothing of the package computes here.
"""

import math

import naive_deep as naive
import numpy as np


def round_half_up(value):
    return math.floor(value + 0.5)


def activation(name, q, frac, storage):
    value = q / 2**frac
    real = {
        "hard_tanh": max(-1.0, min(1.0, value)),
        "relu": max(0.0, value),
        "identity": value,
        "sigmoid": 1 / (1 + math.exp(-value)),
    }[name]
    return min(max(round_half_up(real * 2**storage.frac), storage.low), storage.high)


def slope(name, q, frac):
    return int(-(1 << frac) < q < 1 << frac) if name == "hard_tanh" else int(q > 0)


def each(function, *arrays):
    found = np.zeros(arrays[0].shape, dtype=object)
    for place in np.ndindex(found.shape):
        found[place] = function(*(int(a[place]) for a in arrays))
    return found


class NaiveNet:
    """conv – pool – conv – dense – dense of tests/deep/graphs.py."""

    def __init__(self, chip, state):
        self.layers, self.pool = chip.graph.layers, next(n for n in chip.graph.nodes if hasattr(n, "kind"))
        self.weights = [w.astype(object) for w in state.weights]
        self.feedback, self.registers = [b.astype(object) for b in state.feedback], state.row_registers.tolist()
        self.rule, self.rates = chip.learning.rule.name, [schedule[0][1] for schedule in chip.learning.lr_shift]
        self.theta = chip.learning.error_gate

    @staticmethod
    def geometry(layer):
        if layer.window is None:
            return layer.seen[:2], 1, 0
        return (layer.window.kernel_height, layer.window.kernel_width), layer.window.stride, layer.window.padding

    def forward(self, codes):
        """Inputs and pre-activations of the layers, sums of the last, the pool's choice."""
        x, inputs, addresses, choice, z = codes.reshape(len(codes), *self.layers[0].seen), [], [], None, None
        for k, la in enumerate(self.layers):
            x = x.reshape(len(x), *la.seen)
            inputs.append(x)
            z = naive.convolve(x, self.weights[k], *self.geometry(la), min(1 << la.input.frac, la.input.high))
            shift = la.weight.frac + la.input.frac - la.table_frac
            q = each(lambda v, s=shift: naive.requantise(v, s, -128, 127), z)
            addresses.append(q)
            x = each(lambda v, layer=la: activation(layer.activation, v, layer.table_frac, layer.output), q)
            if k == 0:
                x, choice = naive.max_pool(x, self.pool.kernel, self.pool.stride)
        return inputs, addresses, x, z, choice

    def predict(self, codes):
        return self.forward(codes)[3].reshape(len(codes), -1).astype(np.int64).argmax(axis=1).tolist()

    def learn(self, codes, labels):
        inputs, addresses, outputs, z, choice = self.forward(codes)
        outputs, last, n = outputs.reshape(len(codes), -1), self.layers[-1], len(codes)
        hot = np.zeros(outputs.shape, dtype=object)
        hot[np.arange(n), labels] = min(1 << last.output.frac, last.output.high)
        error = hot - outputs
        kept = np.array([s for s in range(n) if self.theta is None or error[s, labels[s]] > self.theta], dtype=int)
        deltas = {len(self.layers) - 1: error.reshape(n, 1, 1, -1)}  # u8f8 outputs, s9f8 errors: exact
        signal = deltas[len(self.layers) - 1][kept]
        for k in reversed(range(len(self.layers) - 1)):
            signal = deltas[k] = self.delta(k, signal, error[kept], labels[kept], addresses[k][kept], choice[kept])
        for k, la in enumerate(self.layers):
            chosen = inputs[k] if la is last else inputs[k][kept]
            bias = min(1 << la.input.frac, la.input.high)
            sums = naive.gradient(chosen, deltas[k], *self.geometry(la), bias)
            shift = la.delta.frac + la.input.frac - la.weight.frac + self.rates[k]
            written = naive.write(self.weights[k], sums, self.registers[k], shift, la.weight.low, la.weight.high)
            self.weights[k], self.registers[k] = written
        return z.reshape(n, -1).astype(np.int64).argmax(axis=1).tolist()

    def delta(self, k, above, error, labels, q, choice):
        la, frac = self.layers[k], self.layers[k].projection.frac
        low, high = la.projection.low, la.projection.high
        if self.rule == "drtp":
            p, frac = self.feedback[k][labels].reshape(q.shape), la.feedback.frac
        elif self.rule == "dfa":
            p = (error @ self.feedback[k]).reshape(q.shape)
            p = each(lambda v: naive.requantise(v, la.feedback.frac + 8 - la.projection.frac, low, high), p)
        else:
            over = self.layers[k + 1]
            p = naive.back(above, self.weights[k + 1], over.seen, *self.geometry(over))
            p = each(lambda v: naive.requantise(v, over.weight.frac + over.delta.frac - frac, low, high), p)
            if k == 0:
                pool = self.pool
                p = naive.max_pool_back(p, choice, pool.seen, pool.kernel, pool.stride, low, high)
            p = p.reshape(q.shape)
        open_ = each(lambda v: slope(la.activation, v, la.table_frac), q)
        return each(lambda v: naive.requantise(v, frac - la.delta.frac, la.delta.low, la.delta.high), p * open_)
