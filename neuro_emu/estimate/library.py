"""The component library: what parts can be, with which attributes and actions.

A new component is one entry: a function from attributes to :class:`neuro_emu.estimate.gates.Gates` (for logic), or a
pricing function (for memories). Configurations of published chips and exchanged tables name components as here.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from neuro_emu.config.nodes import suggest
from neuro_emu.errors import RunError
from neuro_emu.estimate.components import activation, arithmetic, normalisation, randomness, rounding, storage, update
from neuro_emu.estimate.gates import Gates
from neuro_emu.estimate.memory_price import external_price, flip_flops, memory_price
from neuro_emu.estimate.parts import Part
from neuro_emu.estimate.price import Figure, Price, Prices


@dataclass(frozen=True)
class Component:
    """One kind of part.

    Attributes:
        about: what it is.
        size: attributes to gates, for logic; None for memories.
        kind: of logic, for its glitches (:mod:`neuro_emu.estimate.activity_factors`).
        control: whether it works in every cycle (action `tick`) and not on demand (`operate`).
        configured: whether its limits, shifts and modes come from registers, so that some of its gates stand still.
        attributes: names, for memories; those of logic are the parameters of `size`.
        does: names of actions, for memories.

    """

    about: str
    size: Callable[..., Gates] | None = None
    kind: str = "adder"
    control: bool = False
    configured: bool = False
    attributes: tuple[str, ...] = ()
    does: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of attributes."""
        return tuple(inspect.signature(self.size).parameters) if self.size else self.attributes

    @property
    def actions(self) -> tuple[str, ...]:
        """Names of actions: logic operates or ticks, flip-flops are clocked or held, memories are read or written."""
        if not self.size:
            return self.does
        return ("tick", "clock", "hold") if self.control else ("operate", "idle", "clock", "hold")


def block(logic: float, flops: int) -> Gates:
    """Any logic whose gates are known."""
    return Gates(logic, flops)


_BOTH = ("read", "write")
_FROM_0 = ("logic", "flops", "shift")
"""Attributes that may be 0; all others are widths or numbers of something."""
_MOST = 10**12

COMPONENTS: dict[str, Component] = {
    "multiplier": Component("signed multiplier of a × b bits", arithmetic.multiplier, "multiplier"),
    "mac": Component("multiplier, saturating accumulator and their registers", arithmetic.mac, "mac"),
    "adder": Component("sum of two words", arithmetic.adder, "adder"),
    "subtractor": Component("difference of two words", arithmetic.subtractor, "adder"),
    "comparator": Component("whether one word is below another", arithmetic.comparator, "adder"),
    "incrementer": Component("a word plus 1", arithmetic.incrementer, "adder"),
    "multiplexer": Component("one of several words", storage.multiplexer, "register"),
    "shifter": Component("a word moved by an amount that is an input", storage.barrel_shifter, "register"),
    "register": Component("flip-flops", storage.register, "register"),
    "saturate": Component("clamp to limits that are inputs", rounding.saturate, "requantise", configured=True),
    "requantise": Component("shift by an input, round, clamp", rounding.requantise, "requantise", configured=True),
    "requantise_fixed": Component("drop bits, round, clamp to one format", rounding.requantise_fixed, "requantise"),
    "round_shift": Component(
        "divide by a power of two in five roundings", rounding.round_shift, "requantise", configured=True
    ),
    "accumulate": Component("sum that saturates or wraps", update.accumulate, "accumulator", configured=True),
    "add_step": Component("weight plus rounded step", update.add_step, "update", configured=True),
    "weight_update": Component("round stochastically, add, clamp", update.weight_update, "update", configured=True),
    "weight_update_fixed": Component("the same for one shift and one format", update.weight_update_fixed, "update"),
    "lfsr": Component("linear feedback shift register", randomness.lfsr, "random_words"),
    "xorshift": Component("xorshift register", randomness.xorshift, "random_words"),
    "random_words": Component("words for all lanes", randomness.random_words, "random_words"),
    "activation_unit": Component(
        "accumulator to code, derivative's product", activation.activation_unit, "requantise", configured=True
    ),
    "linear_activation": Component(
        "hard tanh, relu or identity", activation.linear_activation, "requantise", configured=True
    ),
    "ternary_sign": Component("sign with a dead zone", activation.ternary_sign, "adder"),
    "velocity_sum": Component("decayed velocity plus gradient", normalisation.velocity_sum, "adder"),
    "divider": Component("unsigned quotient", normalisation.divider, "multiplier"),
    "root": Component("integer square root", normalisation.root, "multiplier"),
    "block": Component("logic whose gates are known", block, "requantise"),
    "adder_block": Component("adders whose gates are known", block, "adder"),
    "multiplier_block": Component("multipliers whose gates are known", block, "multiplier"),
    "update_block": Component("weight updates configured by registers, gates known", block, "update", configured=True),
    "accumulator_block": Component(
        "accumulators configured by registers, gates known", block, "accumulator", configured=True
    ),
    "configured_block": Component("logic configured by registers, gates known", block, "requantise", configured=True),
    "random_block": Component("generators whose gates are known", block, "random_words"),
    "control": Component("logic that works in every cycle, gates known", block, control=True),
    "sram": Component("memory of one port (1RW) or two (1R1W)", attributes=("words", "bits", "ports"), does=_BOTH),
    "register_file": Component("memory of flip-flops", attributes=("words", "bits"), does=(*_BOTH, "hold")),
    "rom": Component("mask ROM", attributes=("words", "bits"), does=("read",)),
    "dram": Component("external memory; an action is a bit", does=_BOTH),
}
"""Every component by name."""


