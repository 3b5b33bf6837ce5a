"""Fit the SRAM models of neuro_emu.estimate.sram to a foundry's macros and to a grid of CACTI results.

    python benchmarks/calibration/sram.py [--check]

Writes neuro_emu/estimate/data/sram_*.yaml and results/sram.md, prints the table of errors, exits with 1 if a bar is
missed; --check writes nothing and exits with 1 as well if the files differ. Non-negative least squares on relative
errors, rounded to five digits; all errors are those of the rounded coefficients. Leave one out: each macro predicted
by a fit to all the others.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from scipy.optimize import nnls

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent))

from neuro_emu.estimate.sram import DATA, FILES, TERMS, UNITS  # noqa: E402

RESULTS = HERE / "results" / "sram.md"
PLAIN = ("one", "w", "d", "wd")
FOLDED = ("one", "w", "d", "sqrt_d", "sqrt_wd", "w_sqrt_d", "wd", "w_sqrt_wd")
BASES = {
    "ihp": dict.fromkeys(UNITS, PLAIN) | {"leak_nw": ("wd",), "access_ns": ("one", "log2_d", "sqrt_wd")},
    "cacti": dict.fromkeys(UNITS, FOLDED) | {"access_ns": ("one", "log2_d", "w", "d", "sqrt_wd")},
}
"""Terms of each quantity. IHP's macros do not fold: more terms than these predict unseen macros less well."""

IHP_COLUMNS = {
    "read_pj": (4, 1.0),
    "write_pj": (5, 1.0),
    "area_um2": (6, 1e6),
    "leak_nw": (7, 1e3),
    "access_ns": (8, 1),
}
CACTI_COLUMNS = {
    "read_pj": (2, 1.0),
    "write_pj": (3, 1.0),
    "area_um2": (4, 1),
    "leak_nw": (5, 1e3),
    "access_ns": (6, 1),
}
"""Columns of the data, and the factor to the unit of the quantity; leakage is in µW in both (data/README.md)."""

BARRED = ("read_pj", "write_pj", "area_um2")
BARS = {"ihp": {"loo_rms": 8.0, "loo_worst": 20.0}, "cacti": {"rms": 15.0}}
"""Largest errors, in per cent, of the quantities in BARRED."""

VDD = {  # lstp, lop, hp: CACTI 7, tech_params/*.dat, row -Vdd; 28 nm: 0.6 of 32 nm (1.0, 0.6, 0.9) + 0.4 of 22 nm
    22: {"lstp": 0.8, "lop": 0.6, "hp": 0.8},
    28: {"lstp": 0.92, "lop": 0.6, "hp": 0.86},
    45: {"lstp": 1.1, "lop": 0.7, "hp": 1.0},
    65: {"lstp": 1.2, "lop": 0.8, "hp": 1.1},
    90: {"lstp": 1.3, "lop": 0.9, "hp": 1.2},
}
VDD_SOURCE = "CACTI 7 (repository HewlettPackard/cacti), tech_params/{0}nm.dat, row -Vdd, column {1}"
VDD_28 = (
    "CACTI 7 (repository HewlettPackard/cacti), tech_params/32nm.dat and 22nm.dat, row -Vdd, column {1}, "
    "interpolated as parameter.cc does: 0.6 of 32 nm + 0.4 of 22 nm; its bit lines are precharged to the 22 nm value"
)


@dataclass(frozen=True)
class Errors:
    """Relative errors of a fit, per cent."""

    rms: float
    worst: float
    loo_rms: float
    loo_worst: float


def design(basis: Sequence[str], words: np.ndarray, bits: np.ndarray) -> np.ndarray:
    """Return the matrix of the terms: a row for each macro."""
    return np.stack([TERMS[term](bits, words) for term in basis], axis=1)


def rounded(value: float, digits: int = 5) -> float:
    """Round to significant digits."""
    return float(f"{value:.{digits - 1}e}")


def solve(matrix: np.ndarray) -> np.ndarray:
    """Return the coefficients that are not negative and bring matrix @ coefficients closest to 1."""
    scale = np.linalg.norm(matrix, axis=0)
    found, _ = nnls(matrix / scale, np.ones(len(matrix)), maxiter=1000)
    return np.array([rounded(c) for c in found / scale])


def fit(basis: Sequence[str], words: np.ndarray, bits: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, Errors]:
    """Fit one quantity; returns its coefficients and how well they do."""
    matrix = design(basis, words, bits) / values[:, None]
    coefficients = solve(matrix)
    error = matrix @ coefficients - 1
    left_out = np.array([matrix[i] @ solve(np.delete(matrix, i, axis=0)) - 1 for i in range(len(matrix))])
    figures = [f(e) for e in (error, left_out) for f in (lambda e: np.sqrt(np.mean(e**2)), lambda e: np.max(abs(e)))]
    return coefficients, Errors(*(round(100 * float(figure), 2) for figure in figures))


