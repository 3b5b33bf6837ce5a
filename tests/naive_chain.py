"""The rules of the naive reference beyond drtp, dfa, sdfa and shallow: chains, learned feedback, decay, mirror mode.

`ChainRules` is the part of naive.NaiveChip that owns what stands beside the weights: feedback matrices, fixed random
forward weights, local classifiers and their registers. As obvious as naive.py, and as independent of the emulator.
"""

from naive_numbers import frac_of, max_code
from naive_words import code_range, feedback_matrix, fixed_forward_weights, u, xorshift32

DIRECT = ("drtp", "dfa", "sdfa", "dkp")  # they project the output error, the others the δ of the layer above
STORED = (*DIRECT, "fa", "weight_mirror", "kp", "asap", "asfp")  # they have feedback matrices
LEARNED = ("dkp", "weight_mirror", "kp", "asap", "asfp")
TWIN = ("kp", "asap")
SHARING = ("activation_sharing", "asap", "asfp")
FEEDBACK_TALLIES = ("feedback_updates", "feedback_zero_updates", "feedback_overflows")
WEIGHT_TALLIES = ("updates", "zero_updates", "weight_overflows")


def zeros(matrix):
    return [[0] * len(row) for row in matrix]


def block_source(k, block, lag=0):
    """The layer s whose output layer k >= 1 shares: the input of the first layer of the block of layer k - lag."""
    return max(0, k - 1 - lag) // block * block


