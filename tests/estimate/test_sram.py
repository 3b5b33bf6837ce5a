"""SRAM models: the errors that they state, found again from the data; what holds for every size."""

import importlib.util
import json
import math
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from neuro_emu.errors import NeuroEmuError
from neuro_emu.estimate.sram import DATA, FILES, MUX2_GATES, TERMS, UNITS, load_fits, mux_gates, parse_fits

CALIBRATION = Path(__file__).parents[2] / "benchmarks" / "calibration"
FITS = load_fits()
NAMES = ["ihp130", *(f"cacti{node}-{flavour}" for node in (22, 28, 45, 65, 90) for flavour in ("lstp", "lop"))]
QUANTITIES = ("read", "write", "area", "leakage", "access")
WORDS, BITS = st.integers(1, 2**20), st.integers(1, 4096)


def table(name):
    """Return words, bits and each quantity of the data that a model was fitted to, in the units of the model."""
    if name == "ihp130":
        rows = json.loads((CALIBRATION / "data" / "ihp_sram.json").read_text())
        chosen = np.array([row for row in rows if row[0] == 1])
        units = {"read_pj": 1, "write_pj": 1, "area_um2": 1e6, "leak_nw": 1e3, "access_ns": 1}
        columns = chosen[:, 4:].T
        words, bits = chosen[:, 1], chosen[:, 2]
    else:
        node, flavour = name.removeprefix("cacti").split("-")
        chosen = np.array(
            json.loads((CALIBRATION / "data" / "cacti_grid.json").read_text())[f"{KEYS[node]}_itrs-{flavour}"]
        )
        units = {"read_pj": 1, "write_pj": 1, "area_um2": 1, "leak_nw": 1e3, "access_ns": 1}
        columns = chosen[:, 2:].T
        words, bits = chosen[:, 0], chosen[:, 1]
    return words, bits, {key: column * unit for (key, unit), column in zip(units.items(), columns, strict=True)}


KEYS = {"22": "0.022", "28": "0.028", "45": "0.045", "65": "0.065", "90": "0.09"}


def best(matrix):
    """Return the coefficients of at least 0 that bring matrix @ coefficients closest to 1: Lawson and Hanson."""
    scale = np.linalg.norm(matrix, axis=0)
    a, b = matrix / scale, np.ones(len(matrix))
    x, free = np.zeros(a.shape[1]), np.zeros(a.shape[1], dtype=bool)
    for _ in range(100):
        gradient = np.where(free, -np.inf, a.T @ (b - a @ x))
        if gradient.max() < 1e-9:
            return x / scale
        free[gradient.argmax()] = True
        while True:
            trial = np.zeros_like(x)
            trial[free] = np.linalg.lstsq(a[:, free], b, rcond=None)[0]
            below = free & (trial <= 0)
            if not below.any():
                break
            step = (x[below] / (x[below] - trial[below])).min()
            x = x + step * (trial - x)
            free &= x > 1e-12
        x = trial
    raise AssertionError("no solution")


def rms_and_worst(error):
    return [100 * float(np.sqrt(np.mean(error**2))), 100 * float(np.abs(error).max())]


def test_models():
    assert list(FITS) == NAMES
    assert {name: fit.name for name, fit in FITS.items()} == {name: name for name in NAMES}
    assert FITS["ihp130"].kind == "measured macro"
    assert all(fit.kind == "model" for name, fit in FITS.items() if name != "ihp130")
    assert all(0.5 < fit.voltage < 1.4 and fit.source and fit.voltage_source for fit in FITS.values())
    assert FITS["cacti28-lstp"].voltage == pytest.approx(0.6 * 1.0 + 0.4 * 0.8)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("quantity", UNITS)
def test_stated_errors_are_found_again(name, quantity):
    words, bits, values = table(name)
    curve = getattr(FITS[name], quantity)
    matrix = np.stack([TERMS[term](bits, words) for term in curve.coefficients], axis=1) / values[quantity][:, None]
    coefficients = best(matrix)
    assert list(curve.coefficients.values()) == pytest.approx(
        list(coefficients), rel=6e-5, abs=coefficients.max() * 1e-9
    )
    predicted = np.array([curve(int(d), int(w)) for d, w in zip(words, bits, strict=True)])
    assert rms_and_worst(predicted / values[quantity] - 1) == pytest.approx([curve.rms, curve.worst], abs=0.01)
    left_out = np.array([matrix[i] @ best(np.delete(matrix, i, axis=0)) - 1 for i in range(len(matrix))])
    assert rms_and_worst(left_out) == pytest.approx([curve.loo_rms, curve.loo_worst], abs=0.02)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("quantity", ["read_pj", "write_pj", "area_um2"])
def test_bars(name, quantity):
    curve = getattr(FITS[name], quantity)
    if name == "ihp130":
        assert curve.loo_rms <= 8
        assert curve.loo_worst <= 20
    else:
        assert curve.rms <= 15


def test_files_are_those_of_the_script():
    pytest.importorskip("scipy")
    spec = importlib.util.spec_from_file_location("calibration_sram", CALIBRATION / "sram.py")
    script = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, spec.name, script)
        patch.setattr(sys, "path", list(sys.path))
        spec.loader.exec_module(script)
    for name, text in script.texts().items():
        made, kept = parse_fits(text), parse_fits((DATA / name).read_text(encoding="utf-8"))
        assert list(made) == list(kept)
        for key, fit in made.items():
            for quantity in UNITS:
                ours, theirs = (dict(getattr(f, quantity).coefficients) for f in (kept[key], fit))
                assert ours == pytest.approx(theirs, rel=1.1e-4)  # a digit


