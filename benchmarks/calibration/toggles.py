"""Switching of the arithmetic blocks of the RTL by the statistics of their operands.

    python benchmarks/calibration/toggles.py [--only TEXT] [--fit]      (needs pyosys; about 4 min)

Every block is mapped to gates of two inputs and simulated bit-parallel, 16384 pairs of consecutive cycles a workload:
once without delays (each net changes at most once a cycle) and once with a delay for every gate, which makes glitches
(toggle_blocks.py). Then a small model of the Hamming distances is fitted to each component. Results:
``results/toggles.json`` and ``results/toggles.md``; --fit only fits again, --only simulates some of the blocks again.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from toggle_blocks import BLOCKS, Block, Codes, Netlist, Words, clamp, step_word, synthesise

RESULTS = Path(__file__).resolve().parent / "results"
LANES, CYCLES, WARM = 256, 64, 128
CHANCES, SPREADS = (0.25, 0.5, 0.75, 0.9), (16, 8, 4, 2)
# SDF-delayed simulation of blocks mapped to public standard cells, random operands, pin capacitances only:
# pJ a cycle without and with glitches. Not repeated here; the two libraries marked "partly" had some unit delays.
SDF = {
    "multiplier": {"sky130": (2.65, 4.90), "gf180": (4.60, 8.71), "osu018": (19.2, 42.8)},
    "mac": {"sky130": (7.21, 13.5), "gf180": (12.9, 23.6), "osu018": (49.9, 105.0)},
    "adder": {"sky130": (0.99, 1.21), "gf180": (1.56, 2.20), "osu018": (6.6, 8.2)},
    "update": {"sky130": (3.32, 7.36), "gf180": (5.87, 14.9), "osu018": (23.0, 65.0)},
}
SDF_PARTLY = {
    "multiplier": {"ihp130": (1.66, 3.45), "asap7": (0.064, 0.141)},
    "mac": {"ihp130": (4.73, 9.15), "asap7": (0.169, 0.330)},
    "adder": {"ihp130": (0.59, 0.74), "asap7": (0.025, 0.029)},
    "update": {"ihp130": (2.06, 5.29), "asap7": (0.082, 0.217)},
}
LANE_MAC = "MAC 12×9+32 of a lane, product registered"
NOT_FITTED = ("multiplier 8×8, Booth", "multiplier 16×16")  # for the glitches only
OUTLIER = "inverted"  # every bit toggles every cycle: it gives the ceiling
METHOD = (
    f"{LANES * CYCLES:,} pairs of consecutive cycles a workload, in {LANES} sequences; generic gates of two inputs "
    "(pyosys, `synth -flatten; abc -g AND,OR,XOR,NAND,NOR,XNOR,MUX`). A transition counts the pins it drives plus the "
    "area of its gate, in NAND2; no wires, clocks or flip-flops. h_a, h_b, h_word, h_out: mean Hamming distance of "
    "consecutive values, a share of the bits in the JSON and relative to random operands in the tables (output of a "
    "MAC: its register; `accumulator` blocks: h_a is the product). Limits, shifts and modes are inputs that never "
    "change, as registers of the chip are, except where they are fixed in the netlist."
)


# --- workloads ----------------------------------------------------------------------------------------------------
class Source:
    """Operand sequences, lanes × cycles, from one seed."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.shape = (LANES, WARM + CYCLES + 1)

    def uniform(self, bits: int) -> Codes:
        return self.rng.integers(-(2 ** (bits - 1)), 2 ** (bits - 1), self.shape) if bits else np.zeros(self.shape, int)

    def gaussian(self, bits: int, divisor: float) -> Codes:
        """Codes with a standard deviation of full scale / *divisor*."""
        full = 2 ** (bits - 1)
        return np.clip(np.rint(self.rng.normal(0, full / divisor, self.shape)), -full, full - 1).astype(np.int64)

    def smooth(self, bits: int) -> Codes:
        """Codes that drift: correlation 0.95 from cycle to cycle, standard deviation full scale / 4."""
        x, full = self.rng.normal(size=self.shape), 2 ** (bits - 1)
        for t in range(1, self.shape[1]):
            x[:, t] = 0.95 * x[:, t - 1] + np.sqrt(1 - 0.95**2) * x[:, t]
        return np.clip(np.rint(x * full / 4), -full, full - 1).astype(np.int64)

    def chance(self, p: float) -> NDArray[np.bool_]:
        return self.rng.random(self.shape) < p

    def burst(self, p: float, length: float) -> NDArray[np.bool_]:
        """Runs of mean *length* that cover the share *p* of all cycles."""
        draw, state = self.rng.random(self.shape), self.chance(p)
        for t in range(1, self.shape[1]):
            enter = p / (1 - p) / length
            state[:, t] = np.where(state[:, t - 1], draw[:, t] >= 1 / length, draw[:, t] < enter)
        return state

    def pixels(self, bits: int) -> Codes:
        """Inputs like those of MNIST: 81 % zeros in runs of 20, the others dark or bright, never negative."""
        bits = max(bits, 1)
        bright = (self.rng.beta(0.6, 0.5, self.shape) * (2 ** (bits - 1) - 1)).round().astype(np.int64)
        return np.where(self.burst(0.81, 20), 0, bright)


