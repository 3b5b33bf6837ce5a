"""Likely causes: known mistakes are tried on the emulator's own operands until one gives the chip's number."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from neuro_emu.cosim.scene import Row, Scene
from neuro_emu.golden.placement import gate_shift, project_shift, signal_frac
from neuro_emu.golden.trace import Kind
from neuro_emu.network.layers import DenseLayer
from neuro_emu.numerics.formats import Format
from neuro_emu.numerics.modes import RND, RND_CONV, SAT, STOCH, TRN, TRN_ZERO, WRAP
from neuro_emu.numerics.ops import bit_reverse, lfsr, overflow, round_shift, saturate, wrap, xorshift
from neuro_emu.numerics.tables import activation_table, derivative_table

Int64 = NDArray[np.int64]
Guess = tuple[str, int]

_ROWS_TRIED = 100
"""Rows on each side of a wrong one that a cause must explain."""

_ONE_INPUT = "accumulator: input "

ROUNDINGS = {TRN: "TRN (floor)", TRN_ZERO: "TRN_ZERO", RND: "RND (ties up)", RND_CONV: "RND_CONV (ties to even)"}


def likely(scene: Scene, kind: Kind, layer: int, group: int, expected: Int64, got: Int64) -> tuple[str, ...]:
    """Return the causes that explain every lane of a record that differs; patterns of lanes first.

    Args:
        scene: the sample.
        kind: of the record.
        layer: k.
        group: of the record.
        expected: (lanes,) what the emulator shows.
        got: (lanes,) what the chip showed.

    """
    found = _patterns(expected, got)
    wrong = [int(lane) for lane in np.flatnonzero(expected != got)]
    named: set[str] | None = None
    for lane in wrong:
        fits = {name for name, value in _guesses(scene, kind, layer, group, lane) if value == int(got[lane])}
        named = fits if named is None else named.intersection(fits)
    inputs = {name for name in named or () if name.startswith(_ONE_INPUT)}
    if len(inputs) > 1:  # many inputs give the same number: none is likely
        named = (named or set()) - inputs
    return tuple(found + sorted(named or ()))


def likely_of_write(scene: Scene, layer: int, group: int, place: int, got: list[Int64]) -> tuple[str, ...]:
    """Return the causes that explain every weight that a group's update wrote, those that are right included.

    Args:
        scene: the sample.
        layer: k.
        group: of the update.
        place: of the first row that differs, counted within the update.
        got: (rows, lanes) what the chip wrote, row by row.

    """
    rows = scene.rows[layer, group]
    offered: set[str] = set()
    refuted: set[str] = set()
    last = min(len(rows), len(got), place + _ROWS_TRIED)
    for n in range(max(place - _ROWS_TRIED, 0), last):
        if rows[n].summed != rows[place].summed:
            continue
        for lane in range(len(rows[n].after)):
            wrong = int(rows[n].after[lane]) != int(got[n][lane])
            for name, value in _write_guesses(scene, layer, group, n, lane):
                if value != int(got[n][lane]):
                    refuted.add(name)
                elif wrong:
                    offered.add(name)
    return tuple(sorted(offered - refuted))


def _patterns(expected: Int64, got: Int64) -> list[str]:
    found = []
    if len(expected) > 1 and not np.array_equal(expected, got) and sorted(expected) == sorted(got):
        turned = [n for n in range(1, len(expected)) if np.array_equal(np.roll(expected, n), got)]
        if np.array_equal(expected[::-1], got):
            found.append("lane order: the lanes are reversed")
        elif turned:
            found.append(f"lane order: the lanes are rotated by {turned[0]}")
        else:
            found.append("lane order: the right numbers in the wrong lanes")
    return found


def _guesses(scene: Scene, kind: Kind, layer: int, group: int, lane: int) -> Iterator[Guess]:
    makers = {
        Kind.Z: _accumulator_guesses,
        Kind.Y: _output_guesses,
        Kind.SIGNAL: _signal_guesses,
        Kind.DELTA: _delta_guesses,
    }
    if kind in makers:
        yield from makers[kind](scene, scene.chip.network.layers[layer], group, lane)


def _narrowed(name: str, exact: int, shift: int, storage: Format) -> Iterator[Guess]:
    """Other ways to drop *shift* bits of *exact* and to bring it into *storage*."""
    low, high = storage.low, storage.high
    rounded = round_shift(exact, shift, RND, 0) if shift > 0 else exact * (1 << -shift)
    yield f"{name}: wraps instead of saturating", wrap(rounded, low, high)
    yield f"{name}: not saturated", rounded
    yield f"{name}: saturates symmetrically", saturate(rounded, -high, high)
    yield f"{name}: saturates one code early", saturate(rounded, low + 1, high - 1)
    for mode, called in ROUNDINGS.items():
        if shift > 0 and mode != RND:
            yield (
                f"{name}: rounded with {called} instead of RND",
                saturate(round_shift(exact, shift, mode, 0), low, high),
            )
    for other in (-1, 1):
        if 0 < shift + other < 63:
            yield (
                f"{name}: shifted by {shift + other} instead of {shift}",
                saturate(round_shift(exact, shift + other, RND, 0), low, high),
            )


def _accumulator_guesses(scene: Scene, layer: DenseLayer, group: int, lane: int) -> Iterator[Guess]:
    numerics = scene.chip.numerics
    neuron = group * scene.chip.design.lanes + lane
    z = int(scene.vectors["z", layer.index, group][lane])
    weights = scene.before.weights[layer.index][:, neuron].astype(np.int64)
    exact = sum(int(weights[row]) * scene.operand(layer.index, row) for row in range(layer.rows))
    high, mode = numerics.accumulator_high, numerics.accumulator_overflow.code
    yield "accumulator: never clamped or wrapped", exact
    yield "accumulator: wraps instead of saturating", wrap(exact, -high - 1, high)
    yield "accumulator: clamped once at the end", saturate(exact, -high - 1, high)
    yield "accumulator: sign of the weights", -z
    for row in range(layer.rows):
        product = int(weights[row]) * scene.operand(layer.index, row)
        if product:
            which = "the bias row" if row == layer.inputs else f"input {row}"
            yield f"accumulator: {which} is missing", overflow(exact - product, -high - 1, high, mode)
            yield f"accumulator: {which} is counted twice", overflow(exact + product, -high - 1, high, mode)


def _output_guesses(scene: Scene, layer: DenseLayer, group: int, lane: int) -> Iterator[Guess]:
    z = int(scene.vectors["z", layer.index, group][lane])
    table = activation_table(layer.activation, layer.table_frac, layer.output)
    eight = Format(True, 8, 0)
    for name, q in _narrowed("pre-activation", z, layer.preactivation_shift, eight):
        yield name, int(table[q % 256])
    q = int(scene.vectors["q", layer.index, group][lane])
    for other in (-1, 1):
        yield f"activation table: entry of q {other:+d}", int(table[(q + other) % 256])
    yield "activation table: address without its sign bit", int(table[q % 128])
    yield "activation: q itself", q


def _signal_guesses(scene: Scene, layer: DenseLayer, group: int, lane: int) -> Iterator[Guess]:
    neuron = group * scene.chip.design.lanes + lane
    feedback = scene.before.feedback[layer.index]
    if scene.chip.learning.rule.name == "drtp":
        for label in range(scene.chip.network.classes):
            if label != scene.label:
                yield f"label look-up: row of class {label} instead of {scene.label}", int(feedback[label, neuron])
        return
    exact = _projection(scene, layer, neuron)
    yield from _narrowed("projection", exact, project_shift(scene.chip, layer), layer.projection)
    yield "projection: sign of the error", -int(scene.vectors["projection", layer.index, group][lane])


def _projection(scene: Scene, layer: DenseLayer, neuron: int) -> int:
    chip, output = scene.chip, scene.chip.network.output
    what = "error" if chip.learning.rule.name == "sdfa" else "delta"
    groups = range(chip.design.groups(output.units))
    signal = np.concatenate([scene.vectors[what, output.index, g] for g in groups])
    if what == "error":
        zone = chip.learning.sign_dead_zone
        signal = (signal > zone).astype(np.int64) - (signal < -zone).astype(np.int64)
    return int((scene.before.feedback[layer.index][:, neuron].astype(np.int64) * signal).sum())


def _delta_guesses(scene: Scene, layer: DenseLayer, group: int, lane: int) -> Iterator[Guess]:
    chip = scene.chip
    delta = int(scene.vectors["lanes", layer.index, group][lane])
    yield "delta: sign", -delta
    if layer is chip.network.output:
        error = int(scene.vectors["error", layer.index, group][lane])
        shift = layer.output.frac - layer.delta.frac
        yield from _narrowed("output error", error, shift, layer.delta)
        yield "output error: y* and y exchanged", -error
        yield "output error: target code missing", error - chip.network.hot
        return
    name = "signal" if chip.learning.rule.name == "drtp" else "projection"
    signal = int(scene.vectors[name, layer.index, group][lane])
    q = int(scene.vectors["q", layer.index, group][lane])
    slope = int(derivative_table(layer.activation, layer.table_frac)[q % 256])
    yield from _narrowed("gate by f'", signal * slope, gate_shift(chip, layer), layer.delta)
    full = 1 << layer.derivative.frac
    bypass = signal_frac(chip, layer) + layer.derivative.frac - layer.delta.frac
    yield (
        "gate by f': open where it should be closed",
        saturate(
            round_shift(signal * full, bypass, RND, 0) if bypass > 0 else signal * full * (1 << -bypass),
            layer.delta.low,
            layer.delta.high,
        ),
    )
    yield "gate by f': closed where it should be open", 0


def register_causes(expected: int, got: int) -> tuple[str, ...]:
    """Return what a wrong random-word register suggests."""
    found = []
    for name, step in (("xorshift", xorshift), ("LFSR", lfsr)):
        if step(expected) == got:
            found.append(f"random words: one draw too many ({name})")
        if step(got) == expected:
            found.append(f"random words: one draw late ({name})")
    return tuple(found)


def _write_guesses(scene: Scene, layer: int, group: int, place: int, lane: int) -> Iterator[Guess]:
    rows = scene.rows[layer, group]
    row = rows[place]
    described, numerics = scene.chip.network.layers[layer], scene.chip.numerics
    before = int(row.before[lane])
    x = scene.operand(layer, row.row)
    delta = int(scene.vectors["lanes", layer, group][lane]) if ("lanes", layer, group) in scene.vectors else 0
    if row.summed:
        yield "mini-batch sum: sign", before - delta * x
        yield "mini-batch sum: not added", before
        return
    product = _batch_sum(scene, layer, group, row, lane) if scene.chip.learning.batch > 1 else delta * x
    shift = scene.chip.update_shift(described, scene.before.epoch)
    rounding, mode = numerics.update_rounding.code, numerics.overflow.code
    word = int(row.words[lane]) if row.words is not None else 0
    low, high = described.weight.low, described.weight.high

    def written(step: int, how: int = mode) -> int:
        return overflow(before + step, low, high, how)

    step = round_shift(product, shift, rounding, word)
    yield "weight: not written", before
    yield "weight: sign of the step", written(-step)
    yield "weight: wraps instead of saturating", written(step, WRAP)
    yield "weight: saturates instead of wrapping", written(step, SAT)
    yield "weight: saturates symmetrically", saturate(before + step, -high, high)
    yield "weight: saturates one code early", saturate(before + step, low + 1, high - 1)
    yield "weight: step not saturated", before + step
    yield "weight: step of the sample's delta doubled", written(round_shift(2 * product, shift, rounding, word))
    for other, called in ROUNDINGS.items():
        if other != rounding:
            yield (
                f"rounding: {called} instead of {numerics.update_rounding.value}",
                written(round_shift(product, shift, other, 0)),
            )
    for off in (-1, 1):
        if 0 <= shift + off <= 31:
            yield f"shift: {shift + off} instead of {shift}", written(round_shift(product, shift + off, rounding, word))
    if rounding == STOCH and row.words is not None:
        for name, other_word in _other_words(scene, rows, place, lane, group):
            yield name, written(round_shift(product, shift, STOCH, other_word))
        low_draw = word % (1 << shift)
        yield "random words: low bits instead of the top ones", written(round_shift(product + low_draw, shift, TRN, 0))


def _batch_sum(scene: Scene, layer: int, group: int, row: Row, lane: int) -> int:
    """Mini-batch sum that a row of weights is written with."""
    sums = [r.after for r in scene.rows[layer, group] if r.summed and r.row == row.row]
    if sums:
        return int(sums[-1][lane])
    return int(scene.before.gradients[layer][row.row, group * scene.chip.design.lanes + lane])


def _other_words(scene: Scene, rows: list[Row], place: int, lane: int, group: int) -> Iterator[Guess]:
    """Words that a wrong generator, index or time would have used."""
    here = rows[place].words
    assert here is not None
    word = int(here[lane])
    for step, name in ((-1, "one draw late"), (1, "one draw early")):
        drawn = [r for r in rows if r.words is not None]
        at = next(n for n, r in enumerate(drawn) if r is rows[place]) + step
        if 0 <= at < len(drawn):
            other = drawn[at].words
            assert other is not None
            yield f"random words: {name}", int(other[lane])
    neuron = group * scene.chip.design.lanes + lane
    yield "random words: not mixed with the neuron's number", word ^ bit_reverse(neuron)
    yield "random words: mixed with the lane's number, not the neuron's", word ^ bit_reverse(neuron) ^ bit_reverse(lane)
    yield "random words: mirrored", bit_reverse(word)
    for offset in range(1, len(here)):
        yield f"random words: of the lane {offset} further on", int(here[(lane + offset) % len(here)])
    yield "random words: always 0", 0