def test_leakage_of_ihp():
    fit = FITS["ihp130"]
    assert fit.leakage(1, 1) == pytest.approx(0.01209, rel=5e-4)
    assert fit.leakage(1024, 64) == pytest.approx(792.062, rel=1e-4)
    assert fit.leakage(512, 32, ports=2) == pytest.approx(318.9007, rel=1e-3)


@pytest.mark.parametrize(
    ("name", "read", "write", "area", "leakage", "access"),
    [  # 64 kB of 64 bits, CACTI called directly: pJ, pJ, µm², µW, ns
        ("cacti22-lstp", 5.67, 4.43, 0.0586e6, 9.8, 0.98),
        ("cacti28-lstp", 9.48, 7.74, 0.0950e6, 7.2, 1.21),
        ("cacti45-lstp", 25.87, 19.65, 0.2090e6, 1.7, 1.66),
        ("cacti65-lstp", 47.05, 37.30, 0.4362e6, 10.8, 2.44),
        ("cacti90-lstp", 103.7, 75.2, 0.735e6, 5.6, 3.02),
        ("cacti28-lop", 4.53, 3.19, 0.0949e6, 1668, 0.726),
    ],
)
def test_known_memories(name, read, write, area, leakage, access):
    fit, size = FITS[name], (8192, 64)
    assert fit.read(*size) == pytest.approx(read, rel=0.15)
    assert fit.write(*size) == pytest.approx(write, rel=0.15)
    assert fit.area(*size) == pytest.approx(area, rel=0.1)
    assert fit.leakage(*size) == pytest.approx(1e3 * leakage, rel=0.1)
    assert fit.access(*size) == pytest.approx(access, rel=0.1)


@given(st.sampled_from(NAMES), WORDS, BITS, WORDS, BITS, st.sampled_from([1, 2]))
def test_larger_is_never_cheaper(name, words, bits, more_words, more_bits, ports):
    fit = FITS[name]
    for quantity in QUANTITIES:
        value = getattr(fit, quantity)
        small, large = value(words, bits, ports), value(max(words, more_words), max(bits, more_bits), ports)
        assert 0 < small <= large < math.inf
        assert value(words, bits, 1) <= value(words, bits, 2)


def test_multiplexer():
    assert mux_gates(1, 64) == 0
    assert mux_gates(4, 8) == 3 * 8 * MUX2_GATES


@pytest.mark.parametrize("size", [(0, 8), (8, 0), (-1, 8)])
def test_no_memory(size):
    for ask in (FITS["ihp130"].read, FITS["ihp130"].area):
        with pytest.raises(NeuroEmuError, match="SRAM of"):
            ask(*size)
    with pytest.raises(NeuroEmuError, match="3 ports"):
        FITS["ihp130"].area(8, 8, 3)


def without(path, value=None):
    """Return the text of IHP's model with the entry at a path taken out, or replaced by a value."""
    content = yaml.safe_load((DATA / FILES[0]).read_text(encoding="utf-8"))
    entry = content["models"]["ihp130"]
    *folders, last = path.split(".")
    for folder in folders:
        entry = entry[folder]
    entry.pop(last)
    if value is not None:
        entry[last] = value
    return yaml.safe_dump(content)


READ = "quantities.read_pj"


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (f"{READ}.coefficients.d", None, "read_pj.coefficients: d is missing"),
        (f"{READ}.coefficients.d", "0", "no number"),
        (f"{READ}.coefficients.d", -1e-9, "at least 0"),
        (f"{READ}.coefficients.d", math.nan, "no number"),
        (f"{READ}.coefficients.d", True, "no number"),
        (f"{READ}.coefficients", dict.fromkeys(("one", "w", "d", "wd"), 0.0), "not all 0"),
        (f"{READ}.coefficients", dict.fromkeys(("one", "w", "d", "wd", "sqrt_d"), 1.0), "each term"),
        ("bases.read_pj", ["one", "log"], "expected a list"),
        ("bases.read_pj", None, "bases: read_pj is missing"),
        ("units.area_um2", "mm2", "expected um2"),
        (READ, None, "quantities: read_pj is missing"),
        (f"{READ}.errors_percent.loo_rms", None, "loo_rms is missing"),
        ("voltage.value", None, "value is missing"),
        ("two_port.area", None, "two_port: area is missing"),
        ("two_port.read", {"low": 0.5, "nominal": 0.9, "high": 1.0}, "cheaper"),
        ("words", [64], "least, most"),
        ("energy_band", {"low": 2.0, "nominal": 1.0, "high": 3.0}, "no range"),
    ],
)
def test_nothing_is_taken_to_be_zero(path, value, message):
    with pytest.raises(NeuroEmuError, match=message):
        parse_fits(without(path, value))


@pytest.mark.parametrize("text", ["", "a: [", "models: {}", "common: {}\nmodels: {a: 1}", "[]"])
def test_no_models(text):
    with pytest.raises(NeuroEmuError):
        parse_fits(text)
