"""The files of a set of golden vectors, and how they are read back."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from neuro_emu.errors import RunError
from neuro_emu.golden.build import Build
from neuro_emu.golden.images import Image, Memory, feedback_image, matrices_of, table_images, weight_images
from neuro_emu.golden.packing import hex_lines, pack_rows, unpack_rows, words_of_lines
from neuro_emu.golden.placement import Placement
from neuro_emu.golden.sets import VectorSet
from neuro_emu.golden.settings import register_writes
from neuro_emu.golden.trace import Kind, Record, Samples
from neuro_emu.machine.chip import Chip
from neuro_emu.machine.initialise import initial_state
from neuro_emu.network.state import ChipState

LEARN = 1 << 31
"""Bit of a line of labels.mem: the sample is learned from."""


def set_files(chip: Chip, build: Build, vectors: VectorSet) -> dict[str, str]:
    """Return name → content of every file of one set."""
    state, samples, expected = vectors.state, vectors.samples, vectors.golden
    assert expected.state is not None
    registers = register_writes(chip, state)
    sizes = [
        len(samples),
        samples.codes.shape[1],
        len(expected.records),
        len(registers),
        int(chip.learning.batch > 1),
        int(vectors.flush),
        *[0] * 4,
    ]
    labels = [int(label) + LEARN * bool(learn) for label, learn in zip(samples.labels, samples.learn, strict=True)]
    files = {
        "sizes.mem": hex_lines(sizes, 32),
        "registers.mem": hex_lines([number * (1 << 32) + word for number, word in registers], 48),
        "codes.mem": hex_lines(samples.codes.reshape(-1).tolist(), build.code_bits),
        "labels.mem": hex_lines(labels, 32),
        "records.mem": hex_lines(
            [record_word(build, r) for r in expected.records], 64 + build.lanes * build.trace_bits
        ),
        "predictions.mem": hex_lines(expected.predictions, 32),
        "cycles.mem": hex_lines(expected.cycles, 32),
        "feedback.mem": _image_lines(feedback_image(chip, build, state)),
    }
    for name, image in zip(("tables.mem", "derivatives.mem"), table_images(chip, build), strict=True):
        files[name] = _image_lines(image)
    for image in weight_images(chip, build, state.weights, Memory.WEIGHTS):
        files[f"weights_{image.bank}.mem"] = _image_lines(image)
    for image in weight_images(chip, build, expected.state.weights, Memory.WEIGHTS):
        files[f"final_{image.bank}.mem"] = _image_lines(image)
    return files


def record_word(build: Build, record: Record) -> int:
    """Return a record as the testbench compares it: sample 32, kind 4, layer 8, group 20, then the lanes."""
    header = 0
    for value, bits in ((record.sample, 32), (int(record.kind), 4), (record.layer, 8), (record.group, 20)):
        header = header * (1 << bits) + value
    fields = np.zeros((1, build.lanes), dtype=np.int64)
    fields[0, : len(record.fields)] = record.fields
    return header * (1 << (build.lanes * build.trace_bits)) + pack_rows(fields, build.trace_bits)[0]


def record_of_word(build: Build, word: int) -> Record:
    """Undo :func:`record_word`."""
    header, data = divmod(word, 1 << (build.lanes * build.trace_bits))
    header, group = divmod(header, 1 << 20)
    header, layer = divmod(header, 1 << 8)
    sample, kind = divmod(header, 1 << 4)
    fields = unpack_rows([data], build.trace_bits, build.lanes)[0]
    if kind in (Kind.WORDS, Kind.WRITES):
        fields = np.mod(fields, 1 << 32)
    return Record(sample, Kind(kind) if kind < len(Kind) else Kind.Z, layer, group, fields)


def read_state(chip: Chip, build: Build, folder: Path, epoch: int) -> ChipState:
    """Return the initial state that a set's images hold."""
    state = initial_state(chip)
    place, classes = Placement.of(chip), chip.network.classes
    banks = [_rows(folder / f"weights_{bank}.mem", build.weight_bits, build.lanes) for bank in range(build.banks)]
    state.weights = [matrix.astype(np.int32) for matrix in matrices_of(chip, banks)]
    rows = _rows(folder / "feedback.mem", build.feedback_bits, build.lanes)
    for layer in chip.network.hidden:
        for group in range(chip.design.groups(layer.units)):
            first = group * chip.design.lanes
            width = chip.design.valid(layer.units, group)
            start = place.feedback_bases[layer.index] + group * classes
            state.feedback[layer.index][:, first : first + width] = rows[start : start + classes, :width]
    state.epoch = epoch
    return state


def read_samples(folder: Path, inputs: int) -> Samples:
    """Return a set's stimuli."""
    codes = np.array(_words(folder / "codes.mem"), dtype=np.uint8).reshape(-1, inputs)
    labels = np.array(_words(folder / "labels.mem"), dtype=np.int64)
    return Samples(codes, labels % LEARN, labels >= LEARN)


def _words(path: Path) -> list[int]:
    try:
        return words_of_lines(path.read_text(encoding="ascii"))
    except (OSError, ValueError) as error:
        raise RunError(f"cannot read {path}: {error}; export the vectors again") from error


def _rows(path: Path, bits: int, fields: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    return unpack_rows(_words(path), bits, fields)


def _image_lines(image: Image) -> str:
    return hex_lines(pack_rows(image.codes, image.bits), image.bits * image.codes.shape[1])