def hold(codes: Codes, idle: NDArray[np.bool_]) -> Codes:
    """Repeat the last code in idle cycles, as a register with an enable does."""
    last = np.maximum.accumulate(np.where(idle, 0, np.arange(codes.shape[1])), axis=1)
    return np.take_along_axis(codes, last, axis=1)


def workloads(bits_a: int, bits_b: int, source: Source) -> Iterator[tuple[str, Codes, Codes]]:
    """Operands a and b; a width of 0 for b leaves out what concerns b."""

    def a() -> Codes:
        return source.uniform(bits_a)

    def b() -> Codes:
        return source.uniform(bits_b)

    yield "random", a(), b()
    yield "drifting", source.smooth(bits_a), source.smooth(bits_b) if bits_b else b()
    odd = -(np.arange(source.shape[1]) % 2)
    yield "all inverted", hold(a(), source.chance(1)) ^ odd, hold(b(), source.chance(1)) ^ odd
    for p in CHANCES:
        idle = source.chance(p)
        yield f"all zero {p:g}", np.where(idle, 0, a()), np.where(idle, 0, b())
    for d in SPREADS:
        yield f"all small 1/{d}", source.gaussian(bits_a, d), source.gaussian(bits_b, d) if bits_b else b()
    if not bits_b:
        return
    always = np.ones(source.shape, bool)
    yield "a held", hold(a(), always), b()
    yield "b held", a(), hold(b(), always)
    for p in CHANCES:
        yield f"a held {p:g}", hold(a(), source.chance(p)), b()
        yield f"b held {p:g}", a(), hold(b(), source.chance(p))
        yield f"a zero {p:g}", np.where(source.chance(p), 0, a()), b()
        yield f"b zero {p:g}", a(), np.where(source.chance(p), 0, b())
        yield f"b zero in runs {p:g}", a(), np.where(source.burst(p, 8), 0, b())
    for d in SPREADS:
        yield f"a small 1/{d}", source.gaussian(bits_a, d), b()
        yield f"b small 1/{d}", a(), source.gaussian(bits_b, d)
        yield f"a small 1/{d}, b half zero", source.gaussian(bits_a, d), np.maximum(source.gaussian(bits_b, 4), 0)
        yield f"a half zero, b small 1/{d}", np.maximum(source.gaussian(bits_a, 4), 0), source.gaussian(bits_b, d)
        yield f"a small 1/{d}, b positive", source.gaussian(bits_a, d), clamp(abs(source.gaussian(bits_b, 4)), bits_b)
    yield "a small, b drifting", source.gaussian(bits_a, 8), source.smooth(bits_b)
    weights, pixels = source.gaussian(bits_a, 8), source.pixels(bits_b)
    yield "weights and pixels", weights, pixels
    yield "weights held, pixels", hold(weights, source.chance(1 - 1 / 64)), pixels


