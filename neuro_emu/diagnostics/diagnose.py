"""A diagnosis an epoch, as something that `train` can be observed with."""

from __future__ import annotations

from collections.abc import Callable

from neuro_emu.diagnostics.integers import at, chip_entries
from neuro_emu.diagnostics.probe import Entry, layer_entries, norms_of, path_of, signals_of
from neuro_emu.diagnostics.reference import Probe
from neuro_emu.machine.chip import Chip
from neuro_emu.network.state import Tally
from neuro_emu.training.engines import Engine
from neuro_emu.training.loop import Progress, Result, Split, train

PROBE_SAMPLES = 256


class Diagnosis:
    """Collects what a rule does inside before the first epoch and after each: ``train(…, observe=diagnosis.observe)``.

    Args:
        chip: what is trained.
        training: training samples, the first of which are the probe.
        samples: how many of them.

    Attributes:
        record: plain data, an entry a call: ``{"epoch": epochs done, "layers": [mapping, …]}``. The keys of a layer are
            those of `probe.layer_entries`, and for integer datapaths those of `integers.chip_entries`. Rates and
            steps are those of the epoch just done, before the first one its own.

    """

    def __init__(self, chip: Chip, training: Split, samples: int = PROBE_SAMPLES) -> None:
        self.record: list[Entry] = []
        self._chip, self._probe = chip, Probe.of(chip, training, samples)
        self._norms: list[float] = []
        self._before: Tally | None = None

    def observe(self, epochs_done: int, engine: Engine) -> None:
        """Add an entry; the engine is not changed."""
        path = path_of(self._chip, engine)
        self._norms = self._norms or norms_of(path)
        signals = signals_of(self._chip, path, self._probe)
        layers = layer_entries(self._chip, path, signals, self._norms)
        state, now = engine.state(), engine.tally()
        if state is not None:
            gained = Tally(now.events - self._before.events) if now and self._before else None
            held = at(state, max(epochs_done - 1, 0))
            more = chip_entries(self._chip, held, self._probe, signals, gained)
            layers = [{**one, **other} for one, other in zip(layers, more, strict=True)]
        self._before = now
        self.record.append({"epoch": epochs_done, "layers": layers})


def diagnose_both(
    chip: Chip,
    parts: tuple[Split, Split | None, Split],
    epochs: int,
    report: Callable[[Progress], None] = lambda _: None,
    *,
    samples: int = PROBE_SAMPLES,
) -> tuple[Result, Result, dict[str, list[Entry]]]:
    """Train a chip on the fast datapath, then its float twin, each with a diagnosis an epoch.

    Args:
        chip: the chip.
        parts: training, validation (or None) and test samples.
        epochs: passes over the training samples.
        report: called with the progress of each.
        samples: training samples that are the probe.

    Returns:
        Result of the chip, result of its twin, and the records ``{"chip": […], "twin": […]}``.

    Raises:
        ValueError: if the optimiser is Adam, which no chip has; the twin alone can be observed.

    """
    if chip.learning.adam is not None:
        raise ValueError("no integer datapath has Adam: observe the training of the float twin alone")
    diagnoses = {name: Diagnosis(chip, parts[0], samples) for name in ("chip", "twin")}
    results = [
        train(chip, parts, epochs, datapath=datapath, report=report, observe=diagnosis.observe)
        for datapath, diagnosis in zip(("fast", "float"), diagnoses.values(), strict=True)
    ]
    return results[0], results[1], {name: diagnosis.record for name, diagnosis in diagnoses.items()}
