"""Every integer operation the silicon has, once. The contract in prose is docs/numerics.md."""

from __future__ import annotations

SEMANTICS_VERSION = "1"
"""Changes whenever a result bit could change; see *Semantics* in the CHANGELOG."""
