"""The parts of speed.py: who is timed with whom, and the bars."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import common
import rivals_rtl
from contest import EVENLY, OWN, Contest, Ours, Progress, Runner, hold
from speed_alone import alone

DRTP, NEAREST, BATCH = "drtp_mnist", "drtp_16bit_nearest", "drtp_batch60"
PORTABLE = "drtp_mnist, portable"
ADAM, ADAM60 = "torch DRTP, Adam", "torch DRTP, Adam, batch 60"
SGD, HAND, NUMPY = "torch DRTP, plain SGD", "torch DRTP by hand", "NumPy DRTP by hand"
DFA_ADAM, BP_ADAM, KP_ADAM = "torch DFA, Adam", "torch BP, Adam", "torch KP, AdamW"
INFERENCE, INFERRED = "drtp_mnist, inference", "torch inference, batch 1000"


def _shipped(name: str, floor: float | None = None, **settings: Any) -> Ours:
    return Ours(name, common.CONFIGS / f"{name.partition(',')[0]}.yaml", floor=floor, **settings)


def _own(name: str, floor: float | None = None, **settings: Any) -> Ours:
    return Ours(name, OWN / f"{name}.yaml", floor=floor, **settings)


_PORTABLE = _shipped(PORTABLE, backend="portable", epochs=EVENLY)
_INFERENCE = _shipped(INFERENCE, infers=True)

CONTESTS = {
    "drtp": Contest((_shipped(DRTP, 94.9), _PORTABLE), (ADAM, "torch DRTP, fused Adam", SGD, HAND, NUMPY, ADAM60)),
    "nearest": Contest((_own(NEAREST, 94.9),), (ADAM,)),
    "dfa": Contest((_shipped("dfa_mnist", 97.4), _shipped("sdfa_mnist", 97.0)), (DFA_ADAM,)),
    "bp": Contest((_shipped("bp_mnist", 97.7),), (BP_ADAM,)),
    "kp": Contest((_own("kp_mnist", 97.5),), (KP_ADAM,)),
    "two": Contest(
        (_own("drtp_two", 94.0), _own("dfa_two", 97.0)),
        tuple(f"torch {rule}, Adam, two hidden layers" for rule in ("DRTP", "DFA", "BP")),
    ),
    "batch": Contest((_own(BATCH, 94.0),), (ADAM60,)),
    "inference": Contest((_INFERENCE,), (INFERRED,)),
}
RATIOS = (
    ("drtp", DRTP, ADAM, 250.0),
    ("drtp", DRTP, SGD, 100.0),
    ("drtp", DRTP, ADAM60, 8.0),
    ("drtp", DRTP, HAND, 20.0),
    ("drtp", DRTP, NUMPY, 20.0),
    ("drtp", PORTABLE, ADAM, 120.0),
    ("nearest", NEAREST, ADAM, 250.0),
    ("dfa", "dfa_mnist", DFA_ADAM, 220.0),
    ("bp", "bp_mnist", BP_ADAM, 120.0),
    ("kp", "kp_mnist", KP_ADAM, 120.0),
    ("batch", BATCH, ADAM60, 5.0),
    ("inference", INFERENCE, INFERRED, 6.0),
    ("rtl", "drtp_mnist, zero_input none", "Verilator, zero_input none", 1000.0),
    ("rtl", "drtp_mnist, zero_input skip", "Verilator, zero_input skip", 400.0),
)
"""Part, ours, peer, and how many times longer than ours the peer has to take."""
LIMIT_SHARE, PRODUCT_SHARE, THREAD_GAIN, MEMORY_MB = 40.0, 90.0, 1.6, 400.0
PEAK_ROUNDS = 10
LARGE = ("square", "dense layer")
"""Products (peaks.py) that have to come near the peak."""
WHOLE = 60000
"""Samples of an epoch; after fewer, accuracies say nothing."""

Result = dict[str, Any]


@dataclass(frozen=True)
class Check:
    """A number and its bar."""

    what: str
    value: float
    bar: float
    unit: str = ""
    most: bool = False

    @property
    def met(self) -> bool:
        """Whether the bar is met."""
        return self.value <= self.bar if self.most else self.value >= self.bar

    @property
    def wanted(self) -> str:
        """The bar in words."""
        return f"{'<=' if self.most else '>='} {self.bar:g}{self.unit}"

    def record(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {"what": self.what, "value": round(self.value, 3), "bar": self.wanted, "met": self.met}


@dataclass(frozen=True)
class Setting:
    """How to measure: training samples an epoch, cores that may be used at first, and who is told of progress."""

    samples: int
    cores: list[int]
    progress: Progress


def _contest(name: str) -> Callable[[Setting], Result]:
    return lambda setting: {"times": hold(CONTESTS[name], setting.samples, setting.progress)}


def _rtl(setting: Setting) -> Result:
    missing = rivals_rtl.missing()
    if missing:
        return {"skipped": missing}
    return {"times": rivals_rtl.measure(setting.samples, setting.progress)}


def _threads(setting: Setting) -> Result:
    if len(setting.cores) < 2:
        return {"skipped": "only one core may be used"}
    setting.progress("threads")
    return alone("threads", setting.samples, "--cores", ",".join(map(str, setting.cores)))


def _memory(setting: Setting) -> Result:
    """Compiling takes memory of its own: whoever had to compile is asked again."""
    setting.progress("memory")
    found = alone("memory", setting.samples)
    if found["compile_seconds"]:
        return alone("memory", setting.samples) | {"peak_mb_compiling": found["peak_mb"]}
    return found


def _peaks(setting: Setting) -> Result:
    """Peaks before and after, and in turns between them what is held against them."""
    from neuro_emu.jit import jit_enabled

    if not jit_enabled():
        return {"skipped": "NUMBA_DISABLE_JIT is set"}
    import peaks
    from roofline import Peaks, limit

    setting.progress("peaks")
    most = Peaks.of(peaks.measure())
    chosen = [_shipped(DRTP), _PORTABLE, _INFERENCE, _shipped("dfa_mnist", epochs=EVENLY), _own(BATCH, epochs=EVENLY)]
    runners = [Runner(ours, setting.samples) for ours in chosen]
    for n in range(PEAK_ROUNDS):
        setting.progress(f"round {n + 1} of {PEAK_ROUNDS}: against the peaks")
        for runner in runners:
            runner.round(n)
    products = peaks.gemm_share()
    most = most.better(Peaks.of(peaks.measure()))
    times = {runner.ours.name: runner.record() for runner in runners}
    bound = limit(times[DRTP]["work"], most)
    return {
        "times": times,
        "vnni_gmac_per_second": most.vnni,
        "read_gb_per_second": most.read,
        "change_gb_per_second": most.change,
        "limit": bound | {"share_percent": round(100 * bound["limit_us"] / times[DRTP]["typical_us"], 1)},
        "products": products,
    }


PARTS: dict[str, Callable[[Setting], Result]] = {
    **{name: _contest(name) for name in CONTESTS},
    "rtl": _rtl,
    "threads": _threads,
    "memory": _memory,
    "peaks": _peaks,
}


def ratio(result: Result, ours: str, peer: str) -> float:
    """How many times longer than ours a peer takes."""
    return float(result["times"][peer]["typical_us"] / result["times"][ours]["typical_us"])


def checks(part: str, result: Result) -> Iterator[Check]:
    """Everything of a part that has a bar."""
    if "skipped" in result:
        return
    for where, ours, peer, bar in RATIOS:
        if where == part:
            yield Check(f"{ours} against {peer}", ratio(result, ours, peer), bar, " x")
    for ours in CONTESTS[part].ours if part in CONTESTS else ():
        accuracy = result["times"][ours.name].get("test_accuracy")
        if ours.floor is not None and accuracy is not None and result["times"][ours.name]["samples"] == WHOLE:
            yield Check(f"{ours.name}, test accuracy", accuracy, ours.floor, " %")
    if part == "threads":
        yield Check("drtp_mnist, two threads against one", ratio(result, "threads 2", "threads 1"), THREAD_GAIN, " x")
    if part == "memory":
        yield Check("drtp_mnist, peak memory", result["peak_mb"], MEMORY_MB, " MB", most=True)
    if part == "peaks":
        bound = result["limit"]
        what = f"drtp_mnist, share of the event-driven limit ({bound['level']})"
        yield Check(what, bound["share_percent"], LIMIT_SHARE, " %")
        for shape in LARGE:
            yield Check(
                f"product, {shape}: share of the peak", 100 * result["products"][shape]["share"], PRODUCT_SHARE, " %"
            )
