"""The diagnosis of a run as text: the last epoch, a line a layer."""

from __future__ import annotations

from typing import Any


def diagnosis_text(record: dict[str, Any]) -> str:
    """Return angles, rates and what is lost to rounding after the last epoch, of the chip and of its float twin."""
    lines = []
    for name, title in (("chip", "chip"), ("twin", "float twin")):
        if name in record:
            entry = record[name][-1]
            done = f"{entry['epoch']} epoch" + ("" if entry["epoch"] == 1 else "s")
            lines += ["", f"{title}, after {done}: angles to backpropagation in degrees, first 256 samples"]
            lines.append(f"  {'layer':6}{'B to Wᵀ':>9}{'δ':>7}{'ΔW':>7}{'norm of W':>11}{'growth':>8}")
            lines += [f"  {k:<6}{_line(layer)}" for k, layer in enumerate(entry["layers"])]
    if "chip" in record:
        lines += ["", "what quantisation does to the steps of the chip, in the last epoch"]
        lines.append(
            f"  {'layer':6}{'to its rule':>12}{'to twin':>9}{'rate / nominal':>15}{'zero steps':>11}{'underflow':>10}"
            f"{'W at ends':>10}{'q at ends':>10}{'δ = 0':>8}"
        )
        for k, e in enumerate(record["chip"][-1]["layers"]):
            rate, nominal = e["effective_rate"], e["nominal_rate"]
            relative = f"{rate / nominal:.2f}" if rate is not None and nominal else "-"
            lines.append(
                f"  {k:<6}{_degrees(e['chip_update_angle']):>12}{_degrees(e['chip_twin_angle']):>9}{relative:>15}"
                f"{_share(e['zero_updates']):>11}{_share(e['underflow']):>10}{_share(e['weights_saturated']):>10}"
                f"{_share(e['q_saturated']):>10}{_share(e['delta_zero']):>8}"
            )
    return "\n".join(lines[1:]) + "\n"


def _line(layer: dict[str, Any]) -> str:
    angles = (layer["feedback_angle"], layer["delta_angle"], layer["update_angle"])
    cells = [f"{_degrees(value):>{width}}" for value, width in zip(angles, (9, 7, 7), strict=True)]
    return "".join(cells) + f"{_number(layer['norm']):>11}{_number(layer['growth']):>8}"


def _degrees(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f} %"
