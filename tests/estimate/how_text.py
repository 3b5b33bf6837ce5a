"""The line of arithmetic behind a figure, worked out again as one would by hand: it knows nothing of the engine."""

import math
import re

TOKEN = re.compile(r"(?P<number>-?[0-9.]+(?:e[-+]?[0-9]+)?(?=[\s),]|$))|(?P<mark>[(),×+])|(?P<word>[^\s(),×+]+)")
SUPPLY = re.compile(r"\(V/V0\)(²|\^leakage_exponent)")


def worked_out(how):
    """Return the value of sums, products, brackets and geometric means; words are names of factors."""
    tokens = [(found.lastgroup, found[0]) for found in TOKEN.finditer(SUPPLY.sub("supply", how))]
    value, rest = _sum(tokens)
    assert not rest, f"{how!r}: what is {rest}?"
    return value


def _sum(tokens):
    value, tokens = _product(tokens)
    while tokens and tokens[0] == ("mark", "+"):
        more, tokens = _product(tokens[1:])
        value += more
    return value, tokens


def _product(tokens):
    value, tokens = _factor(tokens)
    while tokens and tokens[0] == ("mark", "×"):
        more, tokens = _factor(tokens[1:])
        value *= more
    return value, tokens


def _factor(tokens):
    (kind, text), tokens = tokens[0], tokens[1:]
    if kind == "number":
        value = float(text)
    elif text == "geometric":
        assert tokens[:3] == [("word", "mean"), ("word", "of"), ("mark", "(")]
        routes, tokens = [], tokens[2:]
        while tokens[0] != ("mark", ")"):
            route, tokens = _sum(tokens[1:])
            routes.append(route)
        value, tokens = math.prod(routes) ** (1 / len(routes)), tokens[1:]
    else:
        assert text == "(", f"a factor begins with {text!r}"
        value, tokens = _sum(tokens)
        assert tokens[0] == ("mark", ")"), tokens
        tokens = tokens[1:]
    while tokens and tokens[0][0] == "word":
        tokens = tokens[1:]
    return value, tokens
