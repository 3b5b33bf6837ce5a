"""Editing an operation never runs a stale kernel; leaving everything alone never compiles twice."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from environment import WITHOUT_JIT

import neuro_emu

pytestmark = pytest.mark.skipif(WITHOUT_JIT, reason="there is no cache without JIT")

RUN = """
import numpy as np
from neuro_emu import jit
from neuro_emu.kernels.plain import update_row
from neuro_emu.numerics.modes import RND
weights = np.zeros(4, dtype=np.int32)
products = np.array([5, 7, 8, -8], dtype=np.int64)
settings = np.array([4, RND, -128, 127, 0], dtype=np.int64)
update_row(weights, products, np.zeros(4, dtype=np.int64), settings, np.zeros(2, dtype=np.int64))
print(weights.tolist(), jit.compile_seconds() > 0, jit.source_digest())
"""
NEAREST = "return (code + (1 << (shift - 1))) >> shift"
FLOOR = "return code >> shift"


@pytest.fixture
def copy(tmp_path):
    shutil.copytree(
        Path(neuro_emu.__file__).parent, tmp_path / "neuro_emu", ignore=shutil.ignore_patterns("__pycache__")
    )
    return tmp_path


def run(copy):
    """Weights, whether anything was compiled, and the digest of the sources, from a new process."""
    environment = {**os.environ, "PYTHONPATH": str(copy), "NEURO_EMU_JIT_CACHE": str(copy / "cache")}
    done = subprocess.run(
        [sys.executable, "-c", RUN], env=environment, capture_output=True, text=True, check=True, cwd=copy
    )
    weights, compiled, digest = done.stdout.rsplit(maxsplit=2)
    return weights, compiled == "True", digest


def kernels_in(copy):
    return {path.name: path.stat().st_mtime_ns for path in (copy / "cache").rglob("*.nb?")}


def test_an_edited_operation_is_compiled_again_and_an_untouched_one_is_not(copy):
    first, compiled, digest = run(copy)
    assert (first, compiled) == ("[0, 0, 1, 0]", True)
    cached = kernels_in(copy)
    assert cached
    assert run(copy) == (first, False, digest)
    assert kernels_in(copy) == cached

    ops = copy / "neuro_emu" / "numerics" / "ops.py"  # not the file of the kernel that runs
    source = ops.read_text(encoding="utf-8")
    assert source.count(NEAREST) == 1
    ops.write_text(source.replace(NEAREST, FLOOR), encoding="utf-8")
    edited, compiled, other = run(copy)
    assert (edited, compiled) == ("[0, 0, 0, -1]", True)
    assert other != digest

    ops.write_text(source, encoding="utf-8")
    assert run(copy) == (first, False, digest)  # both digests keep their kernels
