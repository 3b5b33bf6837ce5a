"""Which chips the back-ends are compared on: named ones, and every pair of values of every two settings."""

from dataclasses import replace
from itertools import combinations

import numpy as np
from vector_chips import Settings

from neuro_emu.machine.learning import Decay, Mirror, Momentum, WeightNorm
from neuro_emu.numerics.formats import Format
from neuro_emu.rules import RULES

WORDS = ({"words": "row_word"}, {"words": "row_lfsr"}, {"words": "raw"}, {"rounding": "TRN"}, {"rounding": "RND"})
SIZES = (
    (20, 96, 10),
    (33, 64, 3),
    (20, 500, 10),
    (17, 130, 40),
    (20, 96, 64, 10),
    (20, 64, 200, 5),
    (9, 64, 80, 64, 4),
)
SHIFTS = (1, 2, 4, 7, 10, 12, 13, 14, 15, 16, 17, 19, 21, 23, 25, (14, 31), (9, 20))

FORGETS = {"weight_decay": Decay(((0, 4),), 2)}

VECTOR_FACTORS = {
    "rule": [{"rule": name} for name in ("drtp", "bp", "dfa", "fa", "kp", "sdfa", "shallow")],
    "weights": [
        {"weight": "s8f7", "top": "s8f7"},
        {"weight": "s16f12", "top": "s16f12"},
        {"weight": "s8f7", "top": "s16f12"},
        {"weight": "s12f9", "top": "s6f5"},
        {"weight": "s4f3", "top": "s12f9"},
        {"weight": "s2f0", "top": "s2f0"},
    ],
    "code": [{"code": code} for code in ("u8f8", "s8f7", "u4f4", "s3f2")],
    "hidden": [
        {"hidden": "s8f7", "delta_top": "s9f8"},
        {"hidden": "u8f8", "delta_top": "s8f7"},
        {"hidden": "s2f0", "delta_top": "s9f8"},
        {"hidden": "u12f12", "delta_top": "s4f3"},
        {"hidden": "s6f5", "delta_top": "s6f5"},
    ],
    "delta": [
        {"delta": "s4f3", "projection": "s8f7"},
        {"delta": "s8f7", "projection": "s8f7"},
        {"delta": "s6f5", "projection": "s12f9"},
        {"delta": "s9f7", "projection": "s16f7"},
    ],
    "activation": [{"activation": name} for name in ("hard_tanh", "tanh", "relu", "sigmoid")],
    "shift": [{"shift": shift} for shift in SHIFTS],
    "words": list(WORDS),
    "zeros": [
        {"zero_input": z, "banks": b, "lanes": n} for z, b, n in (("skip", 2, 16), ("gate", 1, 7), ("none", 8, 64))
    ],
    "sizes": [{"sizes": sizes} for sizes in SIZES],
    "error": [{}, {"gate": 0}, {"gate": 110}, {"loss": "cce"}, {"loss": "mse"}, {"loss": "mse", "hot": 0}],
    "data": [{"density": 0.6}, {"density": 0.05}, {"density": 1.0, "seed": 2**40}, {"initial": "zero"}],
    "batch": [{}, {}, {"batch": 2, "gate": None}, {"batch": 5, "gate": None}],  # gated: the general loop
    "decay": [{}, {}, {"more": FORGETS}],
}

GENERAL_FACTORS = {
    "rule": [{"rule": name} for name in sorted(RULES)],
    "rounding": [{"rounding": name} for name in ("STOCH", "STOCH", "TRN", "RND", "TRN_ZERO", "RND_CONV")],
    "words": [{"words": name} for name in ("row_word", "row_lfsr", "raw", "lane_xorshift", "lane_lfsr")],
    "overflow": [{"overflow": "SAT"}, {"overflow": "WRAP"}],
    "accumulator": [{"accumulator": given} for given in ((2, "SAT"), (-4, "SAT"), (-5, "WRAP"))],
    "batch": [{"batch": 1}, {"batch": 3}],
    "weights": [{"weight": "s8f7"}, {"weight": "s16f12"}, {"weight": "s12f9", "top": "s8f7"}],
    "hidden": [{"hidden": "s8f7"}, {"hidden": "u8f8"}, {"hidden": "s1f0"}],
    "delta": [{"delta": "s4f3"}, {"delta": "s8f7"}, {"delta": "s9f8"}],
    "zeros": [{"zero_input": name} for name in ("skip", "gate", "none")],
    "sizes": [{"sizes": s} for s in ((20, 96, 10), (20, 30, 10), (20, 96, 30, 10), (20, 30, 96, 10), (20, 80, 70, 10))],
    "error": [{}, {"gate": 100}, {"loss": "mse"}, {"loss": "cce"}],
    "shift": [{"shift": 6}, {"shift": 14}, {"shift": 20}],
    "more": [
        {},
        {"more": {"weight_decay": Decay(((0, 4),), 2)}},
        {"more": {"momentum": Momentum(3, Format(True, 20, 12))}},
        {"more": {"dropout": 64}},
        {"more": {"weight_norm": WeightNorm(0.75)}},
    ],
}

