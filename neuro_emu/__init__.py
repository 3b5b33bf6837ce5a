"""neuro_emu: a bit-accurate emulator of fixed-point chips that learn."""

from __future__ import annotations

__version__ = "0.1.0"
