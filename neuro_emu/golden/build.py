"""What a chip of silicon has room for: the parameters of rtl_models/core/nemu_core.sv."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields

from neuro_emu.golden.placement import Placement, gate_shift, project_shift
from neuro_emu.machine.chip import Chip
from neuro_emu.network.layers import DenseLayer
from neuro_emu.numerics import SEMANTICS_VERSION

MOST_LAYERS = 14
"""Layers that the register map has room for."""


@dataclass(frozen=True)
class Build:
    """One build of the RTL; registers choose among the chips that it holds.

    Attributes:
        lanes: lanes built; fewer may be used.
        banks: weight banks built, a power of two.
        units: activation units built.
        layers: layers that have registers and tables.
        weight_bits: widest weight.
        feedback_bits: widest feedback code.
        code_bits: widest input or output code as a signed number.
        delta_bits: widest modulatory signal or projection.
        accumulator_bits: widest accumulator; projections are summed in it without clamping.
        aligned_bits: widest value between a left shift and its saturation.
        gradient_bits: mini-batch sums; 0 without mini-batches.
        codes: words of the code memory.
        weight_rows: rows in each weight bank.
        feedback_rows: rows of the feedback memory.
        kept_groups: hidden groups whose pre-activations wait for the error.
        error_groups: groups of the output layer.

    """

    lanes: int
    banks: int
    units: int
    layers: int
    weight_bits: int
    feedback_bits: int
    code_bits: int
    delta_bits: int
    accumulator_bits: int
    aligned_bits: int
    gradient_bits: int
    codes: int
    weight_rows: int
    feedback_rows: int
    kept_groups: int
    error_groups: int

    @classmethod
    def of(cls, chip: Chip) -> Build:
        """Return the smallest build that holds *chip*."""
        design, network = chip.design, chip.network
        place = Placement.of(chip)
        return cls(
            lanes=design.lanes,
            banks=design.weight_banks,
            units=min(design.activation_units, design.lanes),
            layers=len(network.layers),
            weight_bits=max(2, *(layer.weight.bits for layer in network.layers)),
            feedback_bits=max([2, *(layer.feedback.bits for layer in network.hidden if layer.feedback)]),
            code_bits=max(2, *(_code_bits(layer) for layer in network.layers)),
            delta_bits=max(2, *(max(la.delta.bits, la.projection.bits) for la in network.layers)),
            accumulator_bits=max(
                chip.numerics.accumulator_bits, *(_projection_bits(chip, la) for la in network.layers)
            ),
            aligned_bits=max(8, *(_aligned_bits(chip, layer) for layer in network.layers)),
            gradient_bits=max(_gradient_bits(chip, la) for la in network.layers) if chip.learning.batch > 1 else 0,
            codes=place.codes,
            weight_rows=place.weight_rows,
            feedback_rows=max(1, place.feedback_rows),
            kept_groups=max(1, sum(design.groups(layer.units) for layer in network.hidden)),
            error_groups=design.groups(network.classes),
        )

    @classmethod
    def of_all(cls, chips: list[Chip]) -> Build:
        """Return the smallest build that holds each of *chips*."""
        builds = [cls.of(chip) for chip in chips]
        return cls(**{field.name: max(getattr(build, field.name) for build in builds) for field in fields(cls)})

    def misfits(self, chip: Chip) -> list[str]:
        """Say what of *chip* this build has no room for; empty if it holds it."""
        needed = asdict(Build.of(chip))
        lines = [
            f"{name} {needed[name]} > {built} built" for name, built in asdict(self).items() if needed[name] > built
        ]
        return lines + limits_of(chip)

    @property
    def parameters(self) -> dict[str, int]:
        """The parameters of `nemu_core`."""
        return {
            "Lanes": self.lanes,
            "Banks": self.banks,
            "Units": self.units,
            "Layers": self.layers,
            "WeightW": self.weight_bits,
            "FeedbackW": self.feedback_bits,
            "CodeW": self.code_bits,
            "DeltaW": self.delta_bits,
            "AccW": self.accumulator_bits,
            "MidW": max(self.aligned_bits, self.accumulator_bits + 1, max(self.feedback_bits, self.delta_bits) + 9),
            "GradientW": self.gradient_bits,
            "Codes": self.codes,
            "WeightRows": self.weight_rows,
            "FeedbackRows": self.feedback_rows,
            "KeptGroups": self.kept_groups,
            "ErrorGroups": self.error_groups,
            "Semantics": int(SEMANTICS_VERSION),
        }

    @property
    def write_bits(self) -> int:
        """Width of a lane's field in a written row."""
        return max(self.weight_bits, self.gradient_bits)

    @property
    def memory_bits(self) -> int:
        """Width of the memory port."""
        return max(self.lanes * self.write_bits, self.lanes * self.feedback_bits, self.code_bits, 8)

    @property
    def trace_bits(self) -> int:
        """Width of a lane's field in a trace record."""
        return 64 if self.accumulator_bits > 32 else 32


