"""A naive reference of the learning chip, written from docs/numerics.md alone.

Slow and obvious on purpose: unbounded Python integers, exact fractions, nested loops. Nothing here or in
the other naive_*.py, of which naive_numbers.py and naive_words.py are reached through this module, is shared with
the emulator package. Section numbers refer to docs/numerics.md.
"""

import itertools

from naive_around import Around
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
    softmax_table,
)
from naive_outputs import Outputs
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


class NaiveChip(ChainRules, Outputs, Around):
    """The whole machine; `spec` is a plain dict (see tests/test_naive.py, _chain.py and _around.py)."""

    def __init__(self, spec):
        self.spec = spec
        self.layers = spec["layers"]
        self.last = len(self.layers) - 1
        self.sizes = [spec["inputs"], *(layer["units"] for layer in self.layers)]  # k: sizes[k] -> sizes[k+1]
        self.seed, self.rule = spec["seed"], spec["rule"]
        self.batch, self.gate = spec.get("batch", 1), spec.get("error_gate")
        self.momentum = spec.get("momentum")
        self.summing = self.batch > 1 or bool(self.momentum)  # with momentum a batch of one is a mini-batch too
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
        self.build_outputs()
        soft = [self.is_softmax and k == self.last for k in numbers]  # no tables: only training makes these outputs
        self.tables = [[0] * 256 if soft[k] else activation_table(*kinds[k], self.layers[k]["output"]) for k in numbers]
        self.slopes = [None if soft[k] else derivative_table(*kinds[k]) for k in numbers]
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
        self.build_around()

    def update_shift(self, f_signal, f_input, fmt, schedule):
        """A shift s of section 6, with the learning rate of this epoch."""
        s = f_signal + f_input - frac_of(fmt) + self.scheduled(schedule)
        if not 0 <= s <= 31:
            raise ValueError(f"update shift {s}")
        return s

    def shift_parts(self, k):
        layer = self.layers[k]
        return frac_of(layer["delta"]), frac_of(self.in_formats[k]), layer["weight"], layer["lr_shift"]

    def shift(self, k):
        return self.update_shift(*self.shift_parts(k))

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
        return self.predicted(*self.evaluate(x, count))

    def outputs(self, x):
        """y_K of a test; nothing is counted. Zeros with softmax, which a test does not make."""
        return self.evaluate(x, False)[1]

    def evaluate(self, x, count):
        """z_K and y_K of a test."""
        y = [int(v) for v in x]
        for k in range(len(self.layers)):
            tally = self.tallies[k] if count else dict.fromkeys(TALLIES, 0)
            z, _, y = self.forward(k, [*y, self.bias[k]], tally)
            if k < self.last:
                y = self.scale_down(k, y)
        return z, y

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
            factor = 0 if self.dropped[k][j] else slope[q[j] % 256]
            signals.append(self.narrow(signal * factor, f_s + f_d, layer["delta"], tally, "delta_overflows"))
        return signals

    def train_sample(self, x, label, target=None):
        label = int(label) if self.hot else None  # regression brings a target instead
        early = self.rule == "drtp" and self.gate is None  # a hidden layer learns as soon as it is activated
        zs, qs, ys, deltas = [], [], [], [None] * len(self.layers)
        xs = [[int(v) for v in x] + [self.bias[0]]]
        for k in range(len(self.layers)):
            z, q, y = self.forward(k, xs[k], self.tallies[k])
            if k < self.last:
                y = self.drop(k, y)
            elif self.is_softmax:
                y = self.softmax(q)
            zs, qs, ys = [*zs, z], [*qs, q], [*ys, y]
            if early and k < self.last:
                deltas[k] = self.hidden_signal(k, q, label, None, None)
                self.learn(k, deltas[k], xs[k])
            if k < self.last:
                xs.append([*y, self.bias[k + 1]])
        wanted = self.target_codes(label, target, self.sizes[-1])
        e, deltas[-1] = self.output_signal(qs[-1], ys[-1], wanted, self.tallies[-1])
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
        prediction = self.predicted(zs[-1], ys[-1])
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
        if not self.summing:
            self.write(k, steps, [i for i in range(len(x)) if x[i] != 0 or i == bias_row])
        else:
            self.add_to_sums(self.sums[k], steps)

    def end_of_batch(self):
        """Apply G: layers ascending for a label-only rule, descending for one that needs the error; then decay
        and weight normalisation.
        """
        if self.in_batch == 0:
            return
        self.in_batch = 0
        if self.summing:
            layers = [*self.learning_hidden, self.last]
            if self.rule != "drtp" or self.gate is not None:
                layers.reverse()
            for k in layers:
                self.write(k, self.sums[k], range(len(self.sums[k])))
                self.sums[k] = [[0] * len(row) for row in self.sums[k]]
                self.end_of_batch_beside(k)
        self.updates_done += 1
        self.decay()
        self.normalise()

    def write(self, k, steps, rows):
        """W <- overflow(W + R(step, s)) for the given rows; a twin takes the same rounded step."""
        names = ("updates", "zero_updates", "weight_overflows")
        twin_names = ("feedback_updates", "feedback_zero_updates", "feedback_overflows")
        place = (self.row_registers, k, self.layers[k]["units"])
        velocity = self.velocities[k] if self.momentum else []
        for i, j, change in self.changes(place, steps, rows, velocity, self.shift_parts(k)):
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
        """Row, neuron and random word of everything that a pass over these rows writes."""
        for i, j, words in self.drawn_words(registers, k, rows, units, 1):
            yield i, j, words[0]

    def drawn_words(self, registers, k, rows, units, count):
        """Row, neuron and `count` random words a row, in the order of section 7.

        Registers advance as the pass goes on; without STOCH none does, and the words are 0.
        """
        draws, row_words = self.rounding == "STOCH", {}
        if draws and self.words in ROW_MODES:
            step = lfsr32 if self.words == "row_lfsr" else xorshift32
            for i in rows:
                row_words[i] = []
                for _ in range(count):
                    registers[k] = step(registers[k])
                    row_words[i].append(registers[k])
        for first in range(0, units, self.lanes):
            neurons = range(first, min(first + self.lanes, units))
            for i in rows:
                words = {j: [0] * count for j in neurons}
                if draws and self.words in LANE_MODES:
                    words = self.lane_words(neurons, count)
                elif draws:
                    spread = {j: 0 if self.words == "raw" else bitreverse32(j) for j in neurons}
                    words = {j: [word ^ spread[j] for word in row_words[i]] for j in neurons}
                for j in neurons:
                    yield i, j, words[j]

    def lane_words(self, neurons, count):
        """All lanes advance together, once a word."""
        step = lfsr32 if self.words == "lane_lfsr" else xorshift32
        words = {j: [] for j in neurons}
        for _ in range(count):
            self.lane_registers = [step(register) for register in self.lane_registers]
            for j in neurons:
                words[j].append(self.lane_registers[j % self.lanes])
        return words

    def end_of_epoch(self):
        """Apply a short last batch; the next sample belongs to the next epoch."""
        self.end_of_batch()
        self.epoch += 1

    def train_epoch(self, images, labels, epoch, targets=None):
        """One epoch over images of input codes; the per-sample records in the order they were trained.

        In regression `targets` are lists of target codes and take the place of the labels.
        """
        self.epoch = epoch
        order = list(range(len(images)))
        if self.spec.get("order", "shuffled") == "shuffled":
            order = sample_order(self.seed, epoch, len(images))
        if self.hot == 0:
            records = [self.train_sample(images[n], None, targets[n]) for n in order]
        else:
            records = [self.train_sample(images[n], labels[n]) for n in order]
        self.end_of_epoch()
        return records
