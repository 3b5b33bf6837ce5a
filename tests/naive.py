"""A naive reference of the learning chip, written from docs/numerics.md alone.

Slow and obvious on purpose: unbounded Python integers, exact fractions, nested loops. Nothing here or in
naive_numbers.py, whose names are reached through this module, is shared with the emulator package. Section numbers
refer to docs/numerics.md.
"""

import itertools
import math

from naive_numbers import (  # noqa: F401 - some only for those who import this module
    accumulate,
    activation_table,
    derivative_table,
    frac_of,
    input_code,
    limits,
    max_code,
    overflow,
    parse_format,
    quantise,
    requantise,
    round_shift,
)

M32 = 2**32
M64 = 2**64
ROW_MODES = ("row_word", "row_lfsr", "raw")
LANE_MODES = ("lane_xorshift", "lane_lfsr")
OVERFLOWS = ("weight", "accumulator", "preactivation", "delta", "projection")
TALLIES = ("updates", "zero_updates", *(f"{name}_overflows" for name in OVERFLOWS))


def xorshift32(x):
    x ^= x * 2**13 % M32
    x ^= x // 2**17
    return x ^ (x * 2**5 % M32)


def lfsr32(x):
    return x // 2 ^ (0x80200003 if x % 2 else 0)


def lfsr16(x):
    """One step: the new register and the bit shifted out."""
    return x // 2 ^ (0xB400 if x % 2 else 0), x % 2


def bitreverse32(x):
    return int(f"{x:032b}"[::-1], 2)


