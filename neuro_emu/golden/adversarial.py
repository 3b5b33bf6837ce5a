"""Adversarial vectors: few episodes that fire every site of a chip's arithmetic that can be fired."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neuro_emu.datapath.traced import TracedDatapath
from neuro_emu.golden.proposals import Proposal, Proposer
from neuro_emu.golden.reach import unlikely
from neuro_emu.golden.sites import SiteCounter, unreachable
from neuro_emu.golden.stimuli import STIMULI, stimulus
from neuro_emu.golden.trace import Samples
from neuro_emu.machine.chip import Chip
from neuro_emu.network.state import ChipState

WISH = 3
"""How often each site should fire; each class once will do."""

_ROWS_OF_WORK = 180_000
_ROWS_A_SAMPLE, _ROWS_A_PROPOSAL = 300, 1500  # what they cost besides, in rows of a group
_SAMPLES_OF_WORK = 40
_MOST_PROPOSALS = 120
_MOST_REPEATS = 5
_PATIENCE = 6
_LONGEST = 96


@dataclass(frozen=True)
class Stimulus:
    """One sample: input codes (inputs,), class, and whether it is learned from."""

    codes: NDArray[np.uint8]
    label: int
    learn: bool


def adversarial(chip: Chip, seed: int) -> list[tuple[str, ChipState, Samples]]:
    """Search for episodes that fire sites.

    Args:
        chip: the chip.
        seed: of the search; the same seed finds the same episodes.

    Returns:
        (name, initial state, stimuli) of each episode; all are to be run with a flush of a short last mini-batch.

    """
    return _Search(chip, seed).run()


def missed(chip: Chip, counts: dict[str, int]) -> dict[str, str]:
    """Sites that *counts* say did not fire and that no bound proves out of reach → what is known of them."""
    proven, chances = unreachable(chip), unlikely(chip)
    left = [site for site, count in counts.items() if not count and site not in proven]
    return {site: chances.get(site, "not found by the search") for site in left}


class _Search:
    """Proposes, runs, and keeps what fires sites that are still in need."""

    def __init__(self, chip: Chip, seed: int) -> None:
        self.chip = chip
        self.rng = np.random.default_rng([seed % (1 << 64), 0xAD])
        self.proposer = Proposer(chip, self.rng)
        proven = unreachable(chip)
        self.counts = {site: 0 for site in SiteCounter(chip).counts if site not in proven}
        self._hoped = unlikely(chip)
        self._wish = {site: 1 if site.startswith("label") else WISH for site in self.counts}
        self.episodes: list[tuple[str, ChipState, Samples]] = []
        self._rows = sum(chip.design.groups(la.units) * la.rows for la in chip.network.layers)
        self._work = self._failures = 0

    def run(self) -> list[tuple[str, ChipState, Samples]]:
        budget = _ROWS_OF_WORK + _SAMPLES_OF_WORK * self._rows
        epochs = sorted({epoch for schedule in self.chip.learning.lr_shift for epoch, _ in schedule})
        for number in range(_MOST_PROPOSALS):
            needs = self._needs()
            late = self._work > budget // 3 or number > _MOST_PROPOSALS // 3
            if not needs or self._work > budget or (late and not self._open()):
                break
            epoch = int(self.rng.choice(epochs)) if self._failures or number % 3 == 2 else epochs[0]
            kind = STIMULI[number % len(STIMULI)]
            proposal = self._proposal(needs, kind, epoch)
            self._try(proposal, self._samples(proposal), f"adversarial_{number:03d}_{kind}")
        labels = [c for c in range(self.chip.network.classes) if not self.counts[f"label[{c}]"]]
        if labels:
            samples = [Stimulus(self._codes(), label, True) for label in labels]
            self._try(self.proposer.propose({}, "random", epochs[0]), samples, "adversarial_labels")
        return self.episodes

    def _proposal(self, needs: dict[str, int], kind: str, epoch: int) -> Proposal:
        """Return the first of a few proposals that promises something."""
        for _ in range(_MOST_REPEATS):
            self._work += _ROWS_A_PROPOSAL
            proposal = self.proposer.propose(needs, kind, epoch)
            if proposal.serves:
                break
            kind = str(self.rng.choice(STIMULI))
        return proposal

    def _open(self) -> list[str]:
        """Sites that have never fired and do not wait for a rare random word."""
        return [site for site, count in self.counts.items() if not count and site not in self._hoped]

    def _needs(self) -> dict[str, int]:
        """Sites in need → firings wished for; while some have never fired, those alone."""
        left = {site: wish - self.counts[site] for site, wish in self._wish.items() if self.counts[site] < wish}
        return {site: left[site] for site in self._open()} or left

    def _try(self, proposal: Proposal, samples: list[Stimulus], name: str) -> None:
        """Run *samples* from the state of a proposal; keep them up to the last that served a site in need."""
        counter, batch = SiteCounter(self.chip), self.chip.learning.batch
        path = TracedDatapath(self.chip, proposal.state, counter.record)
        before, kept = dict(counter.counts), 0
        best = before
        for number, sample in enumerate(samples, 1):
            codes = sample.codes.astype(np.int64)
            _ = path.train(codes, sample.label) if sample.learn else path.infer(codes)
            self._work += self._rows * (2 if sample.learn else 1) + _ROWS_A_SAMPLE
            if batch == 1 and self._serves(before, counter.counts):
                kept, best = number, dict(counter.counts)
            elif batch == 1 and sample.learn and self._failures < _PATIENCE:
                break
            before = dict(counter.counts)
        if batch > 1:
            path.end_epoch()
            if self._serves(best, counter.counts):
                kept, best = len(samples), dict(counter.counts)
        self._failures = 0 if kept else self._failures + 1
        if not kept:
            return
        for site in self.counts:
            self.counts[site] += best[site]
        chosen = samples[:kept]
        stimuli = Samples(
            np.stack([sample.codes for sample in chosen]),
            np.array([sample.label for sample in chosen], dtype=np.int64),
            np.array([sample.learn for sample in chosen], dtype=np.bool_),
        )
        self.episodes.append((name, proposal.state, stimuli))

    def _serves(self, before: dict[str, int], after: dict[str, int]) -> bool:
        return any(
            after[site] > before[site] and self.counts[site] + before[site] < wish for site, wish in self._wish.items()
        )

    def _samples(self, proposal: Proposal) -> list[Stimulus]:
        """The sample of a proposal, an inferred one, and more to learn from: the more, the longer nothing was found."""
        first, batch = Stimulus(proposal.codes, proposal.label, True), self.chip.learning.batch
        inferred, more = Stimulus(self._codes(), 0, False), 2
        labels = self._labels(proposal.label)
        if batch > 1:
            more = int(self.rng.choice([0, 0, 1, batch]))
        if self._failures > _PATIENCE:
            more = min(2 ** (self._failures - _PATIENCE), _LONGEST, len(labels))
        others = [Stimulus(self._codes(), label, True) for label in labels[:more]]
        again = [first] if self.rng.random() < 0.5 else []
        return [first] * proposal.times + ([inferred, *again, *others] if others else [])

    def _labels(self, taken: int) -> list[int]:
        """Classes that have not been learned from, then any."""
        classes = self.rng.permutation(self.chip.network.classes)
        new = [int(c) for c in classes if c != taken and not self.counts[f"label[{c}]"]]
        return new[:_LONGEST] + [int(c) for c in self.rng.choice(classes, _LONGEST)]

    def _codes(self) -> NDArray[np.uint8]:
        return stimulus(self.rng, self.chip, str(self.rng.choice(STIMULI)))