NAMED = {
    "as usual": Settings(),
    "two layers": Settings(rule="bp", sizes=(20, 96, 128, 10), weight="s16f12", shift=13),
    "three layers": Settings(rule="fa", sizes=(20, 64, 96, 70, 10), shift=12),
    "steps of ±1 without a high part": Settings(shift=15),
    "steps of ±1 in tiles": Settings(sizes=(20, 256, 10), shift=17),
    "steps of ±1 in blocks below the high part": Settings(sizes=(20, 64, 10), shift=20, delta="s5f4", delta_top="s8f7"),
    "large steps": Settings(shift=3, weight="s16f12"),
    "blocks of few chunks": Settings(sizes=(20, 500, 10), shift=17),
    "blocks of many chunks": Settings(sizes=(20, 1000, 10), top="s12f12", shift=14),
    "blocks of three chunks": Settings(sizes=(20, 130, 10), rule="dfa", shift=13),
    "nearest": Settings(rounding="RND", shift=(9, 14)),
    "down": Settings(rounding="TRN", shift=(9, 14)),
    "raw words": Settings(words="raw", shift=(9, 17)),
    "lfsr": Settings(words="row_lfsr", rule="dfa", shift=(9, 17)),
    "many words": Settings(sizes=(700, 64, 10), density=1.0),
    "many rows above": Settings(sizes=(10, 1100, 10), top="s12f12", rule="dfa"),
    "sums in parts": Settings(sizes=(700, 64, 10), weight="s16f8", code="u8f8", density=1.0),
    "signed codes": Settings(code="s8f7", hidden="s8f7", rule="dfa", zero_input="none"),
    "ternary": Settings(hidden="s2f0", weight="s2f0", top="s12f9", shift=8, delta="s9f7", code="u4f4"),
    "ternary, two layers": Settings(hidden="s2f0", rule="bp", sizes=(20, 96, 64, 10), shift=9),
    "masks below the split, in the output layer": Settings(
        hidden="u12f12", delta="s4f3", delta_top="s4f3", top="s13f12", shift=3
    ),
    "the same with a twin": Settings(
        rule="kp", hidden="u12f12", delta="s4f3", delta_top="s4f3", top="s13f12", shift=3, twin_bits=12
    ),
    "twins": Settings(rule="kp", sizes=(20, 96, 70, 10), shift=10, delta_top="s8f7"),
    "twins of fewer bits": Settings(rule="kp", sizes=(20, 96, 70, 10), shift=10, top="s8f7", twin_bits=6),
    "signs of errors": Settings(rule="sdfa", dead_zone=12, projection="s8f7", sizes=(20, 96, 64, 10)),
    "projections that are clamped": Settings(rule="dfa", projection="s5f4", delta="s5f4", shift=11),
    "frozen": Settings(rule="shallow", sizes=(20, 96, 64, 10), shift=11),
    "gated": Settings(gate=110, shift=10),
    "gated at 0": Settings(gate=0, rule="bp", shift=10),
    "softmax": Settings(loss="cce", rule="dfa", shift=11),
    "regression": Settings(loss="mse", hot=0, rule="bp", delta_top="s8f7", shift=11),
    "two hot outputs": Settings(loss="mse", hot=2, delta_top="s8f7", shift=11),
    "sharing in one layer": Settings(rule="activation_sharing", shift=10),
    "asymmetric sharing in one layer": Settings(rule="asap", shift=10),
    "few classes": Settings(sizes=(20, 96, 2), banks=1, zero_input="gate"),
    "63 classes": Settings(sizes=(20, 96, 63), banks=8, shift=7),
    "mini-batches": Settings(batch=2, shift=(12, 17)),
    "mini-batches of two layers": Settings(rule="bp", sizes=(20, 96, 64, 10), batch=4, weight="s16f12", shift=13),
    "mini-batches and twins": Settings(rule="kp", sizes=(20, 96, 70, 10), batch=5, shift=11, delta_top="s8f7"),
    "mini-batches, words made anew at the end of a call": Settings(sizes=(20, 700, 10), top="s12f12", batch=2),
    "weights that decay": Settings(sizes=(20, 70, 10), shift=11, more=FORGETS),
    "weights and twins that decay": Settings(
        rule="kp", sizes=(20, 96, 70, 10), shift=11, delta_top="s8f7", more=FORGETS
    ),
    "one input": Settings(sizes=(1, 64, 2), shift=6),
}
"""Chips that must run in vector code."""


def legal(s):
    """The settings, with what does not go together taken out."""
    if s.loss == "mse":
        s = replace(s, delta_top="s4f3" if Format.parse(s.hidden).bits > 8 else "s8f7")
    if s.rule == "shallow" or s.hot != 1:
        s = replace(s, gate=None)
    if s.hot == 0 and s.rule == "drtp":
        s = replace(s, hot=1)
    if s.loss == "cce" and s.rule == "weight_mirror":
        s = replace(s, loss="bce")
    if s.rule == "weight_mirror":
        s = replace(s, more=s.more | {"mirror": Mirror(2, 2, 1)}, hidden="s8f7")
    if s.rule in {"kp", "asap", "dkp"} and "weight_norm" in s.more:
        s = replace(s, more={})
    if s.rule == "sdfa":
        s = replace(s, dead_zone=12)
    if "momentum" in s.more:
        s = replace(s, shift=14)
    return s


def covering(factors, seed):
    """Settings that hold every pair of values of every two factors: the best of some random ones, again and again."""
    random, names = np.random.default_rng(seed), list(factors)
    pairs = {
        (a, i, b, j) for a, b in combinations(names, 2) for i in range(len(factors[a])) for j in range(len(factors[b]))
    }
    rows = []
    while pairs:
        a, i, b, j = min(pairs)
        rows_tried = []
        for _ in range(30):
            row = {name: int(random.integers(len(factors[name]))) for name in names} | {a: i, b: j}
            gained = {(x, row[x], y, row[y]) for x, y in combinations(names, 2)} & pairs
            rows_tried.append((len(gained), len(rows_tried), row, gained))
        *_, row, gained = max(rows_tried, key=lambda tried: tried[:2])
        pairs -= gained
        chosen = {}
        for name in names:
            chosen |= factors[name][row[name]]
        rows.append((row, legal(Settings(**chosen))))
    return rows
