"""Dropout, momentum and weight normalisation of the naive reference (docs/numerics.md, sections 4 and 6).

As obvious as naive.py, written from docs/numerics.md alone; nothing here is shared with the emulator package.
"""

import math
from fractions import Fraction

from naive_numbers import HALF, frac_of, max_code, overflow, parse_format, round_shift
from naive_words import u, xorshift32


def zeros(matrix):
    return [[0] * len(row) for row in matrix]


def norm_code(gamma, fmt):
    """Γ: the wanted norm in codes of a format."""
    code = math.floor(Fraction(gamma) * 2 ** frac_of(fmt) + HALF)
    if not (1 <= code < max_code(fmt) and code < 2**20):
        raise ValueError(f"norm {gamma} in {fmt}")
    return code


class Column:
    """The weights of one neuron on their way to the norm Γ, taken in ascending rows."""

    def __init__(self, weights, gamma):
        squares = sum(weight * weight for weight in weights)
        self.gamma, self.short = gamma, 0  # Γ and D
        self.factor = None  # of a column of zeros
        if squares > 0:
            root = math.isqrt(squares * 2**16)
            self.factor = (gamma * 2**24 + root // 2) // root

    def scaled(self, weight, rounded):
        """The new code of one weight; `rounded` is R( , 16) with the word of the row."""
        if self.factor is None:
            return weight
        v = weight * self.factor
        w, square = rounded(v), math.floor(Fraction(v, 2**6)) ** 2
        short = self.short + square - (w * 2**10) ** 2
        if abs(short) > self.gamma * 2**20 and v % 2**16 != 0:
            other = 2 * math.floor(Fraction(v, 2**16)) + 1 - w
            short_other = self.short + square - (other * 2**10) ** 2
            if abs(short_other) < abs(short):
                w, short = other, short_other
        self.short = short
        return w


class Around:
    """Mixed into naive.NaiveChip, which calls `build_around` once weights and feedback stand."""

    def build_around(self):
        hidden = range(self.last)
        self.dropout = self.spec.get("dropout", 0)
        self.dropped = [[False] * n for n in self.sizes[1:]]  # of the sample that is being learned
        self.dropout_registers = [u(self.seed, 10, k, 0, 0) or 1 for k in hidden] if self.dropout else []
        if not 0 <= self.dropout <= 255:
            raise ValueError("dropout")
        self.velocities = [zeros(matrix) for matrix in self.weights] if self.momentum else []
        learned = self.momentum and self.rule != "weight_mirror"  # there mirror steps update it, not samples
        self.feedback_velocities = [zeros(self.feedback[k]) if learned and k in self.learned else [] for k in hidden]
        self.classifier_velocities = [zeros(matrix) if self.momentum else [] for matrix in self.classifiers]
        self.weight_norm = self.spec.get("weight_norm")
        if self.weight_norm:
            if self.twins:
                raise ValueError("weight normalisation with twins")
            for layer in self.layers:
                norm_code(self.weight_norm["gamma"], layer["weight"])  # refuses what cannot be reached
            for k in range(self.last + 1):
                self.normalise_fixed(self.weights[k][:-1], self.layers[k]["weight"], self.sizes[k + 1])
            for k in range(len(self.feedback)):
                if self.weight_norm.get("feedback", False) and self.feedback[k] and k not in self.learned:
                    self.normalise_fixed(self.feedback[k], self.feedback_formats[k], self.sizes[k + 1])

    # --- Section 4: dropout ---

    def drop(self, k, y):
        """The outputs of hidden layer k while learning."""
        if not self.dropout:
            return y
        for j in range(len(y)):
            self.dropout_registers[k] = xorshift32(self.dropout_registers[k])
            self.dropped[k][j] = self.dropout_registers[k] // 2**24 < self.dropout
        return [0 if self.dropped[k][j] else y[j] for j in range(len(y))]

    def scale_down(self, k, y):
        """The outputs of hidden layer k while testing."""
        signed, bits, _ = parse_format(self.layers[k]["output"])
        scaled = [round_shift(code * (256 - self.dropout), 8, "RND") for code in y]
        return [overflow(code, signed, bits, "SAT") for code in scaled]

    # --- Section 6: the write of a matrix, with or without momentum ---

    def changes(self, place, steps, rows, velocity, parts):
        """Row, neuron and rounded step of everything that is written; moves the velocity, [] where there is none.

        `place` is what `drawn` needs beside the rows: registers, k, units; `parts` what makes a shift: the fractional
        bits of signal and input, the format of the matrix and the schedule of its learning rate.
        """
        registers, k, units = place
        if velocity:
            yield from self.changes_with_velocity(place, steps, rows, velocity, parts)
            return
        s = self.update_shift(*parts)
        for i, j, word in self.drawn(registers, k, rows, units):
            yield i, j, self.rounded(steps[i][j], s, word)

    def changes_with_velocity(self, place, sums, rows, velocity, parts):
        registers, k, units = place
        m, fmt, nesterov = self.momentum["shift"], self.momentum["velocity"], self.momentum.get("nesterov", False)
        s_v, s_w = self.momentum_shifts(*parts)
        wide = max(s_v, m)  # M
        if not 1 <= m <= 31 or (nesterov and wide + s_w > 31):
            raise ValueError("momentum shift")

        def mixed(v, g):
            return v * 2**wide - v * 2 ** (wide - m) + g * 2 ** (wide - s_v)

        signed, bits, _ = parse_format(fmt)
        for i, j, (word1, word2) in self.drawn_words(registers, k, rows, units, 2):
            g = sums[i][j]
            velocity[i][j] = overflow(self.rounded(mixed(velocity[i][j], g), wide, word1), signed, bits, "SAT")
            if nesterov:
                yield i, j, self.rounded(mixed(velocity[i][j], g), wide + s_w, word2)
            else:
                yield i, j, self.rounded(velocity[i][j], s_w, word2)

    def momentum_shifts(self, f_signal, f_input, fmt, schedule):
        f_v = frac_of(self.momentum["velocity"])
        s_v, s_w = f_signal + f_input - f_v, f_v - frac_of(fmt) + self.scheduled(schedule)
        if not (0 <= s_v <= 31 and 0 <= s_w <= 31):
            raise ValueError(f"momentum shifts {s_v} and {s_w}")
        return s_v, s_w

    # --- Section 6: weight normalisation ---

    def normalise(self):
        """After an update and its decays: every W_k, whether it learns or not, without its bias row."""
        if not self.weight_norm or self.updates_done % self.weight_norm["every"] != 0:
            return
        for k in range(self.last + 1):
            fmt, matrix = self.layers[k]["weight"], self.weights[k]
            rows, units, gamma = range(self.sizes[k]), self.sizes[k + 1], norm_code(self.weight_norm["gamma"], fmt)
            signed, bits, _ = parse_format(fmt)
            columns = [Column([matrix[i][j] for i in rows], gamma) for j in range(units)]
            for i, j, word in self.drawn(self.row_registers, k, rows, units):
                code = columns[j].scaled(matrix[i][j], lambda v, word=word: self.rounded(v, 16, word))
                matrix[i][j] = overflow(code, signed, bits, "SAT")

    def normalise_fixed(self, rows, fmt, units):
        """Before the first sample: some rows of a matrix, twice, to the nearest code and without a draw."""
        signed, bits, _ = parse_format(fmt)
        gamma = norm_code(self.weight_norm["gamma"], fmt)
        for j in [j for _ in range(2) for j in range(units)]:
            column = Column([row[j] for row in rows], gamma)
            for row in rows:
                code = column.scaled(row[j], lambda v: round_shift(v, 16, "RND"))
                row[j] = overflow(code, signed, bits, "SAT")
