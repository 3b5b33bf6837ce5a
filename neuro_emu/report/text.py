"""The summary of a run: one screen of text."""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from neuro_emu.machine.deep.chip import DeepChip
from neuro_emu.machine.deep.either import AnyChip
from neuro_emu.report.estimate import estimate_lines

if TYPE_CHECKING:
    from neuro_emu.training.finished import Run

_COLUMNS = 100
_FEW_LAYERS = 4
_PHASES = ("load", "forward", "error", "update", "feedback")


def _phases(m: dict[str, Any]) -> list[str]:
    """Phases of a record: only chips that learn feedback have that one."""
    return [phase for phase in _PHASES if phase in m["training"]["counts"]]


def is_long(chip: AnyChip) -> bool:
    """Whether a network is a graph of more layers than a reader wants every memory and counter of."""
    return isinstance(chip, DeepChip) and len(chip.graph.layers) > _FEW_LAYERS


def summary(run: Run) -> str:
    """Return what a designer wants to know first, in at most 100 columns."""
    m = run.metrics
    lines = [*textwrap.wrap(_headline(run), _COLUMNS, subsequent_indent="  "), ""]
    lines += _accuracy(m)
    if m["training"] is not None:
        lines += ["", *_cycles(run), "", *_accesses(m, by_layer=not is_long(run.experiment.chip))]
    if m["tally"] is not None:
        lines += ["", *_tallies(run)]
    if m["memories"] and m["training"] is not None:
        lines += ["", *memory_lines(m["memories"], by_kind=is_long(run.experiment.chip))]
    if run.estimate is not None:
        lines += ["", *estimate_lines(run.estimate)]
    lines += ["", *_provenance(run)]
    return "\n".join(lines) + "\n"


def _headline(run: Run) -> str:
    m, learning = run.metrics, run.experiment.chip.learning
    parts = [m["network"], m["rule"]]
    if learning.error_gate is not None:
        parts.append(f"error gate {learning.error_gate}")
    if learning.sign_dead_zone:
        parts.append(f"dead zone {learning.sign_dead_zone}")
    if learning.batch > 1:
        parts.append(f"batch {learning.batch}")
    if learning.momentum:
        parts.append("nesterov" if learning.momentum.nesterov else "momentum")
    if learning.adam:
        parts.append("adam")
    if learning.weight_norm:
        parts.append(f"weight norm {learning.weight_norm.gamma:g}")
    if learning.dropout:
        parts.append(f"dropout {learning.dropout / 256:.0%}")
    formats = _runs_of([str(layer.weight) for layer in run.experiment.chip.network.layers])
    numerics = run.experiment.chip.numerics
    weights = "float64" if m["datapath"] == "float" else f"{formats} {numerics.update_rounding.value}"
    return f"{m['name']}: {', '.join(parts)}; weights {weights}; {m['dataset']['name']}"


def _runs_of(words: list[str]) -> str:
    """Return words with slashes between; a long run of one word once, with its length."""
    runs = [(word, len(list(same))) for word, same in groupby(words)]
    return " / ".join(f"{count} × {word}" if count > 3 else " / ".join([word] * count) for word, count in runs)


def _accuracy(m: dict[str, Any]) -> list[str]:
    last = m["epochs"][-1]
    key, sign, name = ("test_loss", -1, "test error") if "test_loss" in m else ("test_accuracy", 1, "test accuracy")
    best = max(m["epochs"], key=lambda e: sign * e[key])
    lines = [f"{name:18}{quality(m)} after {_plural(len(m['epochs']), 'epoch')}"]
    if best[key] != last[key]:
        lines[0] += f" (best {quality(best)} in epoch {best['epoch'] + 1})"
    held_out = key.replace("test", "validation")
    if m[held_out] is not None:
        lines.append(f"validation        {quality({key: m[held_out]})}")
    if last["train_accuracy"] is not None:
        lines.append(
            f"while learning    {last['train_accuracy']:.2f} % of the last epoch's samples, before each update"
        )
    angles = [f"{angle:.1f}°" if angle is not None else "-" for angle in m["feedback_angles"]]
    if any(angle is not None for angle in m["feedback_angles"]):
        told = f"{', '.join(angles)} between B and the transposed weights above, by hidden layer"
        lines += textwrap.wrap(told, _COLUMNS, initial_indent=f"{'feedback':18}", subsequent_indent=" " * 18)
    return lines