def runs(block: Block, seed: int) -> Iterator[tuple[str, Codes, Codes, Codes]]:
    """All workloads of a block; the third operand is the random word, or whether the accumulator takes the product."""
    source = Source(seed)
    kind, never, always = block.component, np.zeros(source.shape, bool), np.ones(source.shape, np.int64)
    words = source.rng.integers(0, 2**32, source.shape)
    if kind == "random_words":
        for t in range(1, source.shape[1]):
            words[:, t] = step_word("lfsr" if "lfsr" in block.body else "xorshift", words[:, t - 1])
        for p in (0, *CHANCES):
            yield f"everything held {p:g}" if p else "random", hold(words, source.chance(p)), words, words
        return
    for name, a, b in workloads(*block.widths, source):
        yield name, a, b, words if kind == "update" else always
        if kind == "update":
            yield f"{name}, word held", a, b, hold(words, ~never)
    a, b = source.gaussian(block.widths[0], 8), source.pixels(block.widths[1])
    if kind in ("multiplier", "mac", "accumulator"):
        idle = b == 0
        yield "weights and pixels, zeros skipped", hold(a, idle), hold(b, idle), (~idle).astype(np.int64)
    if kind == "update":
        steps = np.where(source.burst(0.5, 8), 0, source.gaussian(block.widths[0], 64))
        weights = source.gaussian(block.widths[1], 8)
        yield "small steps", steps, weights, words
        yield "small steps, word held", steps, weights, hold(words, ~never)
    for p in CHANCES:
        idle = source.chance(p)
        third = hold(words, idle) if kind == "update" else (~idle).astype(np.int64)
        operands = (hold(source.uniform(bits), idle) for bits in block.widths)
        yield f"everything held {p:g}", *operands, third


# --- measurement --------------------------------------------------------------------------------------------------
def pack(codes: Codes, bits: int) -> Words:
    """Bits × words: one code in one position of the words."""
    flat = codes.ravel()
    return np.stack([np.packbits(((flat >> j) & 1).astype(bool)).view(np.uint64) for j in range(bits)])


def distance(codes: Codes, bits: int) -> float:
    """Mean Hamming distance of consecutive codes, a share of the bits."""
    change = (codes[:, 1:] ^ codes[:, :-1]) & (2**bits - 1)
    return float(np.bitwise_count(change).mean() / bits)


def measure(
    block: Block, netlist: Netlist, operands: tuple[Codes, Codes, Codes], models: list[str]
) -> dict[str, float]:
    """Energies a cycle in NAND2 loads, and the distances of a, b, the random word and the output."""
    ports = {name: codes[:, WARM:] for name, codes in block.run(*operands).items()}
    size = LANES * CYCLES // 64

    def start(moment: slice) -> Words:
        values = np.zeros((netlist.nets, size), np.uint64)
        values[1] = ~values[1]
        for name, codes in ports.items():
            if name != "y":
                values[netlist.ports[name]] = pack(codes[:, moment], len(netlist.ports[name]))
        for name, (_, value) in block.constant.items():
            for j, net in enumerate(netlist.ports.get(name, [])):
                values[net] = ~np.uint64(0) if (value >> j) & 1 else 0
        return values

    before, after = start(slice(None, -1)), start(slice(1, None))
    inputs = {net: after[net].copy() for name in ports if name != "y" for net in netlist.ports[name]}
    netlist.settle(before)
    netlist.settle(after)
    if not np.array_equal(after[netlist.ports["y"]], pack(ports["y"][:, 1:], block.out)):
        raise AssertionError(f"{block.component}: the netlist does not compute what it should")
    a, b, word = (codes[:, WARM:] for codes in operands)
    point = {"h_a": distance(ports.get("p", a), block.inputs.get("p", block.widths[0]))}
    if block.widths[1] and "p" not in ports:
        point["h_b"] = distance(b, block.widths[1])
    if "w" in ports:
        point["h_word"] = distance(word, 32)
    point["h_out"] = distance(ports.get("acc", ports["y"]), block.out)
    point["zero"] = float((np.bitwise_count(before ^ after).sum(1) * netlist.weight).sum() / LANES / CYCLES)
    for model in models:
        point[model] = float((netlist.wheel(before, inputs, model) * netlist.weight).sum() / LANES / CYCLES)
    return point


