"""External memory as plain data: accesses, bits and energies of a step, and rules beside each other on networks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from neuro_emu import __version__
from neuro_emu.errors import RunError
from neuro_emu.estimate.band import Band
from neuro_emu.estimate.external.layers import NetworkTraffic
from neuro_emu.estimate.external.learner import ACCOUNTINGS, Accounting
from neuro_emu.estimate.external.named import PICTURED, label_of, learner_of
from neuro_emu.estimate.external.of_chip import learner_of_chip, network_of_chip
from neuro_emu.estimate.external.step import inference, training_step
from neuro_emu.estimate.external.traffic import KINDS, PHASES, Access, bits_of, place, words_of
from neuro_emu.estimate.technology import Technology
from neuro_emu.machine.deep.either import AnyChip

SCHEMA = 1
Record = dict[str, Any]
BASE = "bp"
"""Rule that others are compared with."""
KIB = 8192
"""Bits of a KiB."""


def step_record(
    accesses: Sequence[Access], capacity: float, dram: Band, samples: int, *, layers: bool = False
) -> Record:
    """Return what a step moves.

    Args:
        accesses: of the step, nothing on the chip.
        capacity: bits on the chip for parameters and kept activations.
        dram: energy of a bit in pJ.
        samples: of the step; energies are a sample's.
        layers: whether every access is listed.

    """
    placed = place(accesses, capacity)
    left, moved = placed.outside, bits_of(placed.outside)
    record: Record = {
        "samples": samples,
        "words": number(words_of(left)),
        "bits": number(moved),
        "read_bits": number(bits_of(a for a in left if not a.writes)),
        "written_bits": number(bits_of(a for a in left if a.writes)),
        "saved_bits": number(placed.saved),
        "energy_pj": (dram * (moved / samples)).as_dict(),
        "by_phase": _split(left, PHASES, lambda a: a.phase),
        "by_kind": _split(left, KINDS, lambda a: a.tensor.kind),
        "on_chip": [tensor.name for tensor in placed.kept],
        "on_chip_bits": sum(tensor.size for tensor in placed.kept),
        "outside": list(dict.fromkeys(a.tensor.name for a in left)),
    }
    if layers:
        record["accesses"] = [
            {
                "phase": a.phase,
                "kind": a.tensor.kind,
                "layer": a.tensor.layer,
                "way": "write" if a.writes else "read",
                "words": number(a.words),
                "bits": number(a.bits),
            }
            for a in left
        ]
    return record


def number(value: float) -> float:
    """Return whole numbers as such; visits of mirror mode leave fractions."""
    return int(value) if value == int(value) else float(f"{value:.9g}")


def _split(accesses: Iterable[Access], names: Sequence[str], key: Any) -> Record:
    """Return words read and written, and bits, by name; without what moves nothing."""
    found: Record = {}
    for access in accesses:
        one = found.setdefault(key(access), {"read": 0.0, "written": 0.0, "bits": 0.0})
        one["written" if access.writes else "read"] += access.words
        one["bits"] += access.bits
    return {
        name: {what: number(value) for what, value in found[name].items()}
        for name in names
        if name in found and found[name]["bits"]
    }


def dram_record(technology: Technology) -> Record:
    """Return the constant behind the energies."""
    constant = technology.constants["dram_energy"]
    return {"technology": technology.name, "source": constant.source} | technology.band("dram_energy").as_dict()


def chip_record(
    chip: AnyChip, capacity_kib: float, technology: Technology, name: str, on_chip: Mapping[str, Band]
) -> Record:
    """Return what a chip moves, a training step and an inference.

    Args:
        chip: its formats, rule and mini-batch count.
        capacity_kib: KiB on the chip for parameters and kept activations.
        technology: its `dram_energy` counts.
        name: of the chip.
        on_chip: energies in pJ of a `training` sample and an `inference` on the chip.

    """
    _check_capacity(capacity_kib)
    network, learner = network_of_chip(chip, name), learner_of_chip(chip)
    dram, capacity = technology.band("dram_energy"), capacity_kib * KIB
    steps = {
        "training": step_record(training_step(network, learner), capacity, dram, learner.batch, layers=True),
        "inference": step_record(inference(network), capacity, dram, 1, layers=True),
    }
    for which, step in steps.items():
        step["together_pj"] = (on_chip[which] + dram * (step["bits"] / step["samples"])).as_dict()
    return {
        "capacity_kib": capacity_kib,
        "working_bits": working_bits(network, learner.batch),
        "dram": dram_record(technology),
    } | steps


def comparison(
    networks: Sequence[NetworkTraffic],
    rules: Sequence[str],
    accountings: Sequence[str],
    technology: Technology,
    *,
    batch: int,
    capacity_kib: float = 0.0,
    generated: bool = False,
    layers: bool = False,
) -> Record:
    """Return rules beside each other on networks, relative to backpropagation with the same memory.

    Args:
        networks: what is trained.
        rules: words as of :func:`learner_of`.
        accountings: names of :data:`ACCOUNTINGS`.
        technology: its constants.
        batch: samples of a step.
        capacity_kib: KiB on the chip for parameters and kept activations.
        generated: whether fixed random matrices are generated instead of stored.
        layers: whether every access is listed.

    Raises:
        RunError: if something named does not exist, or a rule refuses a network.

    """
    _check_capacity(capacity_kib)
    dram, learners = technology.band("dram_energy"), {r: learner_of(r, batch, generated=generated) for r in rules}
    base, entries = learner_of(BASE, batch), []
    for name in accountings:
        counts = accounting(name)
        for network in networks:
            against = place(training_step(network, base, counts), capacity_kib * KIB)
            for rule, learner in learners.items():
                accesses = training_step(network, learner, counts)
                entry = step_record(accesses, capacity_kib * KIB, dram, batch, layers=layers)
                whole = bits_of(against.outside)
                percent = float(f"{100 * entry['bits'] / whole:.6g}") if whole else None
                entries.append({"accounting": name, "network": network.name, "rule": rule, "percent": percent} | entry)
    pictured = [r for r in rules if r in PICTURED] if len(rules) > len(PICTURED) else list(rules)
    return {
        "schema": SCHEMA,
        "version": __version__,
        "batch": batch,
        "capacity_kib": capacity_kib,
        "generated": generated,
        "dram": dram_record(technology),
        "accountings": {name: ACCOUNTINGS[name].about for name in accountings},
        "networks": [_network(network, batch) for network in networks],
        "rules": {rule: label_of(rule) for rule in rules},
        "pictured": pictured or list(rules)[: len(PICTURED)],
        "entries": entries,
    }


def accounting(name: str) -> Accounting:
    """Return what is counted, by name.

    Raises:
        RunError: if there is no such name.

    """
    if name not in ACCOUNTINGS:
        raise RunError(f"accounting {name!r}: one of {', '.join(ACCOUNTINGS)}")
    return ACCOUNTINGS[name]


def _check_capacity(kib: float) -> None:
    if not 0 <= kib < float("inf"):
        raise RunError(f"{kib:g} KiB on the chip: give 0 or more")


def _network(network: NetworkTraffic, batch: int) -> Record:
    return {
        "name": network.name,
        "family": network.family,
        "depth": network.depth,
        "about": network.about,
        "parameters": network.parameters,
        "activations": network.activations,
        "working_bits": working_bits(network, batch),
    }


def working_bits(network: NetworkTraffic, batch: int) -> int:
    """Bits of the buffers that hold what one layer is given and gives, for the mini-batch; not part of a capacity."""
    return batch * max((la.inputs + la.outputs) * la.bits.activation for la in network.layers)