def window(i, n, n_s):
    """The entries of a vector of n_s that pooling gathers for entry i of n."""
    copies = -(-n // n_s)
    length = copies * n_s
    return [p % n_s for p in range(i * length // n, -(-(i + 1) * length // n))]


def pooled(vector, n, matching):
    """`vector` matched to the length n by max_pool or average_pool."""
    if matching not in ("max_pool", "average_pool"):
        raise ValueError(f"unknown matching {matching!r}")
    result = []
    for i in range(n):
        terms = [vector[p] for p in window(i, n, len(vector))]
        w = len(terms)
        result.append(max(terms) if matching == "max_pool" else (2 * sum(terms) + w) // (2 * w))
    return result


class ChainRules:
    """Mixed into naive.NaiveChip, which calls `build_chain` once its own state stands."""

    def build_chain(self):
        options, hidden = self.spec.get("options") or {}, range(self.last)
        self.block, self.matching = options.get("block", 2), options.get("matching", "max_pool")
        self.lag, self.direct = options.get("lag", 0), self.rule in DIRECT
        fixed = self.rule == "asap" and options.get("first_layer", "trained") == "fixed"
        self.learning_hidden = range(self.last if self.rule == "shallow" else int(fixed), self.last)
        classified = self.rule == "asfp" and options.get("local_classifier", False)
        self.local = [k for k in hidden if classified and k >= 1 and k // self.block * self.block == k]
        self.twins = range(1 + int(fixed), self.last + 1) if self.rule in TWIN else []  # W_k with a twin B_{k-1}
        self.learned = [k for k in hidden if self.rule in LEARNED and self.rule not in TWIN and k not in self.local]
        self.feedback_formats = [self.feedback_format(k) for k in hidden]
        self.feedback = [] if self.rule == "shallow" else [self.initial_feedback(k) for k in hidden]
        for k in self.twins:
            if frac_of(self.feedback_formats[k - 1]) != frac_of(self.layers[k]["weight"]):
                raise ValueError("a twin has the fractional bits of its weights")
        self.forward_weights = [self.initial_forward_weights(k) for k in hidden]
        self.classifiers = [
            [[0] * self.labels for _ in range(self.sizes[k + 1] + 1)] if k in self.local else [] for k in hidden
        ]
        self.feedback_registers = [(u(self.seed, 6, k, 0, 0) or 1) if k in self.learned else 0 for k in hidden]
        self.classifier_registers = [(u(self.seed, 9, k, 0, 0) or 1) if k in self.local else 0 for k in hidden]
        mirrors = self.rule == "weight_mirror"
        self.noise_registers = [u(self.seed, 8, k, 0, 0) or 1 for k in hidden] if mirrors else []
        # weight_mirror learns at once, in mirror mode, so it has no sums
        self.feedback_sums = [zeros(self.feedback[k]) if k in self.learned and not mirrors else [] for k in hidden]
        self.classifier_sums = [zeros(matrix) for matrix in self.classifiers]
        self.mirror = {"every": 100, "steps": 10, "noise_shift": 1, **(self.spec.get("mirror") or {})}
        if mirrors:
            for k in hidden:
                self.noise_amplitude(k)  # refuses what cannot be represented

    def feedback_format(self, k):
        own = self.layers[k].get("feedback") or (self.spec.get("feedback") or {}).get("format")
        return own or (self.layers[k + 1]["weight"] if self.rule in LEARNED else None)

    def initial_feedback(self, k):
        if self.rule not in STORED or k not in self.learning_hidden:
            return []
        spec, units = self.spec.get("feedback") or {}, self.sizes[k + 1]
        rows = self.sizes[-1] if self.direct else self.sizes[k + 2]
        if self.rule == "drtp" or k in self.local:
            rows = self.labels  # a row a class
        if k in self.learned or k + 1 in self.twins:
            kind = ("random", spec.get("learned_range", "kaiming"))
        else:
            kind = (spec.get("source", "random"), spec.get("range", "kaiming"))
        return feedback_matrix(self.seed, k, rows, units, self.feedback_formats[k], *kind)

    def initial_forward_weights(self, k):
        """C_k: for forward_alignment, or for `random` matching to the length of layer k where lengths differ."""
        rows = self.sizes[k]
        if self.rule != "forward_alignment":
            s = block_source(k + 1, self.block, self.lag)
            rows = self.sizes[s + 1]
            shares = self.rule in SHARING and k not in self.local  # the B of a local classifier learns nothing
            if not shares or self.matching != "random" or rows == self.sizes[k + 1]:
                return []
        return fixed_forward_weights(self.seed, k, rows, self.sizes[k + 1], self.layers[k]["weight"])

    # --- Section 5: signals and the activations for the update ---

    def projected(self, k, j, e, delta):
        """The exact sum p of neuron j of hidden layer k, and its fractional bits."""
        above = self.layers[k + 1]
        f_delta = frac_of((self.layers[-1] if self.direct or k in self.local else above)["delta"])
        if self.rule in ("bp", "forward_alignment", "activation_sharing"):
            p = 0
            for c in range(above["units"]):
                p += self.weights[k + 1][j][c] * delta[c]
            return p, frac_of(above["weight"]) + f_delta
        f_b = frac_of(self.feedback_formats[k])
        if self.rule == "sign_symmetry":
            p, name = 0, (self.spec.get("feedback") or {}).get("range", "kaiming")
            for c in range(above["units"]):
                w = self.weights[k + 1][j][c]
                p += ((w > 0) - (w < 0)) * delta[c]
            return code_range(name, self.feedback_formats[k], self.sizes[k + 1]) * p, f_b + f_delta
        if self.rule == "sdfa":
            zone, f_delta = self.spec.get("sign_dead_zone", 0), 0
            delta = [(v > zone) - (v < -zone) for v in e]
        p = 0
        for c in range(len(self.feedback[k])):
            p += self.feedback[k][c][j] * delta[c]
        return p, f_b + f_delta

    def classifier_signal(self, k, y, label):
        """δ_L of the local classifier above hidden layer k; its events count with layer k."""
        f_z = frac_of(self.layers[-1]["weight"]) + frac_of(self.layers[k]["output"])
        _, q, outputs = self.activate(self.classifiers[k], [*y, self.bias[k + 1]], f_z, self.last, self.tallies[k])
        return self.output_signal(q, outputs, self.target_codes(label, None, self.labels), self.tallies[k])[1]

    def update_vectors(self, xs, ys, gate_open):
        """The inputs (bias code included) that update each W_k, and h of each layer that asked for one, else None."""
        hs, matched = list(xs), [None] * len(self.layers)
        if self.rule == "forward_alignment":
            h = xs[0][:-1]
            for k in range(self.last):
                f_z = frac_of(self.layers[k]["weight"]) + frac_of(self.in_formats[k])
                h = self.activate(self.forward_weights[k], h, f_z, k, self.tallies[k])[2]
                hs[k + 1] = [*h, self.bias[k + 1]]
        if self.rule in SHARING:
            for k in range(1, self.last + 1):
                asks = gate_open or k == self.last  # the output layer always learns
                if self.rule == "asfp":  # here only feedback asks
                    asks = gate_open and k - 1 in self.learned
                if asks:
                    matched[k] = self.match(k, ys)
                    if self.rule != "asfp":
                        hs[k] = [*matched[k], self.bias[k]]
        return hs, matched

    def match(self, k, ys):
        """h of layer k: y_s matched to the length of y_{k-1}."""
        s, n = block_source(k, self.block, self.lag), self.sizes[k]
        if self.layers[s]["output"] != self.in_formats[k]:
            raise ValueError("outputs that share must have one format")
        if self.sizes[s + 1] == n:
            return list(ys[s])
        if self.matching != "random":
            return pooled(ys[s], n, self.matching)
        f_z = frac_of(self.layers[k - 1]["weight"]) + frac_of(self.layers[s]["output"])
        return self.activate(self.forward_weights[k - 1], ys[s], f_z, k - 1, self.tallies[k - 1])[2]

    # --- Section 6: what learns beside the weights ---

    def classifier_shift_parts(self, k):
        out = self.layers[-1]
        return frac_of(out["delta"]), frac_of(self.layers[k]["output"]), out["weight"], out["lr_shift"]

    def feedback_shift_parts(self, k):
        """Of s_B: the signal is a δ, in mirror mode a difference of outputs; a is always in the format of y_k."""
        source = self.layers[-1] if self.direct else self.layers[k + 1]
        f_s = frac_of(source["output" if self.rule == "weight_mirror" else "delta"])
        schedule = self.spec.get("feedback_lr_shift") or self.layers[0]["lr_shift"]
        return f_s, frac_of(self.layers[k]["output"]), self.feedback_formats[k], schedule

    def learn_classifier(self, k, delta, x):
        steps, bias_row = self.products(delta, x), len(x) - 1
        if not self.summing:
            self.write_classifier(k, steps, [i for i in range(len(x)) if x[i] != 0 or i == bias_row])
        else:
            self.add_to_sums(self.classifier_sums[k], steps)

    def learn_feedback(self, k, s, a):
        steps = self.products(a, s)  # [c][j]
        if not self.summing:
            self.write_feedback(k, steps, [c for c in range(len(s)) if s[c] != 0])
        else:
            self.add_to_sums(self.feedback_sums[k], steps)

    def write_classifier(self, k, steps, rows):
        place, parts = (self.classifier_registers, k, self.labels), self.classifier_shift_parts(k)
        fmt = self.layers[-1]["weight"]
        for i, j, change in self.changes(place, steps, rows, self.classifier_velocities[k], parts):
            self.add(self.classifiers[k], i, j, change, fmt, self.tallies[k], WEIGHT_TALLIES)

    def write_feedback(self, k, steps, rows):
        place, parts = (self.feedback_registers, k, self.sizes[k + 1]), self.feedback_shift_parts(k)
        fmt = self.feedback_formats[k]
        for c, j, change in self.changes(place, steps, rows, self.feedback_velocities[k], parts):
            self.add(self.feedback[k], c, j, change, fmt, self.tallies[k], FEEDBACK_TALLIES)

    def end_of_batch_beside(self, k):
        """The sums that stand beside those of W_k: first L_k, then B_k; no row is skipped."""
        if k in self.local:
            self.write_classifier(k, self.classifier_sums[k], range(len(self.classifiers[k])))
            self.classifier_sums[k] = zeros(self.classifiers[k])
        if k in self.learned and self.rule != "weight_mirror":
            self.write_feedback(k, self.feedback_sums[k], range(len(self.feedback[k])))
            self.feedback_sums[k] = zeros(self.feedback[k])

    def scheduled(self, shift):
        """A number, or the entry of a schedule that is valid in this epoch."""
        return shift if isinstance(shift, int) else [value for epoch, value in shift if epoch <= self.epoch][-1]

    def decay(self):
        """After an update: weights with their twins, then feedback that learns without a twin."""
        weight, feedback = self.spec.get("weight_decay"), self.spec.get("feedback_decay")
        if weight and self.updates_done % weight["every"] == 0:
            d = self.scheduled(weight["shift"])
            for k in range(0 if weight.get("first_layer", False) else 1, self.last + 1):
                rows = range(self.sizes[k])  # without the bias row
                for i, j, word in self.drawn(self.row_registers, k, rows, self.sizes[k + 1]):
                    self.weights[k][i][j] -= self.rounded(self.weights[k][i][j], d, word)
                    if k in self.twins:
                        self.feedback[k - 1][j][i] -= self.rounded(self.feedback[k - 1][j][i], d, word)
        if feedback and self.rule != "weight_mirror" and self.updates_done % feedback["every"] == 0:
            self.decay_feedback(self.scheduled(feedback["shift"]))

    def decay_feedback(self, d):
        for k in self.learned:
            rows = range(len(self.feedback[k]))
            for c, j, word in self.drawn(self.feedback_registers, k, rows, self.sizes[k + 1]):
                self.feedback[k][c][j] -= self.rounded(self.feedback[k][c][j], d, word)

    # --- Section 6: mirror mode ---

    def noise_amplitude(self, k):
        fmt, shift = self.layers[k]["output"], self.mirror["noise_shift"]
        exponent = frac_of(fmt) - shift
        if exponent < 0 or 2**exponent > max_code(fmt):
            raise ValueError(f"noise of layer {k}")
        return 2**exponent

    def mirror_mode(self):
        if self.rule != "weight_mirror" or self.samples_done % self.mirror["every"] != 0:
            return
        for _ in range(self.mirror["steps"]):
            for k in range(self.last):
                self.mirror_layer(k)
            self.mirror_steps_done += 1
            decay = self.spec.get("feedback_decay")
            if decay and self.mirror_steps_done % decay["every"] == 0:
                self.decay_feedback(self.scheduled(decay["shift"]))

    def mirror_layer(self, k):
        """One step of one layer: noise through W_{k+1}, what comes out of it teaches B_k at once."""
        a, noise = self.noise_amplitude(k), []
        for _ in range(self.sizes[k + 1]):
            self.noise_registers[k] = xorshift32(self.noise_registers[k])
            noise.append(a if self.noise_registers[k] >= 2**31 else -a)
        f_z = frac_of(self.layers[k + 1]["weight"]) + frac_of(self.layers[k]["output"])
        y = self.activate(self.weights[k + 1], noise, f_z, k + 1, self.tallies[k + 1])[2]  # no bias code: row blocked
        s = [value - self.tables[k + 1][0] for value in y]
        self.write_feedback(k, self.products(noise, s), [c for c in range(len(s)) if s[c] != 0])
