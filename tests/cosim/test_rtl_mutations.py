"""The mutations of `tests/cosim/rtl_mutations.py` still fit the RTL; the script itself runs them."""

import pytest
import rtl_mutations

from neuro_emu.golden.sources import rtl_root

MUTATIONS = rtl_mutations.mutations()


def test_there_are_enough_mutations_and_their_names_differ():
    assert len({mutation.name for mutation in MUTATIONS}) == len(MUTATIONS) >= 36
    assert {mutation.chip for mutation in MUTATIONS} == set(rtl_mutations.CHIPS)


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_every_mutation_still_finds_its_text(mutation):
    assert mutation.edits
    source = (rtl_root() / mutation.file).read_text(encoding="utf-8")
    assert mutation.apply(source) != source