def fit_all(kind: str, rows: np.ndarray, words: np.ndarray, bits: np.ndarray) -> dict[str, Any]:
    """Fit every quantity of one technology; returns its part of the YAML file."""
    columns = IHP_COLUMNS if kind == "ihp" else CACTI_COLUMNS
    quantities = {}
    for quantity, (column, factor) in columns.items():
        basis = BASES[kind][quantity]
        coefficients, errors = fit(basis, words, bits, rows[:, column] * factor)
        quantities[quantity] = {
            "coefficients": dict(zip(basis, map(float, coefficients), strict=True)),
            "errors_percent": vars(errors),
        }
    size = words * bits
    return {
        "words": [int(words.min()), int(words.max())],
        "bits": [int(bits.min()), int(bits.max())],
        "capacity_bits": [int(size.min()), int(size.max())],
        "fitted_on": f"{len(rows)} macros",
        "units": UNITS,
        "bases": {quantity: list(basis) for quantity, basis in BASES[kind].items()},
        "quantities": quantities,
    }


def band(low: float, nominal: float, high: float, source: str = "") -> dict[str, Any]:
    """Return a figure and its range."""
    figure: dict[str, Any] = {"low": low, "nominal": nominal, "high": high}
    return figure | ({"source": source} if source else {})


def ihp_ratios(rows: np.ndarray) -> dict[str, dict[str, Any]]:
    """Return figures of two-port macros over those of one-port macros of the same size: median and range."""
    one = {tuple(row[1:3]): row for row in rows if row[0] == 1}
    pairs = [(row, one[tuple(row[1:3])]) for row in rows if row[0] == 2 and tuple(row[1:3]) in one]
    ratios = {}
    for quantity, (column, _) in IHP_COLUMNS.items():
        found = [two[column] / single[column] for two, single in pairs]
        nominal = max(1.0, rounded(float(np.median(found)), 3))
        low, high = rounded(min(found), 3), rounded(max(found), 3)
        ratios[quantity.rsplit("_", 1)[0]] = band(min(low, nominal), nominal, max(high, nominal))
    return ratios


def ihp() -> dict[str, Any]:
    """Return the model of IHP's macros."""
    rows = np.array(json.loads((HERE / "data" / "ihp_sram.json").read_text(encoding="utf-8")), dtype=float)
    single = rows[rows[:, 0] == 1]
    found = fit_all("ihp", single, single[:, 1], single[:, 2])
    reach = {
        name: max(found["quantities"][q]["errors_percent"]["loo_worst"] for q in quantities) / 100
        for name, quantities in (("energy", ("read_pj", "write_pj")), ("area", ("area_um2",)))
    }
    why = "worst error of a macro predicted from the others"
    entry = {
        "node_nm": 130,
        "flavour": "SG13G2",
        "kind": "measured macro",
        "source": "IHP SG13G2 SRAM macros, liberty files of the typical corner (repository IHP-GmbH/IHP-Open-PDK, "
        "Apache-2.0): the foundry's own characterisation, energies at the clock pin",
        "voltage": {
            "value": 1.2,
            "unit": "V",
            "confidence": "high",
            "source": "operating conditions of the liberty files",
        },
        "temperature_c": 25,
        **found,
        "two_port": {
            **ihp_ratios(rows),
            "source": "8 macros with two ports over those with one of the same size, median and range; energy per "
            "access of one port; medians below 1 are set to 1; both ports of these macros read and write",
        },
        **{
            f"{name}_band": band(rounded(1 - worst, 2), 1.0, rounded(1 + worst, 3), why)
            for name, worst in reach.items()
        },
    }
    return {"ihp130": entry}


