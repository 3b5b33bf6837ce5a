"""Mistakes in estimates: units, scaling, sums, counters charged wrongly; `tests/mutations.py` applies them."""

ESTIMATE_TESTS = (
    "estimate/test_cost_engine.py",
    "estimate/test_band.py",
    "estimate/test_library_prices.py",
    "estimate/test_chip_designs.py",
    "estimate/test_estimate_api.py",
    "estimate/test_technologies.py",
    "estimate/test_presets.py",
    "estimate/test_toggles.py",
    "estimate/test_charges.py",
    "estimate/test_charges_chain.py",
)
HOMES = "estimate/chip_memories.py"
PRICE, COST, MEMORY, USES = "estimate/price.py", "estimate/cost.py", "estimate/memory_price.py", "estimate/chip_uses.py"

# (name, edits); the text of an edit occurs exactly once in its file
ESTIMATE = (
    (
        "energies go with the voltage",
        (("estimate/technology.py", "return ratio**2, Band(*ends)", "return ratio, Band(*ends)"),),
    ),
    (
        "leakage does not fall with the supply",
        (("estimate/technology.py", "ratio**2, Band(*ends)", "ratio**2, Band.exact(1.0)"),),
    ),
    (
        "deviations add up instead of in squares",
        (("estimate/band.py", "math.log(band.high / band.nominal) ** 2", "math.log(band.high / band.nominal) ** 4"),),
    ),
    (
        "routes by their arithmetic mean",
        (
            (
                "estimate/band.py",
                "math.exp(math.fsum(math.log(route.nominal) for route in routes) / len(routes))",
                "sum(route.nominal for route in routes) / len(routes)",
            ),
        ),
    ),
    (
        "macros in pJ taken for fJ",
        ((MEMORY, "figure[name].band * (1e3 * supply)", "figure[name].band * (1.0 * supply)"),),
    ),
    (
        "all slices in depth are read",
        ((MEMORY, 'dict.fromkeys(("read", "write"), deep[max(deep)])', 'dict.fromkeys(("read", "write"), 1)'),),
    ),
    ("the rest of a memory is lost", ((MEMORY, "({rest: 1} if rest else {})", "{}"),)),
    (
        "ROM priced as RAM",
        (
            (
                MEMORY,
                '    if ports == "ROM":\n        area, actions = _as_rom',
                '    if ports == "RAM":\n        area, actions = _as_rom',
            ),
        ),
    ),
    (
        "cells placed without gaps",
        ((PRICE, "Band(1 / density.high, 1 / density.nominal, 1 / density.low)", "Band.exact(1.0)"),),
    ),
    ("flip-flops without area", ((PRICE, "        if gates.flops:", "        if gates.flops < 0:"),)),
    ("held registers cost as much as clocked ones", ((PRICE, '[] if enabled else ["clock_gated"]', "[]"),)),
    ("no glitches", ((PRICE, 'Factor("glitches", Band(*glitch(kind)))', 'Factor("glitches", Band.exact(1.0))'),)),
    ("no wires", ((PRICE, 'self.constant("wires"), operands', "operands"),)),
    (
        "leakage of an hour",
        ((COST, "return self.leakage * self.latency_us", "return self.leakage * self.workload.cycles"),),
    ),
    ("no leakage in the energy", ((COST, "return self.dynamic + self.leaked", "return self.dynamic"),)),
    (
        "one instance's area for all",
        ((COST, "self.each[part.name].area.band * part.count", "self.each[part.name].area.band"),),
    ),
    (
        "leakage of one instance",
        ((COST, "total(each[part.name].leakage.band * part.count for", "total(each[part.name].leakage.band for"),),
    ),
    ("counts without their range", ((COST, "self.each.times(self.use.times)", "self.each * self.use.count"),)),
    (
        "updates without their multiplication",
        ((USES, 'C.UPDATE: (*MULTIPLY, "lane update")', 'C.UPDATE: ("lane update",)'),),
    ),
    (
        "only bank 0 is charged",
        ((USES, "int(np.sum(counts.banked[phase, layer, p]))", "int(counts.banked[phase, layer, p, 0])"),),
    ),
    ("writes charged as reads", ((HOMES, '"write" if component.name.endswith("_WRITE") else "read"', '"read"'),)),
    (
        "upper layers read the input memory",
        ((HOMES, 'return self.find(f"outputs[{layer - 1}]")', 'return self.find("input")'),),
    ),
    ("control works for nothing", ((USES, "if name in CONTROL and cycles:", "if name in CONTROL and not cycles:"),)),
    ("idle lanes are not clocked", ((USES, "if every > work:", "if every < work:"),)),
    ("operands are held back", ((USES, "if part in self.parts and idle > 0:", "if part in self.parts and idle < 0:"),)),
    (
        "a chain reads its own signals twice",
        ((HOMES, "[(own, loaded), (self._above(layer), count - loaded)]", "[(own, count)]"),),
    ),
    ("trees add in the accumulator", ((USES, '(*MULTIPLY, "adder tree")', '(*MULTIPLY, "lane accumulate")'),)),
    (
        "sums of learned feedback lie with the weights",
        ((HOMES, "if phase is Phase.FEEDBACK else ()", "if phase is Phase.LOAD else ()"),),
    ),
    ("a sample pays for all", ((USES, "count / samples, why", "count, why"),)),
    (
        "the chip without learning keeps its feedback",
        (("estimate/chip_parts.py", "if learning or _infers(macro)]", "]"),),
    ),
    ("mini-batches are never written", (("machine/expected.py", "        written if summed else 0,", "        0,"),)),
    (
        "normalisation is free",
        (
            (
                "machine/expected.py",
                "written // learning.weight_norm.every if learning.weight_norm and weights else 0",
                "0",
            ),
        ),
    ),
    ("sums toggle like products", (("estimate/toggles.py", "np.cumsum(products, axis=0)", "products"),)),
    ("operands seen are forgotten", ((COST, "replace(prices, seen=seen)", "replace(prices, seen=None)"),)),
    (
        "a bar is met outside the band",
        (("estimate/preset.py", "bool(inside and near) if figure.bar", "bool(near) if figure.bar"),),
    ),
)
