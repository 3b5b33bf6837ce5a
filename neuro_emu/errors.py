"""The error family: everything the tool raises on purpose derives from :class:`NeuroEmuError`."""

from __future__ import annotations


class NeuroEmuError(Exception):
    """A problem the user can act on; the message says what is wrong and what would be right."""


class ConfigError(NeuroEmuError):
    """A problem in a configuration, with the place where it was written (exit code 2)."""


class DataError(NeuroEmuError):
    """A data set is missing, corrupt or unreachable (exit code 2)."""


class RunError(NeuroEmuError):
    """A run directory is missing, incomplete or inconsistent (exit code 2)."""


class ToolError(NeuroEmuError):
    """A simulator or compiler is missing or refused its input (exit code 2)."""


class OverflowDetected(NeuroEmuError):
    """A tensor overflowed while ``numerics.strict`` is on (exit code 1)."""


class MismatchError(NeuroEmuError):
    """Two descriptions of the chip that must agree differ (exit code 1)."""


class RuleError(NeuroEmuError):
    """A learning rule cannot be imported, or asks for what the chip does not offer (exit code 2)."""