def cacti() -> dict[str, Any]:
    """Return the models of CACTI's results, one for each node and flavour."""
    grid = json.loads((HERE / "data" / "cacti_grid.json").read_text(encoding="utf-8"))
    entries = {}
    for key, table in grid.items():
        micron, _, flavour = key.partition("_itrs-")
        node = round(1000 * float(micron))
        rows = np.array(table, dtype=float)
        entries[f"cacti{node}-{flavour}"] = {
            "node_nm": node,
            "flavour": flavour,
            "kind": "model",
            "source": "CACTI 7, ITRS transistors, one bank, one read/write port, results for 32 sizes; not silicon",
            "voltage": {
                "value": VDD[node][flavour],
                "unit": "V",
                "confidence": "medium" if node == 28 else "high",
                "source": (VDD_28 if node == 28 else VDD_SOURCE).format(node, flavour),
            },
            "temperature_c": 27,
            **fit_all("cacti", rows, rows[:, 0], rows[:, 1]),
            "two_port": {
                "read": band(1.3, 1.5, 1.7),
                "write": band(1.3, 1.5, 1.7),
                "area": band(1.8, 1.95, 2.1),
                "leak": band(1.0, 1.61, 2.1),
                "access": band(1.0, 1.02, 1.4),
                "source": "read and area: CACTI at 28 nm with 1R1W or 2RW over one port; write assumed as read; "
                "leakage and access time assumed as IHP's macros, high ends as the area and its square root",
            },
            "energy_band": band(
                0.5, 1.0, 1.6, "spread of CACTI at 28, 45 and 65 nm over objective, cell and temperature"
            ),
            "area_band": band(0.7, 1.0, 1.35, "spread of CACTI at 28 nm over objective, cell and temperature"),
        }
    return entries


def dumped(models: dict[str, Any]) -> str:
    """Return the YAML text of models: what all of them share once, under "common"."""
    entries = list(models.values())
    same = {key: value for key, value in entries[0].items() if all(entry[key] == value for entry in entries[1:])}
    same = same if entries[1:] else {}
    own = {name: {key: value for key, value in entry.items() if key not in same} for name, entry in models.items()}
    layout = {"sort_keys": False, "default_flow_style": None, "width": 118}
    return str(yaml.safe_dump({"common": same}, **layout) + yaml.safe_dump({"models": own}, **layout))


def texts() -> dict[str, str]:
    """Return the content of both YAML files by name."""
    head = "# Made by benchmarks/calibration/sram.py: change that, not this.\n"
    notes = (
        "# Energy pJ an access, area um2, leakage nW of the whole macro, access time ns; w bits, d words.\n"
        "# Terms of a basis: see TERMS in neuro_emu/estimate/sram.py. Errors in per cent; loo: leave one out.\n"
    )
    files = zip(FILES, (ihp(), cacti()), strict=True)
    return {name: head + notes + dumped(models) for name, models in files}


def missed(name: str, quantity: str, errors: dict[str, float]) -> list[str]:
    """Return the bars that a quantity misses."""
    bars = BARS["ihp" if name.startswith("ihp") else "cacti"] if quantity in BARRED else {}
    return [f"{name} {quantity}: {key} {errors[key]} %, bar {bar} %" for key, bar in bars.items() if errors[key] > bar]


def table(models: dict[str, Any]) -> tuple[str, list[str]]:
    """Return the table of errors, and the bars missed."""
    lines = ["| model | quantity | rms | worst | leave one out: rms | worst |", "|---|---|---:|---:|---:|---:|"]
    failures = []
    for name, entry in models.items():
        for quantity, curve in entry["quantities"].items():
            errors = curve["errors_percent"]
            lines.append(f"| {name} | {quantity} | " + " | ".join(f"{value:.1f}" for value in errors.values()) + " |")
            failures += missed(name, quantity, errors)
    return "\n".join(lines), failures


def report(errors: str, failures: Sequence[str]) -> str:
    """Return the text of the result file."""
    outcome = "All bars met." if not failures else "Missed: " + "; ".join(failures) + "."
    return f"""# SRAM models against their data

Made by `benchmarks/calibration/sram.py`. Relative errors in per cent: of the fit, and of each macro predicted by a fit
to all the others. ihp130: 18 macros with one port. CACTI: 32 sizes for each node and flavour.

Bars, for read, write and area: ihp130 leave one out rms 8 %, worst 20 %; CACTI rms 15 %. {outcome}

{errors}

What remains in CACTI's read energy are steps: it picks the number of subarrays anew for each size, and a smooth model
does not follow that. Seventeen more terms of the form w^a d^b bring the worst rms, 14.8 %, down to 13.3 % only.
The quantity without a bar that predicts least well is the access time of IHP's macros.
"""


def main() -> int:
    """Fit, write, and judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a file differs")
    check = parser.parse_args().check
    made = texts()
    models: dict[str, Any] = {}
    for text in made.values():
        models |= yaml.safe_load(text)["models"]
    errors, failures = table(models)
    files = {DATA / name: text for name, text in made.items()} | {RESULTS: report(errors, failures)}
    print(errors)
    for path, text in files.items():
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        elif not path.is_file() or path.read_text(encoding="utf-8") != text:
            failures.append(f"{path.name} differs")
    print("\n".join(failures) or "all bars met")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