def limits_of(chip: Chip) -> list[str]:
    """Say why no build of the RTL can hold *chip*; empty if one can."""
    found = []
    if len(chip.network.layers) > MOST_LAYERS:
        found.append(f"{len(chip.network.layers)} layers; the register map has room for {MOST_LAYERS}")
    gate = chip.learning.error_gate
    if gate is not None and gate < -(1 << 31):
        found.append(f"error_gate {gate}; its register has 32 bits")
    if chip.learning.rule.name not in RULES_BUILT:
        found.append(f"rule {chip.learning.rule.name}; the RTL learns with {', '.join(RULES_BUILT)}")
    found += _beside_rules(chip)
    widest = max(layer.units for layer in chip.network.layers) + chip.design.lanes
    if widest >= 1 << 17:
        found.append(f"{widest} neurons and lanes in a layer; its counters have 17 bits")
    place = Placement.of(chip)
    for words, bits, what in (
        (place.codes, 20, "codes"),
        (place.weight_rows, 24, "rows of weights"),
        (place.feedback_rows, 24, "rows of feedback"),
    ):
        if words > 1 << bits:
            found.append(f"{words} {what}; their addresses have {bits} bits")
    if chip.design.weight_banks > 1 << 6:
        found.append(f"{chip.design.weight_banks} weight banks; the row path has room for 64")
    return found


def _beside_rules(chip: Chip) -> list[str]:
    """Say what around the rule the RTL has not."""
    learning = chip.learning
    missing = {
        "weight decay": learning.weight_decay,
        "momentum": learning.momentum,
        "weight normalisation": learning.weight_norm,
        "dropout": learning.dropout,
        "Adam": learning.adam,
    }
    found = [f"{name}; the RTL has none" for name, wanted in missing.items() if wanted]
    if learning.loss != "bce" or learning.targets.hot != 1:
        found.append(f"loss {learning.loss}, {learning.targets.hot} hot outputs; the RTL has bce and one hot output")
    if chip.network.layers[0].input.signed:
        found.append(f"signed inputs {chip.network.layers[0].input}; the RTL's are bytes")
    return found


RULES_BUILT = ("shallow", "drtp", "dfa", "sdfa")
"""Rules of the RTL, in the order of its `signal` register."""


def _code_bits(layer: DenseLayer) -> int:
    """Width of the widest code around a layer as a signed number."""
    return max(fmt.bits + (not fmt.signed) for fmt in (layer.input, layer.output))


def _signed_bits(bound: int) -> int:
    """Width of a signed number of at most *bound* in magnitude."""
    return bound.bit_length() + 1


def _projection_bits(chip: Chip, layer: DenseLayer) -> int:
    if layer.feedback is None or chip.learning.rule.name not in {"dfa", "sdfa"}:
        return 2
    factor = chip.network.output.delta.magnitude if chip.learning.rule.name == "dfa" else 1
    return _signed_bits(chip.network.classes * layer.feedback.magnitude * factor)


def _gradient_bits(chip: Chip, layer: DenseLayer) -> int:
    return _signed_bits(chip.learning.batch * layer.delta.magnitude * layer.input.magnitude)


def _aligned_bits(chip: Chip, layer: DenseLayer) -> int:
    """Width after the widest left shift of anything that is requantised."""
    acc = min(chip.numerics.accumulator_bits, _signed_bits(layer.accumulator_bound))
    widths = [acc - min(layer.preactivation_shift, 0)]
    widths.append(8 - min(layer.table_frac - layer.output.frac, 0))
    output = chip.network.output
    widths.append(_code_bits(output) + 1 - min(output.output.frac - output.delta.frac, 0))
    if layer.feedback is not None and chip.learning.rule.name != "shallow":
        signal = max(layer.feedback.bits, layer.projection.bits)
        widths.append(signal + 9 - min(gate_shift(chip, layer), 0))
        widths.append(_projection_bits(chip, layer) - min(project_shift(chip, layer), 0))
    return max(widths)
