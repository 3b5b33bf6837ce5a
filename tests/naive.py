"""A naive reference of the learning chip, written from docs/numerics.md alone.

Slow and obvious on purpose: unbounded Python integers, exact fractions, nested loops. Nothing here or in
naive_numbers.py, naive_words.py and naive_chain.py, whose names are reached through this module, is shared with the
emulator package. Section numbers refer to docs/numerics.md.
"""

import itertools

from naive_chain import ChainRules
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
from naive_words import (  # noqa: F401 - some only for those who import this module
    M32,
    M64,
    bitreverse32,
    code_range,
    feedback_matrix,
    feedback_row,
    fixed_forward_weights,
    initial_weights,
    lfsr16,
    lfsr32,
    sample_order,
    splitmix64,
    u,
    xorshift32,
)

ROW_MODES = ("row_word", "row_lfsr", "raw")
LANE_MODES = ("lane_xorshift", "lane_lfsr")
RULES = ("shallow", "drtp", "dfa", "sdfa", "dkp", "bp", "fa", "sign_symmetry", "weight_mirror", "kp")
RULES += ("forward_alignment", "activation_sharing", "asap", "asfp")
OVERFLOWS = ("weight", "feedback", "accumulator", "preactivation", "delta", "projection")
UPDATES = ("updates", "zero_updates", "feedback_updates", "feedback_zero_updates")
TALLIES = (*UPDATES, *(f"{name}_overflows" for name in OVERFLOWS))