def characterise(name: str, block: Block) -> dict[str, Any]:
    """One block over all its workloads; the other delay models on random operands only."""
    start, netlist = time.monotonic(), synthesise(block.source(), block.booth)
    points = {}
    for workload, *operands in runs(block, seed=2024):
        models = ["gates", "loaded", "unit", "transport"] if workload == "random" else ["gates"]
        points[workload] = measure(block, netlist, tuple(operands), models)
    print(f"{name}: {len(netlist.kinds)} gates, {len(points)} workloads, {time.monotonic() - start:.0f} s", flush=True)
    return {
        "component": block.component,
        "gates": len(netlist.kinds),
        "area_nand2": netlist.area,
        "depth": int(netlist.level.max()),
        "points": {w: {key: float(f"{value:.5g}") for key, value in p.items()} for w, p in points.items()},
    }


def lane(results: dict[str, Any]) -> dict[str, Any]:
    """MAC of a lane: multiplier, product register, accumulator; the same operands went through both parts."""
    first, second = results["multiplier 12×9"], results["accumulator 21+32"]
    points = {}
    for workload, p in first["points"].items():
        q = second["points"][workload]
        energies = {
            key: round(p[key] + q[key], 4) for key in ("zero", "gates", "loaded", "unit", "transport") if key in p
        }
        points[workload] = {"h_a": p["h_a"], "h_b": p["h_b"], "h_out": q["h_out"]} | energies
    both = {key: first[key] + second[key] for key in ("gates", "area_nand2")}
    return {"component": "mac", **both, "depth": max(first["depth"], second["depth"]), "points": points}


# --- model --------------------------------------------------------------------------------------------------------
def relative(block: dict[str, Any], workload: str, energy: str = "gates") -> tuple[dict[str, float], float]:
    """Distances and energy of one point as shares of those under random operands."""
    point, random = block["points"][workload], block["points"]["random"]
    return {key: point[key] / random[key] for key in point if key.startswith("h_")}, point[energy] / random[energy]


def terms(component: str, h: dict[str, float]) -> list[float]:
    """What is combined with shares that add up to 1: all 0 if nothing toggles, all 1 if everything is random."""
    if component == "update":
        return [h["h_a"], h["h_b"], h["h_word"]]
    both, out = min(h["h_a"], h.get("h_b", h["h_a"])), h["h_out"]
    return [min(both, out), max(both, out)]


def fit(component: str, blocks: dict[str, Any]) -> dict[str, Any]:
    """Shares that are not negative, by least squares over all points, and their errors."""
    chosen = [
        (name, w) for name in blocks if name not in NOT_FITTED for w in blocks[name]["points"] if OUTLIER not in w
    ]
    pairs = [relative(blocks[name], w) for name, w in chosen]
    design, y = np.array([terms(component, h) for h, _ in pairs]), np.array([energy for _, energy in pairs])
    grid = np.linspace(0, 1, 101)
    spare = [(*s, 1 - sum(s)) for s in product(grid, repeat=design.shape[1] - 1) if sum(s) <= 1 + 1e-9]
    shares = np.round(min(spare, key=lambda s: float(((design @ s - y) ** 2).sum())), 2)
    error = design @ shares - y
    order = np.argsort(-abs(error))[:3]
    return {
        "shares": [float(s) for s in shares],
        "ceiling": round(max(relative(b, w)[1] for name, b in blocks.items() for w in b["points"]), 2),
        "rms": round(float(np.sqrt((error**2).mean())), 4),
        "worst": round(float(abs(error).max()), 4),
        "worst_points": [[*chosen[i], round(float(error[i]), 3)] for i in order],
        "points": len(y),
    }


