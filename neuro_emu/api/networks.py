"""Networks by name: what each preset stands for, and how large it is."""

from __future__ import annotations

from typing import Any

from neuro_emu.config.deep_resolve import made_of
from neuro_emu.config.dump import to_plain
from neuro_emu.config.presets import PRESETS, Preset
from neuro_emu.config.schema import Config
from neuro_emu.config.typed import read_text
from neuro_emu.datasets.registry import specification
from neuro_emu.network.deep.graph import Graph

_EXAMPLE = """
dataset: {name: %s}
network: {preset: {%s: {%s}}, formats: {weight: s16f14, output: u8f4, delta: s16f15}}
training: {rule: bp, lr_shift: {hidden: 12, output: 12}}
"""
"""Formats change neither shapes nor sizes."""

_SHOWN = (
    ("drtp_mnist", "", "mnist"),
    ("drtp_cifar", "", "cifar10"),
    ("dkp", "", "fashion_mnist"),
    ("dkp", "", "cifar10"),
    ("alexnet", "", "cifar10"),
    ("alexnet", "pool: true", "cifar10"),
    ("resnet", "depth: 18, width: 16", "cifar10"),
    ("resnet", "depth: 18", "cifar10"),
    ("resnet", "depth: 34", "cifar10"),
)
"""Presets, options that are not the defaults, and the data set that each is for."""


def networks_table() -> list[dict[str, Any]]:
    """Return one entry a network: its preset, options, data set, short form, layers, parameters, MACs a sample."""
    return [_entry(*row) for row in _SHOWN]


def _entry(name: str, options: str, dataset: str) -> dict[str, Any]:
    document = read_text(_EXAMPLE % (dataset, name, options), name)
    config, described = document.build(Config), specification(dataset)
    graph = made_of(config, described.shape, described.classes, document).graph
    return {
        "preset": name,
        "options": options,
        "dataset": dataset,
        "network": str(graph),
        "layers": len(graph.layers),
        "parameters": parameters_of(graph),
        "macs": macs_of(graph),
    }


def preset_options() -> list[dict[str, Any]]:
    """Return one entry a preset: its name, what it is, and its options with their defaults."""
    return [{"preset": kind.yaml_tag, "summary": _summary(kind), "options": _options(kind)} for kind in PRESETS]


def _options(kind: type[Preset]) -> Any:
    return to_plain(kind())[kind.yaml_tag]  # type: ignore[call-overload,index]


def _summary(kind: type[Preset]) -> str:
    return (kind.__doc__ or "").splitlines()[0]


def parameters_of(graph: Graph) -> int:
    """Numbers that could learn: weights, biases, and γ and β of norms."""
    return sum(layer.units * (layer.rows + (2 if layer.norm else 0)) for layer in graph.layers)


def macs_of(graph: Graph) -> int:
    """Multiplications of a forward pass of one sample, biases and norms left out; zeros under kernels count."""
    return sum(layer.positions * layer.depth * layer.units for layer in graph.layers)