class NaiveChip(ChainRules):
    """The whole machine; `spec` is a plain dict (see tests/test_naive.py and tests/test_naive_chain.py)."""

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
        if self.rule not in RULES or self.words not in ROW_MODES + LANE_MODES:
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
        self.weights = []
        for k in numbers:
            source = first["source"] if k < self.last or first.get("layers") == "all" else "zero"
            shape = (self.sizes[k], self.sizes[k + 1], self.layers[k]["weight"])
            self.weights.append(initial_weights(self.seed, k, *shape, source))
        self.row_registers = [u(self.seed, 4, k, 0, 0) or 1 for k in numbers]
        self.lane_registers = [((lane + 1) * 0x9E3779B9 % M32 ^ self.seed % M32) or 1 for lane in range(self.lanes)]
        self.sums = [[[0] * len(row) for row in matrix] for matrix in self.weights]  # G of section 6
        self.tallies = [dict.fromkeys(TALLIES, 0) for _ in numbers]
        self.updates_done = self.samples_done = self.mirror_steps_done = 0
        self.build_chain()

    def update_shift(self, f_signal, f_input, fmt, schedule):
        """A shift s of section 6, with the learning rate of this epoch."""
        s = f_signal + f_input - frac_of(fmt) + [value for epoch, value in schedule if epoch <= self.epoch][-1]
        if not 0 <= s <= 31:
            raise ValueError(f"update shift {s}")
        return s

    def shift(self, k):
        layer = self.layers[k]
        fracs = (frac_of(layer["delta"]), frac_of(self.in_formats[k]))
        return self.update_shift(*fracs, layer["weight"], layer["lr_shift"])

    @staticmethod
    def narrow(acc, f_src, fmt, tally, name):
        """Requantise with RND and SAT, counting an overflow."""
        code = requantise(acc, f_src, fmt)
        tally[name] += code != round_shift(acc, f_src - frac_of(fmt), "RND")
        return code

    def activate(self, matrix, x, f_z, k, tally):
        """Section 4: accumulators, pre-activation codes and outputs of `matrix` and x, with the table of layer k."""
        acc = self.spec.get("accumulator", {"bits": 32, "overflow": "SAT"})
        f_t = self.layers[k].get("table_frac", 4)
        z, q, y = [], [], []
        for j in range(len(matrix[0])):
            products = [matrix[i][j] * x[i] for i in range(len(x))]
            value, count = accumulate(products, acc["bits"], acc["overflow"])
            tally["accumulator_overflows"] += count
            z.append(value)
            q.append(self.narrow(value, f_z, f"s8f{f_t}", tally, "preactivation_overflows"))
            y.append(self.tables[k][q[j] % 256])
        return z, q, y

    def forward(self, k, x, tally):
        """Accumulators, pre-activation codes and outputs of layer k; x carries the bias code."""
        f_z = frac_of(self.layers[k]["weight"]) + frac_of(self.in_formats[k])
        return self.activate(self.weights[k], x, f_z, k, tally)

    def predict(self, x, count=False):
        """The class of one sample; overflows of an evaluation are tallied only if asked for."""
        x = [int(v) for v in x]
        for k in range(len(self.layers)):
            tally = self.tallies[k] if count else dict.fromkeys(TALLIES, 0)
            z, _, x = self.forward(k, [*x, self.bias[k]], tally)
        return z.index(max(z))

    def output_signal(self, y, label, tally):
        """Section 4: e and δ of sigmoid outputs y (the output layer, or a local classifier in its formats)."""
        out = self.layers[-1]
        hot = min(2 ** frac_of(out["output"]), max_code(out["output"]))
        e = [(hot if c == label else 0) - y[c] for c in range(len(y))]
        f_y = frac_of(out["output"])
        return e, [self.narrow(v, f_y, out["delta"], tally, "delta_overflows") for v in e]

    def hidden_signal(self, k, q, label, e, delta):
        """Section 5: δ of hidden layer k; `delta` is the vector that is projected (sdfa projects the signs of e)."""
        layer, tally, (slope, f_d) = self.layers[k], self.tallies[k], self.slopes[k]
        signals = []
        for j in range(layer["units"]):
            if self.rule == "drtp":
                signal, f_s = self.feedback[k][label][j], frac_of(self.feedback_formats[k])
            else:
                p, f_p = self.projected(k, j, e, delta)
                fmt = layer.get("projection") or layer["delta"]
                signal, f_s = self.narrow(p, f_p, fmt, tally, "projection_overflows"), frac_of(fmt)
            signals.append(self.narrow(signal * slope[q[j] % 256], f_s + f_d, layer["delta"], tally, "delta_overflows"))
        return signals

    def train_sample(self, x, label):
        label = int(label)
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
        e, deltas[-1] = self.output_signal(ys[-1], label, self.tallies[-1])
        gate_open = self.gate is None or e[label] > self.gate
        locals_ = {}  # δ of the local classifiers
        if not early and gate_open:
            for k in reversed(self.learning_hidden):
                source = deltas[-1] if self.direct else deltas[k + 1]
                if k in self.local:
                    source = locals_[k] = self.classifier_signal(k, ys[k], label)
                deltas[k] = self.hidden_signal(k, qs[k], label, e, source)
        hs, matched = self.update_vectors(xs, ys, gate_open)
        self.learn(self.last, deltas[-1], hs[-1])
        if not early and gate_open:
            for k in reversed(self.learning_hidden):
                self.learn(k, deltas[k], hs[k])
                if k in self.local:
                    self.learn_classifier(k, locals_[k], xs[k + 1])
                if self.rule == "dkp":
                    self.learn_feedback(k, deltas[-1], ys[k])
                elif self.rule == "asfp" and k not in self.local:
                    self.learn_feedback(k, deltas[k + 1], matched[k + 1])
        self.in_batch += 1
        self.samples_done += 1
        if self.in_batch == self.batch:
            self.end_of_batch()
        self.mirror_mode()
        prediction = zs[-1].index(max(zs[-1]))
        return {"z": zs, "q": qs, "y": ys, "e": e, "delta": deltas, "h": hs, "prediction": prediction}

    @staticmethod
    def products(signal, x):
        return [[d * code for d in signal] for code in x]

    @staticmethod
    def add_to_sums(sums, steps):
        for i, j in itertools.product(range(len(steps)), range(len(steps[0]))):
            sums[i][j] += steps[i][j]

    def learn(self, k, delta, x):
        """One sample's share of section 6: written at once, or added to G."""
        steps, bias_row = self.products(delta, x), len(x) - 1
        if self.batch == 1:
            self.write(k, steps, [i for i in range(len(x)) if x[i] != 0 or i == bias_row])
        else:
            self.add_to_sums(self.sums[k], steps)

    def end_of_batch(self):
        """Apply G: layers ascending for a label-only rule, descending for one that needs the error; then decay."""
        if self.in_batch == 0:
            return
        self.in_batch = 0
        if self.batch > 1:
            layers = [*self.learning_hidden, self.last]
            if self.rule != "drtp" or self.gate is not None:
                layers.reverse()
            for k in layers:
                self.write(k, self.sums[k], range(len(self.sums[k])))
                self.sums[k] = [[0] * len(row) for row in self.sums[k]]
                self.end_of_batch_beside(k)
        self.updates_done += 1
        self.decay()

    def write(self, k, steps, rows):
        """W <- overflow(W + R(step, s)) for the given rows; a twin takes the same rounded step."""
        s, names = self.shift(k), ("updates", "zero_updates", "weight_overflows")
        twin_names = ("feedback_updates", "feedback_zero_updates", "feedback_overflows")
        for i, j, word in self.drawn(self.row_registers, k, rows, self.layers[k]["units"]):
            change = self.rounded(steps[i][j], s, word)
            self.add(self.weights[k], i, j, change, self.layers[k]["weight"], self.tallies[k], names)
            if k in self.twins and i < self.sizes[k]:  # the bias row has no twin
                below = k - 1
                tally = self.tallies[below]  # feedback counts with the layer that it feeds
                self.add(self.feedback[below], j, i, change, self.feedback_formats[below], tally, twin_names)

    def add(self, matrix, i, j, change, fmt, tally, names):
        signed, bits, _ = parse_format(fmt)
        exact = matrix[i][j] + change
        matrix[i][j] = overflow(exact, signed, bits, self.spec.get("overflow", "SAT"))
        for name, event in zip(names, (True, change == 0, matrix[i][j] != exact), strict=True):
            tally[name] += event

    def rounded(self, value, s, word):
        return round_shift(value, s, self.rounding, word // 2 ** (32 - s))

    def drawn(self, registers, k, rows, units):
        """Row, neuron and random word of everything that a pass over these rows writes, in the order of section 7.

        Registers advance as the pass goes on; without STOCH none does, and the word is 0.
        """
        draws, row_word = self.rounding == "STOCH", {}
        if draws and self.words in ROW_MODES:
            for i in rows:
                step = lfsr32 if self.words == "row_lfsr" else xorshift32
                registers[k] = row_word[i] = step(registers[k])
        for first in range(0, units, self.lanes):
            for i in rows:
                if draws and self.words in LANE_MODES:
                    step = lfsr32 if self.words == "lane_lfsr" else xorshift32
                    self.lane_registers = [step(register) for register in self.lane_registers]
                for j in range(first, min(first + self.lanes, units)):
                    yield i, j, self.word(row_word.get(i), j) if draws else 0

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
        order = list(range(len(labels)))
        if self.spec.get("order", "shuffled") == "shuffled":
            order = sample_order(self.seed, epoch, len(labels))
        records = [self.train_sample(images[n], labels[n]) for n in order]
        self.end_of_epoch()
        return records