def glitches(results: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Energy with delays over energy without, random operands, by block and delay model."""
    return {
        name: {key: round(p[key] / p["zero"], 3) for key in ("gates", "loaded", "unit", "transport")}
        for name, p in ((name, block["points"]["random"]) for name, block in results.items())
    }


# --- report -------------------------------------------------------------------------------------------------------
def report(record: dict[str, Any]) -> Iterator[str]:
    yield "# Switching by operand statistics\n"
    yield f"Written by `python benchmarks/calibration/toggles.py`. {record['method']}\n"
    yield "## Glitches: energy with delays over energy without, random operands\n"
    yield "| block | gates | NAND2 | depth | without, per NAND2 | with | gate delays | with load | unit | transport |"
    yield f"|---|{'---:|' * 9}"
    for name, ratio in record["glitch"].items():
        block, random = record["blocks"][name], record["blocks"][name]["points"]["random"]
        per_gate = [random[key] / block["area_nand2"] for key in ("zero", "gates")]
        numbers = " | ".join(f"{value:.2f}" for value in (*per_gate, *ratio.values()))
        yield f"| {name} | {block['gates']} | {block['area_nand2']:.0f} | {block['depth']} | {numbers} |"
    yield "\nGate delays: XOR, XNOR and MUX 2, others 1; pulses shorter than the delay are swallowed. With load: one"
    yield "more for every 4 pins driven. Unit: all 1. Transport: no pulse is swallowed, an upper bound. Per NAND2:"
    yield "with limits and shifts in registers, logic switches about half as much a gate and glitches more.\n"
    yield "SDF-delayed simulation in public libraries, the same ratio:\n"
    yield "| component | fully delayed | partly unit delays |\n|---|---|---|"
    for name in SDF:
        cells = [", ".join(f"{lib} {g / z:.2f}" for lib, (z, g) in table[name].items()) for table in (SDF, SDF_PARTLY)]
        yield f"| {name} | {cells[0]} | {cells[1]} |"
    yield "\n## Models\n"
    yield "Relative energy = s₁ min(b, h_out) + s₂ max(b, h_out) with b = min(h_a, h_b), or h_a alone; update: s₁ h_a +"
    yield "s₂ h_b + s₃ h_word (a: step, b: weight); h relative to random operands; at most the ceiling. Errors in units"
    yield "of the energy under random operands.\n"
    yield "| component | shares | ceiling | rms | worst | at |\n|---|---|---:|---:|---:|---|"
    for name, model in record["models"].items():
        shares = ", ".join(f"{s:.2f}" for s in model["shares"])
        block, workload, error = model["worst_points"][0]
        yield (
            f"| {name} | {shares} | {model['ceiling']:.2f} | {model['rms']:.3f} | {model['worst']:.3f} "
            f"| {block}: {workload} ({error:+.2f}) |"
        )
    yield "\n## Energies relative to random operands\n"
    yield "With glitches; in brackets without."
    for name, block in record["blocks"].items():
        keys = [key for key in block["points"]["random"] if key.startswith("h_")]
        yield f"\n### {name}\n"
        yield f"| workload | {' | '.join(keys)} | energy |\n|---|{'---:|' * (len(keys) + 1)}"
        for workload in block["points"]:
            h, energy = relative(block, workload)
            zero = relative(block, workload, "zero")[1]
            yield f"| {workload} | {' | '.join(f'{h[key]:.2f}' for key in keys)} | {energy:.2f} ({zero:.2f}) |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", metavar="TEXT", help="simulate only the blocks that have this in their name")
    parser.add_argument("--fit", action="store_true", help="fit and report again what was simulated")
    arguments = parser.parse_args()
    path = RESULTS / "toggles.json"
    blocks = json.loads(path.read_text(encoding="utf-8"))["blocks"] if path.exists() else {}
    for name, block in BLOCKS.items():
        if not arguments.fit and (arguments.only or "") in name:
            blocks[name] = characterise(name, block)
    blocks = {name: blocks[name] for name in BLOCKS} | {LANE_MAC: lane(blocks)}
    components = dict.fromkeys(block["component"] for block in blocks.values())
    record = {
        "method": METHOD,
        "sdf_delayed": {"fully": SDF, "partly": SDF_PARTLY},
        "glitch": glitches(blocks),
        "models": {c: fit(c, {n: b for n, b in blocks.items() if b["component"] == c}) for c in components},
        "not_fitted": [*NOT_FITTED],
        "blocks": blocks,
    }
    path.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    path.with_suffix(".md").write_text("\n".join(report(record)) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
