"""A configured chip as a design: its parts, and what a training sample and an inference make them do."""

from __future__ import annotations

from neuro_emu.estimate.chip_parts import limits, parts_of
from neuro_emu.estimate.chip_uses import uses_of
from neuro_emu.estimate.parts import Design, Workload
from neuro_emu.machine.chip import Chip
from neuro_emu.machine.counts import Counts


def design_of(
    chip: Chip,
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
    parts = parts_of(chip, learning=training is not None)
    workloads = []
    for title, counted in (("inference", inference), ("training", training)):
        if counted is not None:
            counts, samples = counted
            uses = uses_of(chip, counts, samples, parts)
            workloads.append(Workload(title, counts.cycles / samples, uses, about))
    return Design(name, parts, tuple(workloads), limits(chip))
