"""A configured chip as a design: its parts, and what a training sample and an inference make them do."""

from __future__ import annotations

from neuro_emu.estimate import chip_parts, chip_uses
from neuro_emu.estimate.parts import Design, Workload
from neuro_emu.machine.counts import Counts
from neuro_emu.machine.deep.chip import DeepChip
from neuro_emu.machine.deep.either import AnyChip


def design_of(
    chip: AnyChip,
    training: tuple[Counts, int] | None,
    inference: tuple[Counts, int],
    about: str,
    name: str = "chip",
) -> Design:
    """Return the design of a chip that was counted.

    Args:
        chip: the chip.
        training: counts of training and their samples; None: the chip that only infers.
        inference: counts of inference and their samples.
        about: what the counts stand on.
        name: of the design.

    """
    if isinstance(chip, DeepChip):
        return _of_graph(chip, training, inference, about, name)
    parts = chip_parts.parts_of(chip, learning=training is not None)
    workloads = []
    for title, counted in (("inference", inference), ("training", training)):
        if counted is not None:
            counts, samples = counted
            uses = chip_uses.uses_of(chip, counts, samples, parts)
            workloads.append(Workload(title, counts.cycles / samples, uses, about))
    return Design(name, parts, tuple(workloads), chip_parts.limits(chip))


def _of_graph(
    chip: DeepChip, training: tuple[Counts, int] | None, inference: tuple[Counts, int], about: str, name: str
) -> Design:
    """Return the design of a chip whose network is a graph."""
    from neuro_emu.estimate import deep_parts, deep_uses  # the walk over graphs, which dense chips do not need

    parts = deep_parts.parts_of(chip, learning=training is not None)
    workloads = []
    for title, counted in (("inference", inference), ("training", training)):
        if counted is not None:
            counts, samples = counted
            uses = deep_uses.uses_of(chip, counts, samples, parts, learning=title == "training")
            workloads.append(Workload(title, counts.cycles / samples, uses, about))
    return Design(name, parts, tuple(workloads), deep_parts.limits(chip))