def quality(record: dict[str, Any]) -> str:
    """Return what a record says of the test samples: accuracy or, in regression, mean squared error; with deviation."""
    if "test_loss" in record:
        deviation = record.get("test_loss_sd")
        return f"{record['test_loss']:.3g}" + (f" ± {deviation:.2g}" if deviation is not None else "") + " mean squared"
    deviation = record.get("test_accuracy_sd")
    return f"{record['test_accuracy']:.2f}" + (f" ± {deviation:.2f}" if deviation is not None else "") + " %"


def _plural(count: int, word: str) -> str:
    return f"{count:,} {word}" + ("" if count == 1 else "s")


def _cycles(run: Run) -> list[str]:
    m, design = run.metrics, run.experiment.chip.design
    phases = _phases(m)
    lines = [f"{'cycles per sample':18}{'total':>10}{'time':>12}   " + "".join(f"{phase:>10}" for phase in phases)]
    for kind in ("training", "inference"):
        counted = m[kind]
        per_phase = [
            sum(layer.get("cycles", 0) for layer in counted["counts"].get(phase, [])) / counted["samples"]
            for phase in phases
        ]
        cycles = counted["cycles_per_sample"]
        time = f"{cycles / design.clock_mhz:,.1f} µs"
        lines.append(f"  {kind:16}{cycles:>10,.0f}{time:>12}   " + "".join(f"{n:>10,.0f}" for n in per_phase))
    stalls = sum(layer.get("stalls", 0) for layer in m["training"]["counts"]["update"]) / m["training"]["samples"]
    lines.append(
        f"  {_plural(design.lanes, 'lane')} at {design.clock_mhz:g} MHz, zero inputs: {design.zero_input.value};"
        f" {stalls:,.1f} of the update cycles are stalls on single-port banks"
    )
    return lines


def _accesses(m: dict[str, Any], *, by_layer: bool) -> list[str]:
    """Accesses per training sample by phase; banked memories by bank, on lines of their own from four banks on.

    Args:
        m: the record of a run.
        by_layer: otherwise those of all layers and banks are summed.

    """
    counted = m["training"]
    samples = counted["samples"]
    rows: dict[tuple[int, str], list[str]] = {}
    by_bank: dict[tuple[int, str], list[float]] = {}
    phases = _phases(m)
    if not by_layer:
        return _summed_accesses(counted, phases)
    for p, phase in enumerate(phases):
        for k, layer in enumerate(counted["counts"][phase]):
            for component, count in layer.items():
                if component in _NOT_ACCESSES:
                    continue
                banks = [n / samples for n in (count if isinstance(count, list) else [count])]
                few = len(banks) <= 2
                cell = " + ".join(f"{n:,.1f}" for n in banks) if few else f"{sum(banks):,.1f}"
                rows.setdefault((k, component), ["·"] * len(phases))[p] = cell
                if not few:
                    before = by_bank.get((k, component), [0.0] * len(banks))
                    by_bank[k, component] = [x + y for x, y in zip(before, banks, strict=True)]
    title = "accesses per training sample, by bank" if len(phases) == 4 else "accesses a sample, by bank"
    lines = [_access_row(title, *phases)]
    lines += [_access_row(f"  {component}[{k}]", *cells) for (k, component), cells in sorted(rows.items())]
    for (k, component), banks in sorted(by_bank.items()):
        text = f"{component}[{k}], banks 0 to {len(banks) - 1}: " + " ".join(f"{n:,.1f}" for n in banks)
        lines += textwrap.wrap(text, _COLUMNS, initial_indent="  ", subsequent_indent="    ")
    return lines


def _summed_accesses(counted: dict[str, Any], phases: list[str]) -> list[str]:
    """Accesses per training sample by phase, layers and banks together."""
    rows: dict[str, list[float]] = {}
    for p, phase in enumerate(phases):
        for layer in counted["counts"][phase]:
            for component, count in layer.items():
                if component not in _NOT_ACCESSES:
                    total = sum(count) if isinstance(count, list) else count
                    rows.setdefault(component, [0.0] * len(phases))[p] += total / counted["samples"]
    lines = [_access_row("accesses a sample, all layers", *phases)]
    cells = {name: [f"{n:,.1f}" if n else "·" for n in row] for name, row in sorted(rows.items())}
    return [*lines, *(_access_row(f"  {name}", *row) for name, row in cells.items())]


_NOT_ACCESSES = {"cycles", "stalls", "mac", "gate", "update", "random_word", "shared_update", "add", "pool"}
_NOT_ACCESSES |= {"velocity", "scale", "norm"}


def _access_row(name: str, *cells: str) -> str:
    widths = (10, 20, 10, 20) if len(cells) == 4 else (8, 17, 13, 17, 10)  # a fifth phase still fits
    return f"{name:{99 - sum(widths) - len(cells)}}" + " ".join(f"{c:>{w}}" for c, w in zip(cells, widths, strict=True))


