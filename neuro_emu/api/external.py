"""External memory: what training steps read and write on published networks, by rule, as figure 6.1 of the thesis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neuro_emu.errors import RunError
from neuro_emu.estimate.external.layers import Bits, NetworkTraffic
from neuro_emu.estimate.external.learner import ACCOUNTINGS
from neuro_emu.estimate.external.named import DEFAULT
from neuro_emu.estimate.external.of_chip import CONFIGURATION, network_of_chip
from neuro_emu.estimate.external.published import NAMES, network_of
from neuro_emu.estimate.external.record import comparison
from neuro_emu.estimate.technology import find_technology
from neuro_emu.files import check_writable, json_text, write_text


@dataclass(frozen=True)
class Settings:
    """What a comparison stands on.

    Attributes:
        data: images: ``cifar10``, ``cifar100``, ``tiny_imagenet``, ``imagenet``.
        width: channels of the first stage; the published networks have 64.
        batch: samples of a step; the thesis trains with 128.
        bits: of every number but the slopes.
        slope_bits: of what f′ is made from: 1, a mask of ReLU.
        velocity_bits: of momentum; 0: none.
        capacity_kib: KiB on the chip for parameters and kept activations.
        generated: whether fixed random matrices are generated on the chip.
        technology: whose `dram_energy` is taken: a name, or a YAML file.
        constants: files of constants that replace those of the technology.
        layers: whether the record lists every access.

    """

    data: str = "cifar10"
    width: int = 64
    batch: int = 128
    bits: int = 8
    slope_bits: int = 1
    velocity_bits: int = 0
    capacity_kib: float = 0.0
    generated: bool = False
    technology: str = "ihp130"
    constants: tuple[str | Path, ...] = ()
    layers: bool = False


def external(
    networks: Sequence[str] = NAMES,
    rules: Sequence[str] = DEFAULT,
    accountings: Sequence[str] = tuple(ACCOUNTINGS),
    settings: Settings | None = None,
) -> dict[str, Any]:
    """Return what training steps read and write outside the chip, by network, rule and accounting.

    Args:
        networks: names, sizes such as 784-500-10, or configurations (`.yaml`), which have formats of their own.
        rules: such as bp, asap/block=4.
        accountings: ``thesis``, ``full``.
        settings: images, mini-batch, bits, memory on the chip.

    Raises:
        ConfigError: if a configuration is wrong, with the place.
        RunError: if something named does not exist.

    """
    settings = settings or Settings()
    if not networks or not rules or not accountings:
        raise RunError("nothing to compare: name networks, rules and accountings")
    n = settings.bits
    bits = Bits(n, n, n, settings.slope_bits, settings.velocity_bits, n)
    found = [_network(name, settings, bits) for name in dict.fromkeys(networks)]
    if repeated := [one.name for one in found if sum(other.name == one.name for other in found) > 1]:
        raise RunError(f"two networks are called {repeated[0]!r}: give configurations names of their own")
    technology = find_technology(settings.technology, settings.constants)
    record = comparison(
        found,
        tuple(dict.fromkeys(rules)),
        tuple(dict.fromkeys(accountings)),
        technology,
        batch=settings.batch,
        capacity_kib=settings.capacity_kib,
        generated=settings.generated,
        layers=settings.layers,
    )
    record |= {"data": settings.data, "width": settings.width, "number_bits": n, "slope_bits": settings.slope_bits}
    record["configurations"] = [one.name for one in found if one.about == CONFIGURATION]
    return record | {"velocity_bits": settings.velocity_bits}


def _network(name: str, settings: Settings, bits: Bits) -> NetworkTraffic:
    """Return a network by name, by sizes, or from a configuration."""
    if Path(name).suffix not in {".yaml", ".yml"}:
        return network_of(name, settings.data, settings.width, bits)
    from neuro_emu.config.experiment import load

    experiment = load(name)
    return network_of_chip(experiment.chip, experiment.config.name)


def write_external(record: dict[str, Any], directory: str | Path) -> None:
    """Write `external.json`, `external.txt` and `external.svg`."""
    from neuro_emu.report.external import external_text
    from neuro_emu.report.external_picture import external_picture

    folder = Path(directory)
    check_writable(folder)
    write_text(folder / "external.json", json_text(record))
    write_text(folder / "external.txt", external_text(record))
    write_text(folder / "external.svg", external_picture(record))
