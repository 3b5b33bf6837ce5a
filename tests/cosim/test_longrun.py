"""Long runs: block by block, and down to the sample and the weight where they part."""

import pytest
from tiny_chips import mutated, tiny

from neuro_emu.api import load_data, split_data
from neuro_emu.cosim import longrun
from neuro_emu.golden.sets import natural_samples


def samples_of(experiment, count):
    training, _, _ = split_data(experiment, load_data(experiment))
    chosen = natural_samples(experiment.chip, training.codes, training.labels, len(training))
    return chosen.part(0, count)


@pytest.mark.parametrize("rule", ["drtp", "sdfa"])
def test_a_long_run_agrees(rule, monkeypatch):
    monkeypatch.setattr(longrun, "BLOCK", 16)
    experiment = tiny(rule)
    seen = []
    verdict = longrun.long_run(experiment.chip, samples_of(experiment, 40), report=lambda *n: seen.append(n))
    assert verdict.mismatch is None
    assert (verdict.samples, seen[-1]) == (40, (40, 40))
    assert verdict.weights == 65 * 7 + 8 * 10
    assert str(verdict).startswith("identical: 40 samples learned")


def test_the_sample_where_the_rtl_goes_wrong_is_found(monkeypatch, tmp_path):
    """The mistake shows only with a label that comes late."""
    monkeypatch.setattr(longrun, "BLOCK", 16)
    experiment = tiny()
    chosen = samples_of(experiment, 40)
    labels = chosen.labels.tolist()
    first = max(labels.index(label) for label in set(labels))
    mistake = (
        "nemu_core.sv",
        "project ? class_index : label_q;",
        f"project ? class_index : (label_q == 17'd{labels[first]}) ? 17'd{(labels[first] + 1) % 10} : label_q;",
    )
    files = mutated(tmp_path, *mistake)
    library = longrun.library
    monkeypatch.setattr(longrun, "library", lambda build, trace: library(build, trace=trace, sources=files))
    monkeypatch.setattr(longrun, "LibrarySimulator", lambda chip, build: simulator(chip, build, files))
    found = longrun.long_run(experiment.chip, chosen).mismatch
    assert found.sample == first
    assert found.what == "error, signal"
    assert f"sample {first} of the run" in found.note
    assert any(cause.startswith("label look-up: row of class") for cause in found.cause)


def simulator(chip, build, files):
    from neuro_emu.cosim.simulators import LibrarySimulator

    return LibrarySimulator(chip, build, files)
