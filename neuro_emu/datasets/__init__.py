"""Data sets: found or downloaded, verified by SHA-256, and handed over as plain arrays of bytes.

>>> from neuro_emu import datasets
>>> datasets.load("synthetic", train=100).train_images.shape
(100, 64)
"""

from __future__ import annotations

from neuro_emu.datasets.catalogue import Description, describe, fetch, verify, where
from neuro_emu.datasets.content import FileCheck
from neuro_emu.datasets.loader import Dataset, load
from neuro_emu.datasets.locate import Location
from neuro_emu.datasets.registry import NAMES

__all__ = [
    "NAMES",
    "Dataset",
    "Description",
    "FileCheck",
    "Location",
    "describe",
    "fetch",
    "load",
    "verify",
    "where",
]
