"""How the compiled datapath works: its back-end and its threads. Nothing here changes an integer."""

from __future__ import annotations

from dataclasses import dataclass, fields

from neuro_emu.errors import RunError


@dataclass(frozen=True)
class Means:
    """How the compiled datapath works; no choice changes an integer.

    Attributes:
        backend: ``auto``, ``plain``, ``portable`` or ``vector`` (:mod:`neuro_emu.datapath.backends`).
        threads: used by rules whose hidden layers wait for nothing but the label, by graphs, and in tests by all.

    """

    backend: str = "auto"
    threads: int = 1

    def check(self, datapath: str) -> None:
        """Refuse what only the fast datapath has.

        Raises:
            RunError: if *datapath* is another one and anything but the defaults is asked for.

        """
        for field in fields(self):
            value = getattr(self, field.name)
            if datapath != "fast" and value != field.default:
                raise RunError(
                    f"--{field.name} {value}: the {datapath} datapath has no back-ends and one thread;"
                    f" leave --{field.name} out, or use it with --datapath fast"
                )