def check_part(part: Part) -> Component:
    """Return the component of a part.

    Raises:
        RunError: if there is no such component, or its attributes are others.

    """
    if part.component not in COMPONENTS:
        hint = suggest(part.component, COMPONENTS, "components")
        raise RunError(f"{part.name}: no component {part.component!r}: {hint}")
    component = COMPONENTS[part.component]
    unknown = [name for name in part.attributes if name not in component.names]
    if unknown:
        known = ", ".join(component.names) or "none"
        raise RunError(f"{part.name}: {part.component} has no attribute {unknown[0]!r}; it has {known}")
    return component


def price_of(part: Part, prices: Prices) -> Price:
    """Return what one instance of *part* costs.

    Raises:
        RunError: if the part's component or attributes do not exist, or do not make sense.

    """
    component = check_part(part)
    attributes = _attributes(part, component)
    if part.component == "dram":
        return external_price(prices)
    if part.component == "sram":
        return memory_price(attributes["words"], attributes["bits"], attributes.get("ports", "1RW"), prices)
    if part.component == "register_file":
        return flip_flops(attributes["words"], attributes["bits"], "1RW", prices)
    if part.component == "rom":
        return memory_price(attributes["words"], attributes["bits"], "ROM", prices)
    assert component.size is not None
    return _logic_price(part, component, component.size(**attributes), prices)


def _attributes(part: Part, component: Component) -> dict[str, Any]:
    """Return the attributes of a part, each a number, truth value or text as its component takes it."""
    parameters = inspect.signature(component.size).parameters if component.size else {}
    found: dict[str, Any] = {}
    for name in component.names:
        parameter = parameters.get(name)
        if name in part.attributes:
            kind = parameter.annotation if parameter else "str" if name == "ports" else "int"
            found[name] = _attribute(part, name, kind)
        elif name != "ports" and (parameter is None or parameter.default is parameter.empty):
            raise RunError(f"{part.name}: attribute {name!r} of {part.component} is missing")
    return found


def _attribute(part: Part, name: str, kind: str) -> int | float | str:
    value, least, whole = part.attributes[name], 0 if name in _FROM_0 else 1, kind == "int"
    where = f"{part.name}: {part.component}: {name} {value!r}"
    if kind == "str":
        return str(value)
    if kind == "bool":
        if not isinstance(value, bool):
            raise RunError(f"{where} is neither true nor false")
        return value
    if isinstance(value, bool | str) or not least <= value <= _MOST or (whole and value != int(value)):
        raise RunError(f"{where} is no {'whole ' * whole}number from {least} to {_MOST:,}")
    return int(value) if whole else value


def _logic_price(part: Part, component: Component, gates: Gates, prices: Prices) -> Price:
    if gates.logic < 0 or gates.flops < 0 or gates.total <= 0:
        raise RunError(f"{part.name}: {gates.logic:g} gates and {gates.flops} flip-flops are no size")
    actions: dict[str, Figure] = {}
    if gates.logic and component.control:
        actions["tick"] = prices.tick(gates.logic)
    elif gates.logic:
        actions["operate"] = prices.operation(gates.logic, component.kind, configured=component.configured)
        actions["idle"] = prices.idle(actions["operate"])
    if gates.flops:
        actions["clock"] = prices.clock(gates.flops)
        actions["hold"] = prices.clock(gates.flops, enabled=False)
    return Price(prices.area(gates), prices.leakage(gates), actions, gates.logic, gates.flops)
