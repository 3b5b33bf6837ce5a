"""What test_forced_cpu.py starts in other processes: train small chips with one back-end and print what came out."""

import hashlib
import json
import sys
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).parents[1]))  # for the modules that strategies.py and machines.py share

from vector_chips import Run, Settings, chip_of, data_of

from neuro_emu.datapath.backends import VECTOR, chosen_backend
from neuro_emu.errors import RunError
from neuro_emu.jit import vector_level

CHIPS = {
    "drtp": Settings(shift=(13, 17)),
    "bp in 16 bits": Settings(
        rule="bp", sizes=(20, 96, 64, 10), weight="s16f12", code="s8f7", shift=(13, 17), zero_input="gate"
    ),
    "dfa": Settings(rule="dfa", hidden="u8f8", delta_top="s8f7", gate=100, words="row_lfsr", shift=(9, 21)),
}


def digest(parts):
    """One number for everything that a run left."""
    found = hashlib.sha256()
    for name, values in parts.items():
        for value in values if isinstance(values, list) else [values]:
            found.update(f"{name} {value.shape} ".encode() + np.ascontiguousarray(value, dtype=np.int64).tobytes())
    return found.hexdigest()[:16]


def digests(backend):
    """Digests of every chip, an epoch each; and whether vector code trained it."""
    results = {}
    for name, settings in CHIPS.items():
        chip = chip_of(settings)
        run, data = Run(chip, backend), data_of(chip, 12, 3)
        results[name] = [digest(run.epoch(epoch, data, data)) for epoch in (0, 1)]
        results[name].append(all(run.trained))
    return results


def refusal():
    """The message with which vector code is refused; nothing if it is not."""
    try:
        return chosen_backend(VECTOR) and ""
    except RunError as error:
        return str(error)


if __name__ == "__main__":
    found = {"level": vector_level(), "auto": chosen_backend("auto"), "refusal": refusal(), "digests": digests("auto")}
    print(json.dumps(found))