def _short(count: int) -> str:
    """Return a count in at most thirteen characters."""
    return f"{count:,}" if count < 10**10 else f"{count:.4e}"


def _tallies(run: Run) -> list[str]:
    m, layers = run.metrics, run.experiment.chip.network.layers
    lines = [f"{'counters':10}{'updates':>16}{'zero steps':>11}{'overflows: W':>13}{'z':>13}{'q':>9}{'p':>13}{'δ':>13}"]
    for k, tally in enumerate(m["tally"]):
        updates = tally["updates"]
        zero = f"{100 * tally['zero_updates'] / updates:.2f} %" if updates else "-"
        clipped = f"{tally['preactivation_overflows']:.2e}"
        if m["training"] is not None:
            forwards = m["training"]["samples"] * layers[k].units * getattr(layers[k], "positions", 1)
            clipped = f"{100 * tally['preactivation_overflows'] / forwards:.1f} %"
        events = [_short(tally[f"{name}_overflows"]) for name in ("weight", "accumulator", "projection", "delta")]
        lines.append(
            f"  layer {k:<2}{updates:>16,}{zero:>11}{events[0]:>13}{events[1]:>13}"
            f"{clipped:>9}{events[2]:>13}{events[3]:>13}"
        )
        if learned := tally["feedback_updates"]:
            zero = f"{100 * tally['feedback_zero_updates'] / learned:.2f} %"
            lines.append(f"  B of {k:<3}{learned:>16,}{zero:>11}{_short(tally['feedback_overflows']):>13}")
    return lines


def memory_lines(memories: Sequence[dict[str, Any]], *, by_kind: bool = False) -> list[str]:
    """Return one line a memory, after their sum.

    Args:
        memories: as :meth:`neuro_emu.machine.design.MemoryMacro.as_dict` describes them.
        by_kind: whether those that hold the same of different layers share a line.

    """
    total = sum(map(_memory_bits, memories))
    lines = [f"memory            {total / 8192:,.1f} KiB"]
    if by_kind:
        return lines + _memories_by_kind(memories)
    width = max([18, *(len(x["name"]) for x in memories)])
    for x in memories:
        size = f"{x['words'] * x['bits'] * x['banks'] / 8192:,.2f} KiB"
        banks = f"{x['banks']} × " if x["banks"] > 1 else ""
        shape = f"{banks}{x['words']} × {x['bits']} bit"
        line = f"  {x['name']:{width}}{size:>12}  {shape:22} {x['ports']:5} "
        lines += textwrap.wrap(x["holds"], _COLUMNS, initial_indent=line, subsequent_indent=" " * len(line))
    return lines


def _memory_bits(memory: dict[str, Any]) -> int:
    return int(memory["words"] * memory["bits"] * memory["banks"])


def _memories_by_kind(memories: Sequence[dict[str, Any]]) -> list[str]:
    """Return one line for all memories of a name, the largest kind first."""
    kinds: dict[str, list[dict[str, Any]]] = {}
    for memory in memories:
        kinds.setdefault(memory["name"].split("[")[0], []).append(memory)
    lines = []
    for name, found in sorted(kinds.items(), key=lambda item: -sum(map(_memory_bits, item[1]))):
        size = f"{sum(map(_memory_bits, found)) / 8192:,.2f} KiB"
        largest = max(found, key=_memory_bits)
        holds = largest["holds"].split(";")[0]  # what comes behind is of one memory
        told = holds if len(found) == 1 else f"{len(found)} memories, the largest {largest['name']}: {holds}"
        line = f"  {name:22}{size:>16}  "
        lines += textwrap.wrap(told, _COLUMNS, initial_indent=line, subsequent_indent=" " * len(line))
    return lines


def _provenance(run: Run) -> list[str]:
    m, timing = run.metrics, run.timing
    command = ["neuro-emu", "run", *run.experiment.command]
    if m["datapath"] != "fast":
        command += ["--datapath", m["datapath"]]
    samples = len(m["epochs"]) * (m["training"]["samples"] // len(m["epochs"]) if m["training"] else 0)
    kernels = f"{run.kernels} kernels" if run.kernels else "compiling kernels"
    rate = f", {1e6 * timing['learn'] / samples:,.1f} µs per training sample with the tests" if samples else ""
    return [
        f"seed {m['seed']} · config {m['config_digest']} · data {m['dataset']['digest']} · neuro_emu {m['version']}"
        f" · semantics {m['semantics']}",
        f"took {timing['learn']:.1f} s{rate}; {kernels} {timing['compile']:.1f} s, data {timing['data']:.1f} s",
        "again: " + shlex.join(command),
    ]