def splitmix64(x):
    x = (x + 0x9E3779B97F4A7C15) % M64
    x = (x ^ (x // 2**30)) * 0xBF58476D1CE4E5B9 % M64
    x = (x ^ (x // 2**27)) * 0x94D049BB133111EB % M64
    return x ^ (x // 2**31)


def u(seed, tag, k, i, j):
    return splitmix64(splitmix64(splitmix64(splitmix64(seed) ^ tag) ^ k) ^ (i * M32 + j)) // M32


def code_range(name, fmt, n):
    """The bound a of the symmetric uniform codes."""
    if name == "full":
        return max_code(fmt)
    if name == "kaiming":
        return min(math.isqrt(6 * 4 ** frac_of(fmt) // n), max_code(fmt))
    raise ValueError(f"unknown range {name!r}")


def initial_weights(seed, k, n_in, units, fmt, source="random"):
    a = {"random": code_range("kaiming", fmt, n_in), "zero": 0}[source]
    weights = [[u(seed, 1, k, i, j) * (2 * a + 1) // M32 - a for j in range(units)] for i in range(n_in)]
    return [*weights, [0] * units]  # the bias row starts at 0


def feedback_row(seed, k, c, units, fmt, source, range_):
    if source == "lfsr":
        bits, register, codes = parse_format(fmt)[1], u(seed, 5, k, c, 0) % 2**16 or 1, []
        for _ in range(16):
            register, _ = lfsr16(register)
        for _ in range(units):
            v = 0
            for _ in range(bits):
                register, bit = lfsr16(register)
                v = 2 * v + bit
            codes.append(v - 2 ** (bits - 1))
        return codes
    a, words = code_range(range_, fmt, units), [u(seed, 2, k, c, j) for j in range(units)]
    if source == "random":
        return [word * (2 * a + 1) // M32 - a for word in words]
    if source == "sign":
        return [a if word >= 2**31 else -a for word in words]
    raise ValueError(f"unknown source {source!r}")


def feedback_matrix(seed, k, classes, units, fmt, source="random", range_="kaiming"):
    return [feedback_row(seed, k, c, units, fmt, source, range_) for c in range(classes)]


def sample_order(seed, epoch, n):
    order = list(range(n))
    for i in range(n - 1, 0, -1):
        j = u(seed, 3, epoch, i, 0) * (i + 1) // M32
        order[i], order[j] = order[j], order[i]
    return order


class NaiveChip:
    """The whole machine; `spec` is a plain dict (see tests/test_naive.py for one)."""

    def __init__(self, spec):
        self.spec = spec
        self.layers = spec["layers"]
        self.last = len(self.layers) - 1
        self.sizes = [spec["inputs"], *(layer["units"] for layer in self.layers)]  # k: sizes[k] -> sizes[k+1]
        self.seed, self.rule = spec["seed"], spec["rule"]
        self.batch, self.gate = spec.get("batch", 1), spec.get("error_gate")
        self.lanes = spec.get("lanes", max(self.sizes[1:]))
        self.rounding = spec.get("update_rounding", "STOCH")
        self.words = spec.get("random_words", "row_word")
        if self.rule not in ("drtp", "shallow", "dfa", "sdfa") or self.words not in ROW_MODES + LANE_MODES:
            raise ValueError(f"unknown rule {self.rule!r} or random words {self.words!r}")
        self.epoch, self.in_batch = 0, 0
        numbers = range(len(self.layers))
        self.in_formats = [spec["input"]] + [layer["output"] for layer in self.layers[:-1]]
        self.bias = [min(2 ** frac_of(fmt), max_code(fmt)) for fmt in self.in_formats]
        kinds = [(layer["activation"], layer.get("table_frac", 4)) for layer in self.layers]
        if kinds[-1][0] != "sigmoid":
            raise ValueError("the output layer is a sigmoid")
        self.tables = [activation_table(*kinds[k], self.layers[k]["output"]) for k in numbers]
        self.slopes = [derivative_table(*kinds[k]) for k in numbers]
        first = spec.get("initial_weights", {"source": "zero"})
        self.weights, self.feedback = [], []
        for k in numbers:
            source = first["source"] if k < self.last or first.get("layers") == "all" else "zero"
            shape = (self.sizes[k], self.sizes[k + 1], self.layers[k]["weight"])
            self.weights.append(initial_weights(self.seed, k, *shape, source))
        if self.rule != "shallow":
            fb = spec["feedback"]
            kind = (fb["format"], fb.get("source", "random"), fb.get("range", "kaiming"))
            for n in self.sizes[1:-1]:
                self.feedback.append(feedback_matrix(self.seed, len(self.feedback), self.sizes[-1], n, *kind))
        self.row_registers = [u(self.seed, 4, k, 0, 0) or 1 for k in numbers]
        self.lane_registers = [((lane + 1) * 0x9E3779B9 % M32 ^ self.seed % M32) or 1 for lane in range(self.lanes)]
        self.sums = [[[0] * len(row) for row in matrix] for matrix in self.weights]  # G of section 6
        self.tallies = [dict.fromkeys(TALLIES, 0) for _ in numbers]

    def shift(self, k):
        """s_k of section 6, with the learning rate of this epoch."""
        layer = self.layers[k]
        lr = [value for epoch, value in layer["lr_shift"] if epoch <= self.epoch][-1]
        s = frac_of(layer["delta"]) + frac_of(self.in_formats[k]) - frac_of(layer["weight"]) + lr
        if not 0 <= s <= 31:
            raise ValueError(f"update shift {s} of layer {k}")
        return s

    @staticmethod
    def narrow(acc, f_src, fmt, tally, name):
        """Requantise with RND and SAT, counting an overflow."""
        code = requantise(acc, f_src, fmt)
        tally[name] += code != round_shift(acc, f_src - frac_of(fmt), "RND")
        return code

    def forward(self, k, x, tally):
        """Section 4: accumulators, pre-activation codes and outputs of layer k; x carries the bias code."""
        layer = self.layers[k]
        acc = self.spec.get("accumulator", {"bits": 32, "overflow": "SAT"})
        f_z, f_t = frac_of(layer["weight"]) + frac_of(self.in_formats[k]), layer.get("table_frac", 4)
        z, q, y = [], [], []
        for j in range(layer["units"]):
            products = [self.weights[k][i][j] * x[i] for i in range(len(x))]
            value, count = accumulate(products, acc["bits"], acc["overflow"])
            tally["accumulator_overflows"] += count
            z.append(value)
            q.append(self.narrow(value, f_z, f"s8f{f_t}", tally, "preactivation_overflows"))
            y.append(self.tables[k][q[j] % 256])
        return z, q, y

    def predict(self, x, count=False):
        """The class of one sample; overflows of an evaluation are tallied only if asked for."""
        x = [int(v) for v in x]
        for k in range(len(self.layers)):
            tally = self.tallies[k] if count else dict.fromkeys(TALLIES, 0)
            z, _, x = self.forward(k, [*x, self.bias[k]], tally)
        return z.index(max(z))

    def hidden_signal(self, k, q, label, e, delta_out):
        """Section 5: δ of hidden layer k."""
        layer, tally, fb = self.layers[k], self.tallies[k], self.feedback[k]
        f_b, (slope, f_d) = frac_of(self.spec["feedback"]["format"]), self.slopes[k]
        delta = []
        for j in range(layer["units"]):
            if self.rule == "drtp":
                signal, f_s = fb[label][j], f_b
            else:
                p, zone = 0, self.spec.get("sign_dead_zone", 0)
                for c in range(self.sizes[-1]):
                    p += fb[c][j] * (delta_out[c] if self.rule == "dfa" else (e[c] > zone) - (e[c] < -zone))
                f_p = f_b + (frac_of(self.layers[-1]["delta"]) if self.rule == "dfa" else 0)
                fmt = layer.get("projection") or layer["delta"]
                signal, f_s = self.narrow(p, f_p, fmt, tally, "projection_overflows"), frac_of(fmt)
            delta.append(self.narrow(signal * slope[q[j] % 256], f_s + f_d, layer["delta"], tally, "delta_overflows"))
        return delta

    def train_sample(self, x, label):
        hidden, label = range(self.last), int(label)
        early = self.rule == "drtp" and self.gate is None  # a hidden layer learns as soon as it is activated
        zs, qs, ys, deltas = [], [], [], [None] * len(self.layers)
        xs = [[int(v) for v in x] + [self.bias[0]]]
        for k in range(len(self.layers)):
            z, q, y = self.forward(k, xs[k], self.tallies[k])
            zs, qs, ys = [*zs, z], [*qs, q], [*ys, y]
            if early and k < self.last:
                deltas[k] = self.hidden_signal(k, q, label, None, None)
                self.learn(k, deltas[k], xs[k])
            if k < self.last:
                xs.append([*y, self.bias[k + 1]])
        out = self.layers[-1]
        hot = min(2 ** frac_of(out["output"]), max_code(out["output"]))
        e = [(hot if c == label else 0) - ys[-1][c] for c in range(out["units"])]
        f_y, tally = frac_of(out["output"]), self.tallies[-1]
        deltas[-1] = [self.narrow(v, f_y, out["delta"], tally, "delta_overflows") for v in e]
        gate_open = self.gate is None or e[label] > self.gate
        if self.rule != "shallow" and not early and gate_open:
            for k in hidden:
                deltas[k] = self.hidden_signal(k, qs[k], label, e, deltas[-1])
        self.learn(self.last, deltas[-1], xs[-1])
        if not early:
            for k in reversed(hidden):
                if deltas[k] is not None:
                    self.learn(k, deltas[k], xs[k])
        self.in_batch += 1
        if self.in_batch == self.batch:
            self.end_of_batch()
        prediction = zs[-1].index(max(zs[-1]))
        return {"z": zs, "q": qs, "y": ys, "e": e, "delta": deltas, "prediction": prediction}

    def learn(self, k, delta, x):
        """One sample's share of section 6: written at once, or added to G."""
        steps = [[d * code for d in delta] for code in x]
        if self.batch == 1:
            bias_row = len(x) - 1
            self.write(k, steps, [i for i in range(len(x)) if x[i] != 0 or i == bias_row])
            return
        for i, j in itertools.product(range(len(x)), range(len(delta))):
            self.sums[k][i][j] += steps[i][j]

    def end_of_batch(self):
        """Apply G: layers ascending for a label-only rule, descending for one that needs the error."""
        if self.batch > 1 and self.in_batch > 0:
            layers = list(range(len(self.layers)))
            if self.rule == "shallow":
                layers = [self.last]
            elif self.rule != "drtp" or self.gate is not None:
                layers.reverse()
            for k in layers:
                self.write(k, self.sums[k], range(len(self.sums[k])))
                self.sums[k] = [[0] * len(row) for row in self.sums[k]]
        self.in_batch = 0

    def write(self, k, steps, rows):
        """W <- overflow(W + R(step, s)) for the given rows, drawing in the order of section 7."""
        s, tally, units = self.shift(k), self.tallies[k], self.layers[k]["units"]
        signed, bits, _ = parse_format(self.layers[k]["weight"])
        draws, row_word = self.rounding == "STOCH", {}
        if draws and self.words in ROW_MODES:
            for i in rows:
                step = lfsr32 if self.words == "row_lfsr" else xorshift32
                self.row_registers[k] = row_word[i] = step(self.row_registers[k])
        for first in range(0, units, self.lanes):
            for i in rows:
                if draws and self.words in LANE_MODES:
                    step = lfsr32 if self.words == "lane_lfsr" else xorshift32
                    self.lane_registers = [step(register) for register in self.lane_registers]
                for j in range(first, min(first + self.lanes, units)):
                    r = self.word(row_word.get(i), j) // 2 ** (32 - s) if draws else 0
                    change = round_shift(steps[i][j], s, self.rounding, r)
                    exact = self.weights[k][i][j] + change
                    self.weights[k][i][j] = overflow(exact, signed, bits, self.spec.get("overflow", "SAT"))
                    tally["updates"] += 1
                    tally["zero_updates"] += change == 0
                    tally["weight_overflows"] += self.weights[k][i][j] != exact

    def word(self, row_word, j):
        if self.words in LANE_MODES:
            return self.lane_registers[j % self.lanes]
        return row_word if self.words == "raw" else row_word ^ bitreverse32(j)

    def end_of_epoch(self):
        """Apply a short last batch; the next sample belongs to the next epoch."""
        self.end_of_batch()
        self.epoch += 1

    def train_epoch(self, images, labels, epoch):
        """One epoch over images of input codes; the per-sample records in the order they were trained."""
        self.epoch = epoch
        order = range(len(labels))
        if self.spec.get("order", "shuffled") == "shuffled":
            order = sample_order(self.seed, epoch, len(labels))
        records = [self.train_sample(images[n], labels[n]) for n in order]
        self.end_of_epoch()
        return records
