"""docs/validation.md shows what `neuro-emu chips` prints."""

import re
from pathlib import Path

import pytest

from neuro_emu.api.estimate import compared_chips
from neuro_emu.report.quantities import digits

ROOT = Path(__file__).parents[2]
ROWS = [row for row in compared_chips(sorted((ROOT / "configs/chips").glob("*.yaml"))) if row["published"] is not None]
CELL = re.compile(
    r"^\|[^|]*\| ([^|]+) \| ([0-9.,]+) (\S+) \| ([0-9.,]+) \(([0-9.,]+) to ([0-9.,]+)\) \| (.+) \|$", re.M
)


def number(text):
    return float(text.replace(",", ""))


def shown():
    text = (ROOT / "docs/validation.md").read_text(encoding="utf-8")
    return [found.groups() for found in CELL.finditer(text)]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['chip']}, {row['figure']}")
def test_the_figure_is_in_the_table(row):
    same = [cells for cells in shown() if number(cells[1]) == row["published"]]
    assert len(same) == 1, row["figure"]
    _, _, unit, nominal, low, high, off = same[0]
    assert unit.replace("µ", "u").replace("²", "2") == row["unit"]
    for text, value in ((nominal, row["nominal"]), (low, row["low"]), (high, row["high"])):
        assert number(text) == pytest.approx(value, rel=6e-3), digits(value)
    if row["ratio"] is None:
        points = number(off.removesuffix(" points").replace("−", "-"))
        assert points == pytest.approx(row["nominal"] - row["published"], abs=0.06)
    else:
        assert number(off.removeprefix("× ")) == pytest.approx(row["ratio"], rel=6e-3)


def test_the_table_has_no_other_rows():
    assert len(shown()) == len(ROWS)
