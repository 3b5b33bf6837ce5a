"""The result of testing saved weights: accuracy per class and confusion matrix as text."""

from __future__ import annotations

from typing import Any


def evaluation(record: dict[str, Any]) -> str:
    """Return the table that `neuro-emu eval` prints."""
    if "test_loss" in record:
        return (
            f"{record['name']} (config {record['config_digest']}) on {record['samples']:,} test samples of"
            f" {record['dataset']['name']}: {record['test_loss']:.3g} mean squared error\n"
        )
    confusion = record["confusion"]
    classes = range(len(confusion))
    width = max(5, *(len(str(n)) + 1 for row in confusion for n in row))
    lines = [
        f"{record['name']} (config {record['config_digest']}) on {record['samples']:,} test samples of"
        f" {record['dataset']['name']}: {record['test_accuracy']:.2f} %",
        "",
        "true \\ predicted" + "".join(f"{c:>{width}}" for c in classes) + "   right",
    ]
    for c, row in enumerate(confusion):
        cells = "".join(f"{n if n else '·':>{width}}" for n in row)
        right = record["per_class"][c]
        lines.append(f"{c:>16}{cells}" + ("      -" if right is None else f"{right:>7.2f} %"))
    return "\n".join(lines) + "\n"
