"""Lesser processors: the same integers from code for AVX2, and for SSE2, where vector code is refused.

Each runs in a process of its own that is told to compile for such a processor, with a cache of its own; both at once.
"""

import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import forced_run
import pytest
from environment import WITHOUT_JIT

import neuro_emu
from neuro_emu.datapath.backends import PORTABLE, VECTOR
from neuro_emu.jit import vector_level

AVX2 = "+avx2,+avx,+fma,+bmi,+bmi2,+popcnt,+lzcnt,+movbe,+sse4.2,+sse4.1,+ssse3,+sse3,+sse2,+cx16"
PROCESSORS = {
    "avx2": {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": AVX2},
    "": {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": "+sse2"},
}
PATH = os.pathsep.join([str(Path(neuro_emu.__file__).parents[1]), os.environ.get("PYTHONPATH", "")])

pytestmark = pytest.mark.skipif(
    WITHOUT_JIT or platform.machine() != "x86_64" or not vector_level() or "NUMBA_CPU_NAME" in os.environ,
    reason="for x86 processors with AVX2, and not when a lesser one is asked for already",
)


@pytest.fixture(scope="module")
def others(tmp_path_factory):
    """What the other processors say, by level."""
    started = {}
    for level, settings in PROCESSORS.items():
        cache = str(tmp_path_factory.mktemp(f"jit{level}"))
        environment = os.environ | settings | {"NEURO_EMU_JIT_CACHE": cache, "PYTHONPATH": PATH}
        words = [sys.executable, forced_run.__file__]
        started[level] = subprocess.Popen(
            words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
    answers = {level: process.communicate() for level, process in started.items()}
    for level, process in started.items():
        assert process.returncode == 0, answers[level][1][-3000:]
    return {level: json.loads(answer) for level, (answer, _) in answers.items()}


@pytest.fixture(scope="module")
def expected():
    return forced_run.digests(PORTABLE)


@pytest.mark.parametrize("level", PROCESSORS)
def test_a_lesser_processor_gives_the_same_integers(level, others, expected):
    assert others[level]["level"] == level
    for name, (*digests, in_vector_code) in others[level]["digests"].items():
        assert digests == expected[name][:-1], name
        assert in_vector_code == (level == "avx2"), name


def test_vector_code_is_refused_where_there_is_none(others):
    assert others["avx2"]["refusal"] == ""
    assert others["avx2"]["auto"] == VECTOR
    assert others[""]["auto"] == PORTABLE
    assert others[""]["refusal"].startswith("--backend vector needs a processor with AVX2 or AVX-512")
    assert "--backend portable" in others[""]["refusal"]


def test_this_processor_gives_the_same_integers(expected):
    found = forced_run.digests(VECTOR)
    assert {name: digests for name, (*digests, _) in found.items()} == {n: d for n, (*d, _) in expected.items()}
    assert all(in_vector_code for *_, in_vector_code in found.values())
