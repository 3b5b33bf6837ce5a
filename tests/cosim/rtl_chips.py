"""Random chips with random samples for the RTL, and the comparison of everything that it shows."""

import warnings
from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from strategies import chips, data_for

from neuro_emu.cosim.compare import Shows, compare
from neuro_emu.cosim.rtl import Rtl
from neuro_emu.cosim.simulators import SPARE
from neuro_emu.cosim.views import records_of
from neuro_emu.golden.build import Build, limits_of
from neuro_emu.golden.sets import VectorSet, vector_set
from neuro_emu.golden.trace import Samples
from neuro_emu.machine.chip import Chip
from neuro_emu.machine.initialise import initial_state


@dataclass(frozen=True)
class Case:
    """A chip and its samples."""

    chip: Chip
    samples: Samples


@st.composite
def cases(draw, most_lanes=20, samples=(2, 7), **choices):
    """A chip that the RTL can be, with samples of which some are only predicted; *choices* fix parts of its design."""
    chip = draw(chips(in_rtl=True).filter(lambda chip: not limits_of(chip)))
    lanes = (chip.design.lanes - 1) % most_lanes + 1
    chip = replace(chip, design=replace(chip.design, lanes=lanes, **choices))
    data = draw(data_for(chip, samples))
    learn = np.array(draw(st.lists(st.integers(0, 5), min_size=len(data.labels), max_size=len(data.labels)))) > 0
    return Case(chip, Samples(data.codes, data.labels.astype(np.int64), learn))


def drawn(count, number=0, **choices):
    """*count* cases, the same for the same *number*; each from a seed of its own, so that none resembles another."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [_drawn_one(1000 * number + n, choices) for n in range(count)]


def _drawn_one(number, choices):
    found = []

    @seed(number)
    @settings(
        max_examples=3,  # the first is the simplest there is
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(cases(**choices))
    def collect(case):
        found.append(case)

    collect()
    return found[-1]


def vectors_of(case):
    return vector_set(case.chip, "natural", initial_state(case.chip), case.samples)


def shows_of(rtl, chip, vectors, *, stall=0):
    """Run a set on a chip that other chips may have used before."""
    rtl.start(chip, vectors.state)
    rtl.stall(stall)
    most = len(vectors.golden.records) + SPARE
    outcome = rtl.run(vectors.samples, records=most)
    records = records_of(rtl.build, outcome.records)
    rtl.stall(0)
    flush_cycles = 0
    if vectors.flush:
        flush_cycles, flushed = rtl.flush(chip.network.inputs, records=most)
        records += records_of(rtl.build, flushed.records, sample=len(vectors.samples) - 1)
    cycles = None if stall else outcome.cycles.tolist()
    return Shows(records, outcome.predictions.tolist(), cycles, rtl.weights(chip)), flush_cycles


def check(rtl, case, *, stall=0):
    """Compare trace, predictions, cycles and weights of one case; returns what was compared."""
    vectors: VectorSet = vectors_of(case)
    shows, flush_cycles = shows_of(rtl, case.chip, vectors, stall=stall)
    mismatch = compare(case.chip, rtl.build, vectors, shows)
    assert mismatch is None, f"{describe(case)}\n{mismatch}"
    assert flush_cycles == vectors.golden.flush_cycles, describe(case)
    if case.chip.learning.batch > 1:
        state = vectors.golden.state
        for mine, theirs in zip(state.gradients, rtl.gradients(case.chip), strict=True):
            assert np.array_equal(mine, theirs), describe(case)
    return Counter(samples=len(case.samples), records=len(shows.records), cycles=sum(shows.cycles or ()))


def check_all(found, build=None, **options):
    """Compare all cases on one build, one chip after the other on the same silicon."""
    build = build or Build.of_all([case.chip for case in found])
    total = Counter()
    with Rtl(build) as rtl:
        for case in found:
            total += check(rtl, case, **options)
    return total


def describe(case):
    chip = case.chip
    layers = ", ".join(f"{la.activation} {la.weight}" for la in chip.network.layers)
    return f"{chip.learning.rule.name} {chip.network} ({layers})\n{chip.design}\n{chip.numerics}\n{chip.learning}"
