"""Fractional bits and bounds of batch normalisation; beside its operations, so that a check needs no compiler."""

from __future__ import annotations

MEAN_FRAC = 6
"""Fractional bits of a mean; a variance has twice as many."""
VALUE_FRAC = 12
"""Fractional bits of normalised values, s16f12."""
INVERSE_FRAC = 22
"""Fractional bits of 1/std."""
FOLD_FRAC = 24
"""Fractional bits of both words of a folded channel."""
FACTOR_FRAC = 14
"""Fractional bits of γ/std on the way back, s24f14."""
MOST_VALUES = 1 << 18
"""Values of a channel in a batch."""
FIRST_VARIANCE = 1 << (2 * MEAN_FRAC)
"""The running variance before the first batch: one code."""
