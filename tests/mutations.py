"""Break the arithmetic in one place at a time and see that a test notices: `python tests/mutations.py`.

Every mutation is applied to a copy of the package; shared operations change in all datapaths at once, so only the naive
reference, a value written by hand or a known word can notice them. Exits 1 if a mutation survives.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from mutations_around import AROUND, AROUND_EQUAL
from mutations_chain import CHAIN, EQUAL
from mutations_estimate import ESTIMATE, ESTIMATE_TESTS
from mutations_external import EXTERNAL, EXTERNAL_TESTS
from mutations_vector import VECTOR, VECTOR_TESTS

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "neuro_emu"

# The tests whose reference is not the package itself, those that decide soonest first.
CHIP = ("machine/test_schedule.py", "datapath/test_equal.py", "numerics/test_ops.py", "numerics/test_tables.py")
HOST = ("numerics/test_formats.py", "numerics/test_words.py", "numerics/test_tables.py")
IMAGES = ("numerics/test_pixels.py",)
SPLITS = ("training/test_augmented.py",)
PIXELS, AUGMENT = "numerics/pixels.py", "numerics/augment.py"
KERNELS = ("datapath/test_kernels.py",)
OPS, TABLES, TRACED = "numerics/ops.py", "numerics/tables.py", "datapath/traced.py"
WRITES = "datapath/traced_writes.py"
BOOKED = "            self._access(matrix, row, bank, sums=batch"  # the line that follows in an update
EPOCH, FORWARD, UPDATE = "kernels/epoch.py", "kernels/forward.py", "kernels/update.py"
WALK = "kernels/walk.py"


@dataclass(frozen=True)
class Mutation:
    """One mistake.

    Attributes:
        name: what is wrong.
        edits: (file, text, what replaces it); the text occurs exactly once in its file.
        tests: files that are run until one fails.

    """

    name: str
    edits: tuple[tuple[str, str, str], ...]
    tests: tuple[str, ...] = CHIP


def one(name: str, file: str, old: str, new: str, tests: tuple[str, ...] = CHIP) -> Mutation:
    """A mutation of one place."""
    return Mutation(name, ((file, old, new),), tests)


MUTATIONS = (
    one("RND truncates", OPS, "return (code + (1 << (shift - 1))) >> shift", "return code >> shift"),
    one(
        "RND rounds ties down",
        OPS,
        "return (code + (1 << (shift - 1))) >>",
        "return (code + (1 << (shift - 1)) - 1) >>",
    ),
    one("RND_CONV without the tie to even", OPS, " - 1 + ((code >> shift) & 1)) >> shift", ") >> shift"),
    one("TRN_ZERO truncates", OPS, "if rounding == TRN_ZERO and code < 0:", "if rounding == TRN_ZERO and code > 0:"),
    one("TRN_ZERO one too high", OPS, "(code + (1 << shift) - 1) >> shift", "(code + (1 << shift)) >> shift"),
    one("STOCH ignores the word", OPS, "return (code + draw(word, shift)) >> shift", "return code >> shift"),
    one("saturation removed", OPS, "return min(max(code, low), high)", "return code"),
    one("saturation only above", OPS, "return min(max(code, low), high)", "return min(code, high)"),
    one("saturation symmetric", OPS, "return min(max(code, low), high)", "return min(max(code, -high), high)"),
    one("wrap by masking alone", OPS, "return ((code - low) & (high - low)) + low", "return code & (high - low)"),
    one("accumulator never clamps", OPS, "return saturate(acc + weight * x, low, high)", "return acc + weight * x"),
    one("LFSR tap changed", OPS, "0x80200003 *", "0x80200002 *"),
    one("xorshift by 16 instead of 17", OPS, "word ^= word >> 17", "word ^= word >> 16"),
    one("xorshift without its last step", OPS, "return word ^ ((word << 5) & 0xFFFFFFFF)", "return word"),
    one("mirror keeps the half-words", OPS, "return (word >> 16) | ((word & 0xFFFF) << 16)", "return word"),
    one("draw takes the low bits", OPS, "return word >> (32 - shift)", "return word & ((1 << shift) - 1)"),
    one("dead zone opens at its border", OPS, "if error > dead_zone:", "if error >= dead_zone:"),
    one("dead zone on one side only", OPS, "if error < -dead_zone:", "if error < 0:"),
    Mutation(
        "row words used before the register advances",
        (
            (WALK, "word0 = xorshift(register)", "word0 = register"),
            ("datapath/words.py", "self._replay[matrix].append(register)", "self._replay[matrix].append(before)"),
            (
                "datapath/words.py",
                "register = self._step(int(self._state.row_registers[matrix]))",
                "before = int(self._state.row_registers[matrix])\n            register = self._step(before)",
            ),
        ),
    ),
    Mutation(
        "zero rows draw a word",
        (
            ("kernels/schedule.py", "active = 1 if code != 0 else 0", "active = 1"),
            (WRITES, "if x == 0 and not (matrix.biased and row == matrix.rows - 1):", "if x is None:"),
            ("datapath/traced_base.py", "active = is_bias or code != 0", "active = True"),
        ),
    ),
    Mutation(
        "padding lanes do not draw",
        (
            (WALK, "_jump(registers, columns)", "_jump(registers[: units - first], columns)"),
            (WALK, "_advance(registers, is_lfsr)", "_advance(registers[: units - first], is_lfsr)"),
            (
                "datapath/words.py",
                "registers[:] = [self._step(int(word)) for word in registers]",
                "registers[:lanes] = [self._step(int(word)) for word in registers[:lanes]]",
            ),
        ),
    ),
    Mutation(
        "ties go to the last class",
        (
            (EPOCH, "if scratch.sums[last, position[j]] > scratch", "if scratch.sums[last, position[j]] >= scratch"),
            (
                TRACED,
                "return int(np.argmax(self._z[-1]))",
                "return len(self._z[-1]) - 1 - int(np.argmax(self._z[-1][::-1]))",
            ),
        ),
    ),
    Mutation(
        "the gate opens at its border",
        (
            (
                "kernels/execute.py",
                "scratch.signals[ERROR_EXACT, label] > constants",
                "scratch.signals[ERROR_EXACT, label] >= constants",
            ),
            (
                "datapath/traced_signals.py",
                "bool(self._error[self._label] > threshold)",
                "bool(self._error[self._label] >= threshold)",
            ),
        ),
    ),
    Mutation(
        "groups start at bank 0 again",
        (
            (
                "machine/activity_steps.py",
                "bank = (g * rows + np.arange(len(accesses))) % banks",
                "bank = np.arange(len(accesses)) % banks",
            ),
            (
                "datapath/traced_forward.py",
                "self._read(phase, matrix, group * matrix.rows + row)",
                "self._read(phase, matrix, row)",
            ),
            (
                WRITES,
                f"update.row(self._group * matrix.rows + row)\n{BOOKED}",
                f"update.row(row)\n{BOOKED}",
            ),
        ),
    ),
    Mutation(
        "gradients are kept after a batch",
        (
            (EPOCH, "fabric.memory.gradients[at] = 0", "fabric.memory.gradients[at] += 0"),
            (WRITES, "self.state.gradients[matrix.index][:] = 0", "self.state.gradients[matrix.index][:] += 0"),
        ),
    ),
    one("the bias code is 0", "network/layers.py", "return self.input.one", "return 0"),
    one("bias row left out of an update", "kernels/schedule.py", "    return n + 1\n", "    return n\n"),
    one("one does not clamp", "numerics/formats.py", "return min(1 << self.frac, self.high)", "return 1 << self.frac"),
    one("quantise rounds ties down", "numerics/formats.py", "Fraction(1, 2)", "Fraction(49, 100)", HOST),
    one(
        "layers update in ascending order",
        "machine/chip.py",
        "return tuple(reversed(layers)) if",
        "return tuple(layers) if",
    ),
    one("a schedule starts an epoch late", "machine/learning.py", "if first <= epoch]", "if first < max(epoch, 1)]"),
    one(
        "the update shift forgets the input",
        "network/layers.py",
        "self.delta.frac + self.input.frac -",
        "self.delta.frac -",
    ),
    one("writes come a cycle early", "machine/design.py", "WRITE_DELAY = 3", "WRITE_DELAY = 2"),
    one("one bank is thought to alternate", "kernels/schedule.py", "delay % banks != 0", "delay >= 0"),
    one("a clean run is one row too short", "kernels/schedule.py", "clean >= delay and", "clean >= 0 and"),
    one("hard tanh is open at 1", TABLES, "return Fraction(abs(v) < 1)", "return Fraction(abs(v) <= 1)"),
    one("relu is open at 0", TABLES, "return Fraction(v > 0)", "return Fraction(v >= 0)"),
    one("tanh relu learns at 0", TABLES, 'if name == "tanh_relu" and v <= 0:', 'if name == "tanh_relu" and v < 0:'),
    one("too few digits", TABLES, "_DIGITS = 60", "_DIGITS = 3", HOST),
    one("normalisation forgets the zero point", PIXELS, "(byte - mean) * multiplier", "byte * multiplier", IMAGES),
    one("channels share the first mean", PIXELS, "if len(values) == 1 else", "if values else", IMAGES),
    one("crops never reach the last place", AUGMENT, "words(axis), self.crop)", "words(axis), self.crop - 1)", IMAGES),
    one(
        "rows and columns move alike",
        AUGMENT,
        "_DOWN, _ACROSS, _MIRROR = range(3)",
        "_DOWN = _ACROSS = 0\n_MIRROR = 2",
        IMAGES,
    ),
    one("a mirrored crop moves the other way", AUGMENT, "-across[block], across", "across[block], across", IMAGES),
    one("every epoch the same images", AUGMENT, "TAG_AUGMENT, epoch, samples", "TAG_AUGMENT, 0, samples", IMAGES),
    one("moved images, others' labels", "training/engines.py", "_labels[order], places", "_labels, places", SPLITS),
    one("Kaiming with half the variance", "numerics/words.py", "isqrt(6 *", "isqrt(3 *"),
    one("shuffle never keeps an entry", "numerics/words.py", "* (top + np.uint64(1))) >>", "* top) >>"),
    one(
        "feedback LFSR without warm-up",
        "numerics/words.py",
        "range(16, len(stream), bits)",
        "range(0, len(stream) - 16, bits)",
    ),
    one(
        "row registers of all layers alike",
        "numerics/words.py",
        "word(seed, TAG_ROW_WORD, layer)",
        "word(seed, TAG_ROW_WORD, 0)",
    ),
    one(
        "halves joined without the carry",
        "kernels/pieces.py",
        "return (high << 8) + ((low - (high << 8)) & 0xFFFF)",
        "return (high << 8) + (low & 0xFF)",
        (*CHIP, *KERNELS),
    ),
    one(
        "rows beyond one block are lost",
        FORWARD,
        "for block in range(0, active, _BLOCK):",
        "for block in range(0, min(active, 1), _BLOCK):",
        KERNELS,
    ),
    one("blocks of rows too large for 16 bits", FORWARD, "_BLOCK = 248", "_BLOCK = 264", KERNELS),
    one(
        "one level too many", UPDATE, "peak <= (1 << (shift - m - 1))", "peak <= (1 << (shift - m))", (*KERNELS, *CHIP)
    ),
    one(
        "mask bits fall into the split",
        "datapath/layout.py",
        "split <= shift - lane_bits",
        "split <= shift",
        (*KERNELS, *CHIP),
    ),
    *(Mutation(name, edits, EQUAL) for name, edits in CHAIN),
    *(Mutation(name, edits, AROUND_EQUAL) for name, edits in AROUND),
    *(Mutation(name, edits, ESTIMATE_TESTS) for name, edits in ESTIMATE),
    *(Mutation(name, edits, EXTERNAL_TESTS) for name, edits in EXTERNAL),
    *(Mutation(name, edits, VECTOR_TESTS) for name, edits in VECTOR),
)


def mutate(package: Path, mutation: Mutation) -> None:
    """Apply the edits; ValueError if a text is not found exactly once, i.e. the mutation needs to be rewritten."""
    for file, old, new in mutation.edits:
        path = package / file
        source = path.read_text(encoding="utf-8")
        if source.count(old) != 1:
            raise ValueError(f"{mutation.name}: {file} has {source.count(old)} times {old!r}")
        path.write_text(source.replace(old, new), encoding="utf-8")


def run_tests(folder: Path, tests: tuple[str, ...]) -> str:
    """Run test files against the package in *folder*; returns the first failing test, or an empty string.

    Without JIT: most mutations are noticed in a few examples, sooner than the kernels would be compiled.
    """
    environment = {
        **os.environ,
        "PYTHONPATH": str(folder),
        "PYTHONDONTWRITEBYTECODE": "1",
        "NUMBA_DISABLE_JIT": "1",
        "HYPOTHESIS_PROFILE": "mutations",
    }
    command = [
        sys.executable,
        "-P",
        "-m",
        "pytest",
        "-x",
        "-p",
        "no:cacheprovider",
        "-o",
        "addopts=-q",
        "-rfE",
        "--tb=no",
    ]
    command += [
        f"--rootdir={ROOT}",
        "-c",
        str(ROOT / "pyproject.toml"),
        *(str(ROOT / "tests" / test) for test in tests),
    ]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd=folder)
    if done.returncode == 0:
        return ""
    failed = [line.split(" - ")[0] for line in done.stdout.splitlines() if line.startswith(("FAILED ", "ERROR "))]
    if done.returncode != 1 or not failed:
        return f"(pytest stopped with {done.returncode}: {(done.stdout + done.stderr).strip()[-300:]})"
    return failed[0].split(" ", 1)[1].removeprefix("../").split("tests/")[-1]


def killer_of(mutation: Mutation | None) -> str:
    """Return the test that notices *mutation* (None: the package as it is), or an empty string."""
    with tempfile.TemporaryDirectory() as folder:
        package = Path(folder) / "neuro_emu"
        shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
        if mutation is None:
            return run_tests(Path(folder), tuple(sorted({test for m in MUTATIONS for test in m.tests})))
        mutate(package, mutation)
        return run_tests(Path(folder), mutation.tests)


def main() -> int:
    """Run all mutations and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--only", default="", help="mutations whose name contains this text")
    options = parser.parse_args()
    chosen = [m for m in MUTATIONS if options.only in m.name]
    start = time.monotonic()
    failed = killer_of(None)
    if failed:
        print(f"the package as it is fails {failed}")
        return 1
    width = max(len(m.name) for m in chosen)
    survivors = 0
    with ThreadPoolExecutor(options.jobs) as pool:
        for mutation, test in zip(chosen, pool.map(killer_of, chosen), strict=True):
            survivors += not test
            print(f"{mutation.name:{width}}  {test or 'SURVIVES'}", flush=True)
    print(f"{len(chosen) - survivors} of {len(chosen)} mutations noticed in {time.monotonic() - start:.0f} s")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
