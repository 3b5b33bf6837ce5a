"""The output layer of the naive reference: targets, losses, softmax and predictions (docs/numerics.md, section 4).

As obvious as naive.py, written from docs/numerics.md alone; nothing here is shared with the emulator package.
"""

from naive_numbers import frac_of, max_code, requantise, softmax_table
from naive_words import sample_order

LOSSES = ("bce", "cce", "mse")


class Outputs:
    """Mixed into naive.NaiveChip; the spec keys are loss, hot and labels."""

    def build_outputs(self):
        spec, last = self.spec, self.layers[-1]
        self.loss, self.hot = spec.get("loss", "bce"), spec.get("hot", 1)
        self.labels = spec.get("labels", self.sizes[-1])
        self.is_softmax = last["activation"] == "softmax"
        self.exponentials = softmax_table(last.get("table_frac", 4)) if self.is_softmax else []
        self.permutation = sample_order(self.seed, 0, self.sizes[-1], tag=11) if self.hot > 1 else []
        local = self.rule == "asfp" and (spec.get("options") or {}).get("local_classifier", False)
        refusals = {
            "unknown loss": self.loss not in LOSSES,
            "the output layer is a sigmoid with bce": self.loss == "bce" and last["activation"] != "sigmoid",
            "cce needs softmax and one-hot targets": self.loss == "cce" and not (self.is_softmax and self.hot == 1),
            "mse has no softmax": self.loss == "mse" and self.is_softmax,
            "too few outputs": self.hot > 0 and self.sizes[-1] < self.hot * self.labels,
            "a gate needs one-hot targets": self.gate is not None and self.hot != 1,
            "local classifiers need bce and one-hot targets": local and (self.loss != "bce" or self.hot != 1),
            "drtp needs labels": self.rule == "drtp" and self.hot == 0,
            "mirror mode has no softmax": self.rule == "weight_mirror" and self.is_softmax,
        }
        for refusal, met in refusals.items():
            if met:
                raise ValueError(refusal)

    def softmax(self, q):
        """y_K of a training sample, once all q_K are known; nothing of it is counted."""
        largest = max(q)
        exponentials = [self.exponentials[largest - code] for code in q]
        reciprocal = (2**32 - 1) // sum(exponentials)
        return [requantise(value * reciprocal, 32, self.layers[-1]["output"]) for value in exponentials]

    def class_outputs(self, label):
        """The outputs that are hot for a class."""
        return [label] if self.hot == 1 else self.permutation[label * self.hot : (label + 1) * self.hot]

    def target_codes(self, label, target, count):
        """y* of `count` outputs."""
        if self.hot == 0:
            return [int(code) for code in target]
        fmt, outputs = self.layers[-1]["output"], self.class_outputs(label)
        hot = min(2 ** frac_of(fmt), max_code(fmt))
        return [hot if c in outputs else 0 for c in range(count)]

    def output_signal(self, q, y, wanted, tally):
        """e and δ of outputs y (the output layer, or a local classifier in its formats)."""
        f_y, fmt = frac_of(self.layers[-1]["output"]), self.layers[-1]["delta"]
        e = [wanted[c] - y[c] for c in range(len(y))]
        if self.loss != "mse":
            return e, [self.narrow(value, f_y, fmt, tally, "delta_overflows") for value in e]
        slope, f_d = self.slopes[-1]
        products = [e[c] * slope[q[c] % 256] for c in range(len(y))]
        return e, [self.narrow(value, f_y + f_d, fmt, tally, "delta_overflows") for value in products]

    def predicted(self, z, y):
        """The class of accumulators z and output codes y; ties go to the lowest."""
        if self.hot == 0:
            return 0
        scores = z
        if self.hot > 1:
            scores = [sum(y[c] for c in self.class_outputs(label)) for label in range(self.labels)]
        return scores.index(max(scores))
