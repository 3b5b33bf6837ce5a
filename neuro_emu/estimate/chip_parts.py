"""The parts of a chip that a configuration describes: lanes, control, memories."""

from __future__ import annotations

from neuro_emu.errors import MismatchError
from neuro_emu.estimate import blocks
from neuro_emu.estimate.components import normalisation, update
from neuro_emu.estimate.components.arithmetic import adder, multiplier, subtractor
from neuro_emu.estimate.components.storage import multiplexer, register
from neuro_emu.estimate.gates import Gates
from neuro_emu.estimate.parts import Part
from neuro_emu.golden.build import Build, limits_of
from neuro_emu.machine.chip import Chip
from neuro_emu.machine.design import MemoryMacro
from neuro_emu.numerics.activations import SOFTMAX

ALWAYS = ("lane array", "output stage", "sequencer", "row path", "core", "lane weight out", "lane gradient")
"""Parts whose flip-flops are clocked in every cycle; those of the others wait for an enable."""

CONTROL = ("lane array", "row finder", "sequencer", "registers", "row path", "core", "code memory")
"""Blocks that work in every cycle and not on demand."""

_KINDS = {"multiplier": "multiplier_block", "accumulate": "accumulator_block", "gradient": "adder_block"}
_KINDS |= {"update": "update_block", "random words": "random_block", "operand select": "block"}

LEARNED = ("update", "project", "gate", "gradient")
"""Parts of a lane that are there for learning alone."""


def parts_of(chip: Chip, *, learning: bool = True) -> tuple[Part, ...]:
    """Return the parts of a chip, or of the chip that can only infer with its weights.

    Logic is that of the RTL, built as small as the chip allows; what the RTL does not have (rules that need the chain
    of errors, momentum, normalisation) is added from the component library. Memories are those of the machine model.
    """
    build = Build.of(chip)
    found = logic_of(build, learning=learning)
    if learning:
        found += _beside_rtl(chip, build)
    found += [memory_part(macro) for macro in chip.memories() if learning or _infers(macro)]
    return tuple(found)


