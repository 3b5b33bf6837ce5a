"""A checked configuration together with the chip it describes."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from neuro_emu.config.deep_resolve import settled
from neuro_emu.config.dump import dump
from neuro_emu.config.resolve import resolve, warnings_of
from neuro_emu.config.schema import Config
from neuro_emu.config.typed import Document, read, read_text
from neuro_emu.machine.chip import Chip
from neuro_emu.machine.deep.either import AnyChip


@dataclass(frozen=True)
class Experiment:
    """A checked configuration and the chip it describes.

    Attributes:
        config: the configuration, every default filled in.
        chip: the chip.
        document: where it was written, for error messages.
        command: words that reproduce it: the file and its overrides.
        warnings: settings that work but rarely mean what was intended.
    """

    config: Config
    chip: AnyChip
    document: Document
    command: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def digest(self) -> str:
        """First 16 hex digits of the SHA-256 of the resolved configuration.

        The data path does not count, nor does the section `estimate`: neither changes an integer.
        """
        text = dump(replace(self.config, dataset=replace(self.config.dataset, path=None)))
        text = re.sub(r"\n+estimate:.*", "\n", text, flags=re.DOTALL)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def dense_chip(self, what: str) -> Chip:
        """Return the chip of a network of dense layers that learns sample by sample.

        Args:
            what: it is wanted for, for the message.

        Raises:
            ConfigError: if the network is a graph of layers.

        """
        if isinstance(self.chip, Chip):
            return self.chip
        hint = "only dense layers that learn sample by sample do: no preset, no batched: true"
        raise self.document.error("network", f"graphs of layers have no {what} yet", hint)

    def with_seed(self, seed: int) -> Experiment:
        """Return the same experiment with another seed."""
        if not 0 <= seed < 1 << 64:
            raise self.document.error(
                "training.seed", f"seed {seed} is not a 64-bit number", "start from a smaller seed"
            )
        config = replace(self.config, training=replace(self.config.training, seed=seed))
        chip = replace(self.chip, learning=replace(self.chip.learning, seed=seed))
        overrides = [word for word in self.command[1:] if word != "--set"]
        kept = [text for text in overrides if not text.startswith("training.seed=")] + [f"training.seed={seed}"]
        command = (self.command[0], *(word for text in kept for word in ("--set", text)))
        return replace(self, config=config, chip=chip, command=command)


def load(path: str | Path, overrides: Sequence[str] = ()) -> Experiment:
    """Read and check a configuration.

    Args:
        path: YAML file.
        overrides: `section.key=value` texts, as for `--set`.

    Raises:
        ConfigError: with file, line and column of what is wrong.
    """
    command = (str(path), *(word for text in overrides for word in ("--set", text)))
    return _experiment(read(Path(path), overrides), command)


def load_text(text: str, name: str = "configuration") -> Experiment:
    """Do the same for a configuration given as text; *name* stands for the file in error messages."""
    return _experiment(read_text(text, name), (name,))


def _experiment(document: Document, command: tuple[str, ...]) -> Experiment:
    config = settled(document.build(Config), document)
    chip = resolve(config, document)
    return Experiment(config, chip, document, command, tuple(warnings_of(config, chip)))
