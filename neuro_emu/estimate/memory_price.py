"""What memories cost: macros by the routes of a technology, ROM, arrays of flip-flops, external memory."""

from __future__ import annotations

import math

from neuro_emu.errors import RunError
from neuro_emu.estimate.band import Band, between
from neuro_emu.estimate.components.storage import multiplexer, register
from neuro_emu.estimate.gates import Gates
from neuro_emu.estimate.parts import Part
from neuro_emu.estimate.price import Factor, Figure, Price, Prices
from neuro_emu.estimate.sram import mux_gates
from neuro_emu.estimate.technology import SramRoute, memory_fits

SMALL = 64
"""Memories of fewer bits are arrays of flip-flops: there they are about as small as the smallest macro."""

PORTS = {"1RW": 1, "1R1W": 2, "ROM": 1}


def memory_price(words: int, bits: int, ports: str, prices: Prices) -> Price:
    """Return what one memory of *words* × *bits* costs.

    Args:
        words: words.
        bits: bits of a word.
        ports: ``1RW``, ``1R1W`` or ``ROM``.
        prices: technology and supply.

    Raises:
        RunError: if a size is below 1, or the ports are none of these.

    """
    if min(words, bits) < 1:
        raise RunError(f"memory of {words} × {bits}: at least one word of one bit")
    if ports not in PORTS:
        raise RunError(f"memory with ports {ports!r}: {', '.join(PORTS)}")
    if words * bits < SMALL:
        return flip_flops(words, bits, ports, prices)
    supply, lower = prices.technology.at(prices.voltage)
    deep, wide = cut(words, prices.technology.sram.deepest), cut(bits, prices.technology.sram.widest)
    each = {
        quantity: [
            (_figure(prices, quantity, (d, w, PORTS[ports])), n * m)
            for d, n in deep.items()
            for w, m in wide.items()
            if quantity in {"area", "leakage"} or d == max(deep)
        ]
        for quantity in ("area", "leakage", "read", "write")
    }
    # An access reaches one slice in depth; it takes what the largest takes, and all across the width.
    ways = {"area": 1, "leakage": 1} | dict.fromkeys(("read", "write"), deep[max(deep)])
    figure = {name: _sum([found * (n // ways[name]) for found, n in terms]) for name, terms in each.items()}
    area = figure["area"]
    leakage = Figure(
        figure["leakage"].band.times(lower), f"({figure['leakage'].how}) × {lower.nominal:.6g} (V/V0)^leakage_exponent"
    )
    actions = {
        name: Figure(figure[name].band * (1e3 * supply), f"({figure[name].how}) × 1000 × {supply:.6g} (V/V0)²")
        for name in ("read", "write")
    }
    if ports == "ROM":
        area, actions = _as_rom(prices, area, actions)
    gates = mux_gates(sum(deep.values()), bits)
    if gates:
        area += prices.area(Gates(gates))
        leakage += prices.leakage(Gates(gates))
        # One way is selected: its level of the tree moves, the levels above pass it on.
        actions["read"] += prices.operation(multiplexer(bits, 2).logic, "register")
    macros = {"macros": sum(deep.values()) * sum(wide.values()), "words": max(deep), "bits": max(wide)}
    return Price(area, leakage, actions, gates=gates, macros=macros)


def cut(size: int, largest: int) -> dict[int, int]:
    """Return the macros along one dimension, size to number: as many of the largest as go in, and one for the rest.

    A memory that grows never becomes cheaper: what is there stays, and the rest grows.
    """
    whole, rest = divmod(size, largest)
    return ({largest: whole} if whole else {}) | ({rest: 1} if rest else {})


def _sum(figures: list[Figure]) -> Figure:
    total = figures[0]
    for figure in figures[1:]:
        total += figure
    return total


def is_small(part: Part) -> bool:
    """Whether a part is a memory that is built of flip-flops."""
    if part.component != "sram":
        return False
    return int(part.attributes["words"]) * int(part.attributes["bits"]) < SMALL


def _figure(prices: Prices, quantity: str, shape: tuple[int, int, int]) -> Figure:
    """Return pJ, µm² or nW of one macro: the geometric mean of the routes.

    Each is as uncertain as other macros of its fit's technology are, and at least by the spread of this technology.
    """
    sram = prices.technology.sram
    spread = {"area": sram.area_spread, "leakage": sram.leakage_spread}.get(quantity, sram.energy_spread)
    routes, told = [], []
    for route in sram.routes:
        value, name = _route(route, quantity, shape)
        fit = memory_fits()[route.fit]
        own = {"area": fit.area_band, "leakage": Band.exact(1.0)}.get(quantity, fit.energy_band)
        routes.append(Band(value * min(own.low, 1 / spread), value, value * max(own.high, spread)))
        told.append(f"{value:.6g} {name}")
    band = between(*routes)
    return Figure(band, told[0] if len(told) == 1 else f"geometric mean of ({', '.join(told)})")


def _route(route: SramRoute, quantity: str, shape: tuple[int, int, int]) -> tuple[float, str]:
    """Return pJ, µm² or nW of a macro by one route, and what to call it: the fit and the macro that it was asked for.

    No macro is smaller, in words or in bits, than the smallest that the fit knows: a smaller memory takes that one.
    """
    fit, (words, bits, ports) = memory_fits()[route.fit], shape
    words, bits = max(words, fit.words[0]), max(bits, fit.bits[0])
    scale = {"read": route.energy, "write": route.energy, "area": route.area, "leakage": route.leakage}[quantity]
    value: float = getattr(fit, quantity)(words, bits, ports) * scale
    if not (value > 0 and math.isfinite(value)):
        raise RunError(f"{route.fit}: {quantity} of {words} × {bits} is {value:g}")
    return value, f"{route.fit}[{words}x{bits}{'' if ports == 1 else ':1R1W'}]"


def _as_rom(prices: Prices, area: Figure, actions: dict[str, Figure]) -> tuple[Figure, dict[str, Figure]]:
    def scaled(figure: Figure, name: str) -> Figure:
        factor = prices.constant(name)
        return Figure(figure.band.times(factor.band), f"({figure.how}) × {factor}")

    return scaled(area, "rom_area"), {"read": scaled(actions["read"], "rom_energy")}


def flip_flops(words: int, bits: int, ports: str, prices: Prices) -> Price:
    """Return what flip-flops with enables cost, and a tree of multiplexers to read them.

    A ROM is the tree alone, of constants.

    Raises:
        RunError: if a size is below 1.

    """
    if min(words, bits) < 1:
        raise RunError(f"memory of {words} × {bits}: at least one word of one bit")
    tree = multiplexer(bits, words)
    # A new address moves one level of the tree in full, the others by halves of halves.
    read = min(tree.logic, 2 * multiplexer(bits, 2).logic) or 1.0
    if ports == "ROM":
        # Constants halve a tree of multiplexers: the lowest level becomes wires and inverters.
        gates = Gates(max(tree.logic / 2, 1.0))
        read = min(gates.logic, read)
        return Price(
            prices.area(gates), prices.leakage(gates), {"read": prices.operation(read, "register")}, gates.logic
        )
    gates = tree + register(words * bits, enable=True)
    actions = {
        "read": prices.operation(read, "register"),
        "write": prices.clock(bits),
        "hold": prices.clock(words * bits, enabled=False),
    }
    return Price(prices.area(gates), prices.leakage(gates), actions, gates.logic, gates.flops)


def external_price(prices: Prices) -> Price:
    """Return what external memory costs: energy a bit, which no supply of the chip changes; its area is elsewhere."""
    energy = prices.constant("dram_energy")
    each = Figure.product([Factor("bit", Band.exact(1.0)), energy], 1e3)
    nothing = Figure(Band.exact(0.0), "on another chip")
    return Price(nothing, nothing, {"read": each, "write": each})
