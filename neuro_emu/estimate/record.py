"""An estimate as plain data: every figure, what it is made of, and the constants that stand behind it."""

from __future__ import annotations

from typing import Any

from neuro_emu import __version__
from neuro_emu.estimate.activity_factors import GLITCH
from neuro_emu.estimate.band import Band
from neuro_emu.estimate.cost import Cost, WorkloadCost
from neuro_emu.estimate.parts import Part
from neuro_emu.estimate.sram import SramFit
from neuro_emu.estimate.technology import CONSTANTS, Technology, memory_fits

SCHEMA = 1
Record = dict[str, Any]


def record_of(cost: Cost, without: Cost | None = None) -> Record:
    """Return the record of an estimate.

    Energies are in pJ, powers in µW, areas in µm², times in µs.

    Args:
        cost: the chip.
        without: the same chip without learning, for what learning adds.

    """
    technology = cost.prices.technology
    return {
        "schema": SCHEMA,
        "version": __version__,
        "name": cost.design.name,
        "technology": {
            "name": technology.name,
            "title": technology.title,
            "node_nm": technology.node_nm,
            "voltage": cost.prices.voltage,
            "nominal_voltage": technology.nominal_voltage,
            "clock_mhz": cost.clock_mhz,
        },
        "area_um2": cost.area.as_dict(),
        "leakage_uw": cost.leakage.as_dict(1e-3),
        "memory_bits": memory_bits(cost),
        "workloads": {name: _workload(one) for name, one in cost.workloads.items()},
        "learning": None if without is None else _learning(cost, without),
        "parts": [_part(cost, part) for part in cost.design.parts],
        "constants": constants_record(technology),
        "glitches": {name: {"low": low, "value": value, "high": high} for name, (low, value, high) in GLITCH.items()},
        "sram": sram_record(technology),
        "limits": list(cost.design.limits),
    }


def sram_record(technology: Technology) -> Record:
    """Return how memories come about: routes, spreads and largest macros."""
    sram = technology.sram
    return {
        "routes": [
            {"fit": r.fit, "energy": r.energy, "area": r.area, "leakage": r.leakage, "source": r.source}
            | _fit(memory_fits()[r.fit])
            for r in sram.routes
        ],
        "energy_spread": sram.energy_spread,
        "area_spread": sram.area_spread,
        "leakage_spread": sram.leakage_spread,
        "widest": sram.widest,
        "deepest": sram.deepest,
        "why": sram.why,
    }


def _fit(fit: SramFit) -> Record:
    """Return what a fit is: coefficients of its terms (w bits, d words), and factors of memories with two ports."""
    curves = {"read_pj": fit.read_pj, "write_pj": fit.write_pj, "area_um2": fit.area_um2, "leak_nw": fit.leak_nw}
    return {
        "kind": fit.kind,
        "node_nm": fit.node_nm,
        "voltage": fit.voltage,
        "terms": {
            name: {term: value for term, value in curve.coefficients.items() if value} for name, curve in curves.items()
        },
        "rms_percent": {name: curve.rms for name, curve in curves.items()},
        "energy_band": fit.energy_band.as_dict(),
        "area_band": fit.area_band.as_dict(),
        "two_ports": {
            name: getattr(fit.two_port, key).nominal
            for name, key in (("read_pj", "read"), ("write_pj", "write"), ("area_um2", "area"), ("leak_nw", "leak"))
        },
    }


def constants_record(technology: Technology) -> Record:
    """Return every constant with all that is known of it."""
    return {
        name: {
            "value": constant.value,
            "low": constant.low,
            "high": constant.high,
            "unit": constant.unit,
            "kind": constant.kind,
            "node_nm": constant.node_nm or technology.node_nm,
            "at_voltage": constant.at_voltage,
            "source": constant.source,
            "about": CONSTANTS[name][1],
        }
        for name, constant in technology.constants.items()
    }


def memory_bits(cost: Cost) -> int:
    """Bits of all memories on the chip."""
    return sum(
        int(part.attributes["words"]) * int(part.attributes["bits"]) * part.count
        for part in cost.design.parts
        if part.component in {"sram", "rom"}
    )


