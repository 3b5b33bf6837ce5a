"""Hypothesis profiles for the whole suite.

`HYPOTHESIS_PROFILE` picks one: `quick`, `default`, `explore`, `thorough` or `mutations`. The examples of `quick` and
`default` are the same in every run, so that a verdict belongs to the tree; `explore` and `thorough` draw new ones each
time. Without JIT (`NUMBA_DISABLE_JIT=1`) the datapaths are plain Python, so fewer examples are drawn there. Strategies
of chips draw and then ask the contract, so many draws are refused: that is no failure.
"""

import os
import sys
from pathlib import Path

from environment import WITHOUT_JIT
from hypothesis import HealthCheck, Phase, settings

for shared in ("datapath", "cosim"):  # their strategies and machines serve other folders too
    sys.path.append(str(Path(__file__).parent / shared))

EXAMPLES = {"quick": 15, "default": 60, "explore": 60, "thorough": 1000}

for name, count in EXAMPLES.items():
    settings.register_profile(
        name,
        deadline=None,
        derandomize=name in {"quick", "default"},
        max_examples=max(count // 2, 1) if WITHOUT_JIT else count,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
    )
settings.register_profile(  # for tests/mutations.py: find any failure, do not shrink it, remember nothing
    "mutations",
    settings.get_profile("default"),
    max_examples=60,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    report_multiple_bugs=False,
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))