def logic_of(build: Build, *, learning: bool) -> list[Part]:
    """Return lanes and blocks of the core built as *build*, or of one that only infers."""
    found = _lanes(build, learning)
    for name, gates in blocks.blocks_of(build, learning=learning).items():
        if name != "lanes":
            units = build.units if name == "activation units" else 1
            found.append(_block(name, Gates(gates.logic / units, gates.flops // units), units))
    return found


def _block(name: str, gates: Gates, count: int = 1) -> Part:
    kind = "control" if name in CONTROL else _KINDS.get(name, "configured_block")
    learns = name == "random words"
    attributes = {"logic": round(gates.logic, 1), "flops": gates.flops}
    return Part(name, kind, attributes, count, learns, "block of the RTL (neuro_emu/estimate/blocks.py)")


def _lanes(build: Build, learning: bool) -> list[Part]:
    found = []
    for name, gates in blocks.lane(build, learning=learning).items():
        if name == "registers":
            found += _lane_registers(build, gates, learning)
            continue
        attributes = {"logic": round(gates.logic, 1), "flops": gates.flops}
        learns = name in LEARNED
        found.append(
            Part(f"lane {name}", _KINDS.get(name, "configured_block"), attributes, build.lanes, learns, "of every lane")
        )
    return found


def _lane_registers(build: Build, gates: Gates, learning: bool) -> list[Part]:
    """Return the registers of a lane by what enables them; gates in front of them in proportion."""
    factor = max(build.weight_bits, build.feedback_bits, build.delta_bits) if learning else build.weight_bits
    operand = max(build.code_bits, build.delta_bits) if learning else build.code_bits
    bits = {"lane operands": factor + operand, "lane accumulator": build.accumulator_bits}
    if learning:
        bits["lane operands"] += build.weight_bits + 1  # the weight and whether it is kept come along
        bits["lane weight out"] = build.weight_bits
        bits["lane signals"] = 2 * build.delta_bits
    if sum(bits.values()) != gates.flops:
        raise MismatchError(f"registers of a lane: {sum(bits.values())} bits by name, {gates.flops} in all")
    enabled = gates.flops - bits.get("lane weight out", 0)
    found = []
    for name, flops in bits.items():
        logic = 0.0 if name == "lane weight out" else round(gates.logic * flops / enabled, 1)
        learns = name in {"lane weight out", "lane signals"}
        found.append(Part(name, "block", {"logic": logic, "flops": flops}, build.lanes, learns, "of every lane"))
    return found


def _beside_rtl(chip: Chip, build: Build) -> list[Part]:
    """Return logic that the chip needs and the RTL has not; sizes by the component library, checked against nothing."""
    found = []
    learning, weight = chip.learning, build.weight_bits

    def more(name: str, gates: Gates, kind: str = "adder_block", count: int = 1) -> None:
        attributes = {"logic": round(gates.logic, 1), "flops": gates.flops}
        found.append(Part(name, kind, attributes, count, learns=True, note="not in the RTL: a model"))

    if any(step.op in {"transpose", "transpose_sign"} for step in chip.plan.steps) or _twins(chip):
        more("adder tree", adder(build.accumulator_bits), count=max(build.lanes - 1, 1))
    if _twins(chip):
        more("lane twin update", update.add_step(weight, weight + build.code_bits), "update_block", build.lanes)
    if learning.sums and not build.gradient_bits:
        bits = max(learning.momentum.velocity.bits if learning.momentum else 0, weight + build.code_bits)
        more("lane gradient", adder(bits) + register(2 * bits), count=build.lanes)
    if learning.momentum:
        bits = learning.momentum.velocity.bits
        more(
            "lane velocity",
            normalisation.velocity_sum(bits, max(build.gradient_bits, bits), bits + 8),
            count=build.lanes,
        )
    if learning.weight_norm:
        more("lane scale", multiplier(weight, 24), "multiplier_block", build.lanes)
        # A bit of the root, then of the quotient, a cycle: a subtractor, a choice and three registers of 48 bits.
        serial = subtractor(48) + multiplexer(48, 2) + register(3 * 48, enable=True)
        more("lane root and divider", serial, count=build.lanes)
    return found


def _twins(chip: Chip) -> bool:
    return any(use.twin for use in chip.plan.feedback)


def memory_part(macro: MemoryMacro, *, learns: bool | None = None) -> Part:
    """Return a memory as a part; *learns*: whether it is there for learning alone, None: by its name."""
    attributes: dict[str, int | float | str] = {"words": macro.words, "bits": macro.bits}
    component = "rom" if macro.ports == "ROM" else "sram"
    if component == "sram":
        attributes["ports"] = macro.ports
    alone = not _infers(macro) if learns is None else learns
    return Part(macro.name, component, attributes, macro.banks, alone, macro.holds)


_FORWARD = ("input", "weights[", "outputs[", "table[", "exponential", "tested[")


def _infers(macro: MemoryMacro) -> bool:
    """Whether a memory is needed for inference."""
    softmax = macro.name.startswith("preactivation[") and "softmax" in macro.holds
    return macro.name.startswith(_FORWARD) or softmax


def limits(chip: Chip) -> tuple[str, ...]:
    """Say what an estimate of *chip* leaves out or only models."""
    found = ["Pads, clock generator, power grid and test logic are left out."]
    missing = limits_of(chip)
    if missing:
        found.append(f"Not in the RTL, so modelled and never synthesised: {'; '.join(missing)}.")
    if any(chip.plan.classifiers):
        found.append("Accesses to local classifiers are counted, and so priced, with those of their layer's weights.")
    ops = {step.op for step in chip.plan.steps}
    left = {
        "the division of softmax": chip.network.output.activation == SOFTMAX,
        "comparators of dropout": bool(chip.learning.dropout),
        "noise of mirror mode": bool(chip.plan.mirror),
        "means of pooled windows": "pool" in ops,
        "energy of roots and divisions (their registers are held)": bool(chip.learning.weight_norm),
        "buffers of pooled and random activations (charged as outputs)": bool(
            ops.intersection({"pool", "random_forward"})
        ),
    }
    if named := [name for name, there in left.items() if there]:
        found.append(f"Not estimated: {'; '.join(named)}.")
    return tuple(found)