def _workload(one: WorkloadCost) -> Record:
    uses = []
    for spent in one.spent:
        use = spent.use
        entry: Record = {"phase": use.phase, "layer": use.layer, "part": use.part, "action": use.action}
        if use.span is not None:
            entry["count_range"] = [_short(end) for end in use.span]
        entry |= {"count": _short(use.count), "each_pj": spent.each.as_dict(1e-3)}
        entry |= {"energy_pj": spent.energy.as_dict(1e-3), "from": use.why}
        if spent.seen is not None:
            entry["operands_seen"] = _short(spent.seen)
        uses.append(entry)
    return {
        "about": one.workload.about,
        "cycles": _short(one.workload.cycles),
        "latency_us": _short(one.latency_us),
        "energy_pj": one.energy.as_dict(1e-3),
        "dynamic_pj": one.dynamic.as_dict(1e-3),
        "leakage_pj": one.leaked.as_dict(1e-3),
        "power_uw": one.power.as_dict(1e-3),
        "by_phase_pj": {name: band.as_dict(1e-3) for name, band in one.split("phase").items()},
        "by_layer_pj": {name: band.as_dict(1e-3) for name, band in one.split("layer").items()},
        "by_part_pj": {name: band.as_dict(1e-3) for name, band in one.split("part").items()},
        "uses": uses,
    }


def _part(cost: Cost, part: Part) -> Record:
    each = cost.each[part.name]
    entry: Record = {
        "name": part.name,
        "component": part.component,
        "attributes": dict(part.attributes),
        "count": part.count,
        "learns": part.learns,
        "note": part.note,
    }
    if each.macros:
        entry["macros"] = dict(each.macros)
    entry |= {
        "gates": _short(each.gates),
        "flops": each.flops,
        "area_um2": cost.area_of(part).as_dict(),
        "area_how": each.area.how,
        "leakage_uw": cost.leakage_of(part).as_dict(1e-3),
        "leakage_how": each.leakage.how,
        "actions": {
            name: {"pj": figure.band.as_dict(1e-3), "how_fj": figure.how} for name, figure in each.actions.items()
        },
    }
    return entry


def _learning(cost: Cost, without: Cost) -> Record:
    """What learning adds: over the chip that only infers, and over inference on the same chip."""
    training, inference = cost.workloads["training"], cost.workloads["inference"]
    plain = without.workloads["inference"]
    bits, plain_bits = memory_bits(cost), memory_bits(without)
    return {
        "area": _over(cost.area, without.area),
        "leakage": _over(cost.leakage, without.leakage),
        "memory_bits": {"with": bits, "without": plain_bits, "percent": _percent(bits, plain_bits)},
        "training_energy_over_inference": _over(training.energy, inference.energy),
        "training_power_over_inference": _over(training.power, inference.power),
        "training_energy": _over(training.energy, plain.energy),
        "training_power": _over(training.power, plain.power),
        "inference_energy": _over(inference.energy, plain.energy),
        "cycles": {
            "with": _short(training.workload.cycles),
            "without": _short(plain.workload.cycles),
            "percent": _percent(training.workload.cycles, plain.workload.cycles),
        },
        "without": {
            "area_um2": without.area.as_dict(),
            "leakage_uw": without.leakage.as_dict(1e-3),
            "energy_pj": plain.energy.as_dict(1e-3),
            "power_uw": plain.power.as_dict(1e-3),
        },
    }


def _over(with_it: Band, without: Band) -> Record:
    """Return how much larger the first is, in per cent: nominal, and at both ends of the constants; None: over 0."""
    ends = [_percent(a, b) for a, b in zip(_ends(with_it), _ends(without), strict=True)]
    known = [end for end in ends if end is not None]
    if len(known) != len(ends):
        return {"percent": None, "low": None, "high": None}
    return {"percent": ends[1], "low": min(known), "high": max(known)}


def _ends(band: Band) -> tuple[float, float, float]:
    return band.low, band.nominal, band.high


def _percent(with_it: float, without: float) -> float | None:
    return _short(100 * (with_it / without - 1)) if without else None


def _short(value: float) -> float:
    """Six significant digits: what is behind them is noise, and would differ between machines."""
    return float(f"{value:.6g}")
