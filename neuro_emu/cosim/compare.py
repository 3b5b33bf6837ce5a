"""Comparison of what a chip showed with what the emulator shows, and the search for the first difference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from neuro_emu.cosim.causes import likely, likely_of_write, register_causes
from neuro_emu.cosim.mismatch import PHASES, Mismatch
from neuro_emu.cosim.scene import Scene
from neuro_emu.golden.build import Build
from neuro_emu.golden.placement import Placement
from neuro_emu.golden.sets import VectorSet
from neuro_emu.golden.trace import Kind, Record
from neuro_emu.machine.chip import Chip
from neuro_emu.numerics.ops import bank_of

Int64 = NDArray[np.int64]

SKIPPING = ("zero-input skipping, or the order or number of the rows",)


@dataclass(frozen=True)
class Shown:
    """A record as a chip showed it, in which cycle of its sample."""

    record: Record
    cycle: int


@dataclass(frozen=True)
class WrittenRow:
    """A row as a chip wrote it, in which cycle of its sample."""

    layer: int
    group: int
    row: int
    fields: Int64
    cycle: int


@dataclass
class Shows:
    """Everything a chip showed of one set.

    Attributes:
        records: in order; None: no trace was compared.
        predictions: (samples,).
        cycles: (samples,); None: not measured.
        weights: W_k (rows, units) of each layer at the end.
        fault: why the chip did not come to an end; empty if it did.
        flush_cycles: of writing a short last mini-batch; None: not measured.

    """

    records: list[Shown] | None
    predictions: Sequence[int]
    cycles: Sequence[int] | None
    weights: list[Int64] = field(default_factory=list)
    fault: str = ""
    flush_cycles: int | None = None


def first_record(chip: Chip, expected: list[Record], shown: list[Shown]) -> int | None:
    """Return the index of the first record that differs, that is missing or too many; None if all agree."""
    lanes = chip.design.lanes
    for n, (mine, theirs) in enumerate(zip(expected, shown, strict=False)):
        if mine.where != theirs.record.where or not np.array_equal(mine.fields, theirs.record.fields[:lanes]):
            return n
    return None if len(expected) == len(shown) else min(len(expected), len(shown))


def compare(chip: Chip, build: Build, vectors: VectorSet, shows: Shows) -> Mismatch | None:
    """Return the first mismatch of a set, without the details of a written row; None if all agree."""
    expected = vectors.golden
    if shows.records is not None:
        first = first_record(chip, expected.records, shows.records)
        if first is not None:
            found = record_mismatch(chip, build, vectors, first, shows.records)
            return replace(found, note="; ".join(text for text in (found.note, shows.fault) if text))
    if shows.fault:
        return Mismatch(shows.fault, None, None, vectors=vectors.name)
    return _numbers(vectors, shows) or _final_weights(chip, vectors, shows)


def _numbers(vectors: VectorSet, shows: Shows) -> Mismatch | None:
    expected = vectors.golden
    for n, (mine, theirs) in enumerate(zip(expected.predictions, shows.predictions, strict=True)):
        if mine != theirs:
            return Mismatch("prediction", mine, int(theirs), 17, vectors.name, sample=n)
    if shows.cycles is not None:
        for n, (mine, theirs) in enumerate(zip(expected.cycles, shows.cycles, strict=True)):
            if mine != theirs:
                return Mismatch("clock cycles of a sample", mine, int(theirs), 32, vectors.name, sample=n)
    if shows.flush_cycles is not None and shows.flush_cycles != expected.flush_cycles:
        what = "clock cycles of writing the last mini-batch"
        return Mismatch(what, expected.flush_cycles, shows.flush_cycles, 32, vectors.name)
    return None


def _final_weights(chip: Chip, vectors: VectorSet, shows: Shows) -> Mismatch | None:
    state = vectors.golden.state
    assert state is not None
    for layer, mine_w, theirs_w in zip(chip.network.layers, state.weights, shows.weights, strict=True):
        differs = np.argwhere(mine_w != theirs_w)
        if len(differs):
            row, neuron = (int(n) for n in differs[0])
            return weight_mismatch(
                chip, vectors.name, layer.index, row, neuron, int(mine_w[row, neuron]), int(theirs_w[row, neuron])
            )
    return None


def weight_mismatch(chip: Chip, vectors: str, layer: int, row: int, neuron: int, expected: int, got: int) -> Mismatch:
    """Describe a final weight that differs."""
    bank, address = place_of(chip, layer, row, neuron)
    bits = chip.network.layers[layer].weight.bits
    return Mismatch(
        "final weight", expected, got, bits, vectors, layer=layer, neuron=neuron, input=row, bank=bank, address=address
    )


def place_of(chip: Chip, layer: int, row: int, neuron: int) -> tuple[int, int]:
    """(bank, address within it) of one weight."""
    group = neuron // chip.design.lanes
    address = group * chip.network.layers[layer].rows + row
    banks = chip.design.weight_banks
    return bank_of(address, banks), Placement.of(chip).weight_bases[layer] + address // banks


def record_mismatch(chip: Chip, build: Build, vectors: VectorSet, index: int, shown: list[Shown]) -> Mismatch:
    """Describe the record that differs, or that is missing or too many."""
    records = vectors.golden.records
    nothing = Mismatch("", None, None, build.trace_bits, vectors.name)
    if index >= len(records):
        extra = shown[index]
        here = replace(nothing, sample=extra.record.sample, layer=extra.record.layer, cycle=extra.cycle)
        return replace(here, what=f"a record too many: {PHASES[extra.record.kind]}", got=int(extra.record.fields[0]))
    mine = records[index]
    first = mine.group * chip.design.lanes
    here = replace(nothing, sample=mine.sample, layer=mine.layer, neuron=first, expected=int(mine.fields[0]))
    if index >= len(shown):
        return replace(here, what=f"a record is missing: {PHASES[mine.kind]}")
    theirs = shown[index]
    here = replace(here, cycle=theirs.cycle)
    if mine.where == theirs.record.where:
        return _fields_mismatch(chip, build, vectors, mine, theirs.record, here)
    there = theirs.record
    note = f"the chip shows {PHASES[there.kind]} of sample {there.sample}, layer {there.layer}, group {there.group}"
    return replace(
        here,
        what=f"order of phases: {PHASES[mine.kind]} is due",
        got=int(there.fields[0]),
        cause=_order_causes(mine, there),
        note=note,
    )


def _fields_mismatch(
    chip: Chip, build: Build, vectors: VectorSet, mine: Record, theirs: Record, here: Mismatch
) -> Mismatch:
    got = theirs.fields[: chip.design.lanes]
    wrong = np.flatnonzero(mine.fields != got)
    lane = int(wrong[0])
    named = mine.kind is not Kind.RESULT
    causes: tuple[str, ...] = ()
    if mine.kind is Kind.WORDS:
        causes = register_causes(int(mine.fields[lane]), int(got[lane]))
    elif mine.kind not in {Kind.WRITES, Kind.RESULT}:
        scene = Scene.of(chip, vectors.state, vectors.samples, mine.sample)
        valid = chip.design.valid(chip.network.layers[mine.layer].units, mine.group)
        causes = likely(scene, mine.kind, mine.layer, mine.group, mine.fields[:valid], got[:valid])
    return replace(
        here,
        what=PHASES[mine.kind],
        expected=int(mine.fields[lane]),
        got=int(got[lane]),
        bits=_bits(chip, build, mine),
        neuron=mine.group * chip.design.lanes + lane if named else None,
        cause=causes,
        note=f"{len(wrong)} of {chip.design.lanes} lanes differ" if named and chip.design.lanes > 1 else "",
    )


def _order_causes(mine: Record, theirs: Record) -> tuple[str, ...]:
    if mine.sample != theirs.sample:
        return ("the error gate, or the learning of hidden layers: one side learns where the other does not",)
    if mine.kind is theirs.kind and mine.layer != theirs.layer:
        return ("order of the layers",)
    if mine.kind is theirs.kind and mine.group != theirs.group:
        return ("order of the groups",)
    return ("the rule, its need (label or error), or the error gate",)


def _bits(chip: Chip, build: Build, record: Record) -> int:
    layer = chip.network.layers[record.layer]
    widths = {
        Kind.Z: chip.numerics.accumulator_bits,
        Kind.Y: layer.output.bits,
        Kind.SIGNAL: max(build.feedback_bits, build.delta_bits),
        Kind.DELTA: layer.delta.bits,
    }
    return widths.get(record.kind, 32)


def written_mismatch(
    chip: Chip, vectors: VectorSet, record: Record, written: list[WrittenRow], known: Mismatch
) -> Mismatch:
    """Find the row behind a wrong signature.

    Args:
        chip: the chip.
        vectors: the set.
        record: the signature's record as expected.
        written: what the chip wrote during that sample.
        known: the mismatch of the signature.

    """
    last = record.sample == len(vectors.samples) - 1
    scene = Scene.of(chip, vectors.state, vectors.samples, record.sample, flush=vectors.flush and last)
    rows = scene.rows[record.layer, record.group]
    theirs = [row for row in written if (row.layer, row.group) == (record.layer, record.group)]
    layer = chip.network.layers[record.layer]
    first = record.group * chip.design.lanes
    at = Mismatch("", None, None, vectors=vectors.name, sample=record.sample, layer=record.layer, neuron=first)
    at = replace(at, bits=layer.weight.bits)
    for place, mine in enumerate(rows):
        bank, address = place_of(chip, record.layer, mine.row, first)
        here = replace(at, input=mine.row, bank=bank, address=address)
        if place >= len(theirs):
            return replace(here, what="update, a row is not written", expected=int(mine.after[0]), cause=SKIPPING)
        got = theirs[place]
        here = replace(here, cycle=got.cycle)
        if got.row != mine.row:
            what = "update, another row is written"
            return replace(here, what=what, expected=mine.row, got=got.row, bits=17, cause=SKIPPING)
        wrong = np.flatnonzero(mine.after != got.fields[: len(mine.after)])
        if len(wrong):
            lane = int(wrong[0])
            return replace(
                here,
                what="update, mini-batch sum" if mine.summed else PHASES[Kind.WRITES],
                bits=64 if mine.summed else layer.weight.bits,
                expected=int(mine.after[lane]),
                got=int(got.fields[lane]),
                neuron=first + lane,
                cause=likely_of_write(scene, record.layer, record.group, place, [row.fields for row in theirs]),
                note=f"{len(wrong)} of {len(mine.after)} lanes differ in this row",
            )
    if len(theirs) > len(rows):
        extra = theirs[len(rows)]
        here = replace(at, input=extra.row, cycle=extra.cycle, got=int(extra.fields[0]))
        return replace(here, what="update, a row too many is written", cause=SKIPPING)
    return known
