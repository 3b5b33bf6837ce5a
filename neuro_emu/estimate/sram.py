"""SRAM macros: energy, area, leakage and access time as functions of words and bits.

Every quantity of one macro of `words` × `bits` is a sum of physical terms (:data:`TERMS`) with coefficients that are
not negative, so it grows with both dimensions everywhere and stays sane outside the range it was fitted on. The
coefficients come from two files, `data/sram_ihp130.yaml` (macros of a foundry) and `data/sram_cacti.yaml` (results of
a model); `benchmarks/calibration/sram.py` makes them and states how well they fit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from neuro_emu.errors import RunError
from neuro_emu.estimate.band import Band

DATA = Path(__file__).parent / "data"
"""Where the fitted coefficients are."""

FILES = ("sram_ihp130.yaml", "sram_cacti.yaml")
"""Files of fitted coefficients in :data:`DATA`."""

MUX2_GATES = 2.5
"""Gate equivalents of a 2:1 multiplexer of one bit.

IHP SG13G2 cells (LEF), width over that of nand2_1, 1.92 µm: mux2_2 2.75, mux4_1 5.25 for three of them, 1.75 each.
"""

Array = NDArray[np.float64]

TERMS: dict[str, Callable[[Array, Array], Array]] = {
    "one": lambda w, d: np.ones_like(w * d),  # control and timing: there in every macro
    "w": lambda w, d: w * np.ones_like(d),  # columns: sense amplifiers, write drivers, data latches
    "d": lambda w, d: d * np.ones_like(w),  # rows: word-line drivers, decoder outputs
    "sqrt_d": lambda w, d: np.sqrt(d) * np.ones_like(w),  # rows of an array folded to a square: predecoded lines
    "log2_d": lambda w, d: np.log2(d) * np.ones_like(w),  # levels of the decoder
    "sqrt_wd": lambda w, d: np.sqrt(w * d),  # one wire across the array: address, select, clock
    "w_sqrt_d": lambda w, d: w * np.sqrt(d),  # bit lines of an array folded to a square
    "wd": lambda w, d: w * d,  # cells; bit lines of an array that is not folded
    "w_sqrt_wd": lambda w, d: w * np.sqrt(w * d),  # data bus: w wires, each across the array
}
"""What a quantity may consist of: functions of bits (w) and words (d), none of which falls with either."""

UNITS = {"read_pj": "pJ", "write_pj": "pJ", "area_um2": "um2", "leak_nw": "nW", "access_ns": "ns"}
"""Quantities of a macro, and their units: energy per access, area, leakage power, access time."""

PORTS = (1, 2)
"""Ports that a macro may have: one for reading and writing, or one for each (1R1W)."""

_FACTORS = ("read", "write", "area", "leak", "access")


@dataclass(frozen=True)
class Curve:
    """One quantity of a macro.

    Attributes:
        unit: its unit.
        coefficients: for each term of :data:`TERMS` in the basis, at least 0; unit of the quantity.
        rms: root mean square of the relative errors of the fit, in per cent.
        worst: largest relative error of the fit, in per cent.
        loo_rms: the same as *rms* where each macro is predicted from all the others.
        loo_worst: the same as *worst* where each macro is predicted from all the others.

    """

    unit: str
    coefficients: Mapping[str, float]
    rms: float
    worst: float
    loo_rms: float
    loo_worst: float

    def __call__(self, words: int, bits: int) -> float:
        """Return the quantity of a macro of *words* × *bits*, in :attr:`unit`."""
        w, d = np.float64(bits), np.float64(words)
        return math.fsum(float(c * TERMS[name](w, d)) for name, c in self.coefficients.items() if c)  # type: ignore[arg-type]


@dataclass(frozen=True)
class TwoPort:
    """Factors of a macro with a port for reading and one for writing over the macro with one port for both.

    Attributes:
        read: on the energy of a read; low and high are the range found.
        write: on the energy of a write.
        area: on the area.
        leak: on the leakage.
        access: on the access time.
        source: where the factors come from.

    """

    read: Band
    write: Band
    area: Band
    leak: Band
    access: Band
    source: str


@dataclass(frozen=True)
class SramFit:
    """Model of the SRAM macros of one technology.

    Attributes:
        name: its key, such as "ihp130" or "cacti28-lstp".
        node_nm: technology node, nm.
        flavour: cells and transistors, such as "lstp".
        kind: "measured macro" (a foundry's characterised macros) or "model".
        source: where the fitted numbers come from.
        voltage: supply that the energies hold at, V.
        voltage_source: where that voltage can be looked up.
        temperature_c: temperature that the leakage holds at, °C.
        words: least and most words fitted on.
        bits: least and most bits of a word fitted on.
        capacity: least and most bits in all fitted on.
        read_pj: energy of a read, pJ.
        write_pj: energy of a write of a whole word, pJ.
        area_um2: area, µm².
        leak_nw: leakage, nW.
        access_ns: access time, ns.
        two_port: factors of macros with two ports.
        energy_band: factor on energies, between what is expected of other macros of the technology.
        area_band: the same for the area.

    """

    name: str
    node_nm: float
    flavour: str
    kind: str
    source: str
    voltage: float
    voltage_source: str
    temperature_c: float
    words: tuple[int, int]
    bits: tuple[int, int]
    capacity: tuple[int, int]
    read_pj: Curve
    write_pj: Curve
    area_um2: Curve
    leak_nw: Curve
    access_ns: Curve
    two_port: TwoPort
    energy_band: Band
    area_band: Band

    def read(self, words: int, bits: int, ports: int = 1) -> float:
        """Return the energy of reading a word, in pJ."""
        return self._value("read", self.read_pj, (words, bits, ports))

    def write(self, words: int, bits: int, ports: int = 1) -> float:
        """Return the energy of writing a whole word, in pJ."""
        return self._value("write", self.write_pj, (words, bits, ports))

    def area(self, words: int, bits: int, ports: int = 1) -> float:
        """Return the area of the macro, in µm²."""
        return self._value("area", self.area_um2, (words, bits, ports))

    def leakage(self, words: int, bits: int, ports: int = 1) -> float:
        """Return the leakage of the macro, in nW, at the voltage and temperature of the model."""
        return self._value("leak", self.leak_nw, (words, bits, ports))

    def access(self, words: int, bits: int, ports: int = 1) -> float:
        """Return the access time, in ns."""
        return self._value("access", self.access_ns, (words, bits, ports))

    def _value(self, name: str, curve: Curve, macro: tuple[int, int, int]) -> float:
        words, bits, ports = macro
        if words < 1 or bits < 1:
            raise RunError(f"SRAM of {words} × {bits}: at least one word of one bit")
        if ports not in PORTS:
            raise RunError(f"SRAM with {ports} ports: one, or two (1R1W)")
        factor: Band = getattr(self.two_port, name)
        return curve(words, bits) * (factor.nominal if ports == 2 else 1.0)


def mux_gates(ways_deep: int, bits: int) -> float:
    """Return the gate equivalents of the multiplexer that selects *bits* from *ways_deep* slices: a tree of 2:1."""
    return (ways_deep - 1) * bits * MUX2_GATES


def load_fits() -> dict[str, SramFit]:
    """Return the models that come with the tool: "ihp130", and "cacti28-lstp" and so on for 22 to 90 nm.

    Raises:
        RunError: if a file lacks a figure, or a coefficient is none: nothing is taken to be 0.

    """
    fits: dict[str, SramFit] = {}
    for file in FILES:
        fits |= parse_fits((DATA / file).read_text(encoding="utf-8"), file)
    return fits


_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast where PyYAML has it; both build plain data


def parse_fits(text: str, where: str = "text") -> dict[str, SramFit]:
    """Return the models in a YAML text; *where* names it in messages.

    Raises:
        RunError: if a figure is missing, or a coefficient is none.

    """
    try:
        content = yaml.load(text, Loader=_LOADER)
    except yaml.YAMLError as error:
        raise RunError(f"{where}: {error}") from None
    common, models = _get(content, "common", where), _get(content, "models", where)
    if not all(isinstance(entry, dict) for entry in (common, models, *models.values())):
        raise RunError(f"{where}: expected SRAM models by name, and what they have in common")
    return {str(name): _fit(str(name), common | entry, where) for name, entry in models.items()}


def _fit(name: str, entry: Any, where: str) -> SramFit:
    at = f"{where}: {name}"
    voltage = _get(entry, "voltage", at)
    return SramFit(
        name=name,
        node_nm=_number(entry, "node_nm", at),
        flavour=str(_get(entry, "flavour", at)),
        kind=str(_get(entry, "kind", at)),
        source=str(_get(entry, "source", at)),
        voltage=_number(voltage, "value", f"{at}.voltage"),
        voltage_source=str(_get(voltage, "source", f"{at}.voltage")),
        temperature_c=_number(entry, "temperature_c", at),
        words=_range(entry, "words", at),
        bits=_range(entry, "bits", at),
        capacity=_range(entry, "capacity_bits", at),
        **{quantity: _curve(entry, quantity, at) for quantity in UNITS},
        two_port=_two_port(_get(entry, "two_port", at), f"{at}.two_port"),
        energy_band=_band(entry, "energy_band", at),
        area_band=_band(entry, "area_band", at),
    )


def _curve(entry: Any, quantity: str, at: str) -> Curve:
    unit = _get(_get(entry, "units", at), quantity, f"{at}.units")
    if unit != UNITS[quantity]:
        raise RunError(f"{at}.units.{quantity}: {unit!r}, expected {UNITS[quantity]}")
    basis = _get(_get(entry, "bases", at), quantity, f"{at}.bases")
    if not isinstance(basis, list) or not basis or not set(basis) <= set(TERMS):
        raise RunError(f"{at}.bases.{quantity}: expected a list of {', '.join(TERMS)}")
    curve, here = _get(_get(entry, "quantities", at), quantity, f"{at}.quantities"), f"{at}.quantities.{quantity}"
    given = _get(curve, "coefficients", here)
    coefficients = {term: _number(given, term, f"{here}.coefficients") for term in basis}
    if set(given) != set(basis) or not any(coefficients.values()):
        raise RunError(f"{here}.coefficients: expected one for each term of the basis, not all 0")
    errors = _get(curve, "errors_percent", here)
    names = ("rms", "worst", "loo_rms", "loo_worst")
    return Curve(unit, coefficients, *(_number(errors, name, f"{here}.errors_percent") for name in names))


def _two_port(entry: Any, at: str) -> TwoPort:
    factors = {name: _band(entry, name, at) for name in _FACTORS}
    if cheaper := [name for name, factor in factors.items() if factor.nominal < 1]:
        raise RunError(f"{at}: two ports cheaper than one in {', '.join(cheaper)}")
    return TwoPort(**factors, source=str(_get(entry, "source", at)))


def _get(entry: Any, key: str, at: str) -> Any:
    if not isinstance(entry, dict) or entry.get(key) is None:
        raise RunError(f"{at}: {key} is missing")
    return entry[key]


def _number(entry: Any, key: str, at: str) -> float:
    value = _get(entry, key, at)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise RunError(f"{at}.{key}: {value!r} is no number of at least 0")
    return float(value)


def _range(entry: Any, key: str, at: str) -> tuple[int, int]:
    match _get(entry, key, at):
        case [int(low), int(high)] if 1 <= low <= high:
            return low, high
    raise RunError(f"{at}.{key}: expected [least, most]")


def _band(entry: Any, key: str, at: str) -> Band:
    given, here = _get(entry, key, at), f"{at}.{key}"
    return Band(*(_number(given, name, here) for name in ("low", "nominal", "high")))
