"""How this run of the suite was started."""

import os

WITHOUT_JIT = os.environ.get("NUMBA_DISABLE_JIT", "0") not in {"", "0"}
"""Kernels are plain Python: sizes are smaller, and what only compiled code has is left out."""
