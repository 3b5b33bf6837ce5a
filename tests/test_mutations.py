"""A few of the mutations of `tests/mutations.py`; the script runs all of them."""

import mutations
import pytest

BY_NAME = {mutation.name: mutation for mutation in mutations.MUTATIONS}
QUICK = {
    "RND truncates": "datapath/test_equal.py",
    "groups start at bank 0 again": "machine/test_schedule.py",
    "ties go to the last class": "datapath/test_equal.py",
}


@pytest.mark.parametrize("name", QUICK)
def test_a_mutation_is_noticed(name):
    assert mutations.killer_of(BY_NAME[name]).startswith(QUICK[name])


@pytest.mark.parametrize("name", BY_NAME)
def test_every_mutation_still_finds_its_text(name, tmp_path):
    for file, _, _ in BY_NAME[name].edits:
        path = tmp_path / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text((mutations.PACKAGE / file).read_text(encoding="utf-8"), encoding="utf-8")
    mutations.mutate(tmp_path, BY_NAME[name])
