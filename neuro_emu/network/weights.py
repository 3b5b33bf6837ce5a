"""Weights on disk: integer codes with their formats, as a NumPy archive with stable bytes."""

from __future__ import annotations

import io
import zipfile
import zlib

import numpy as np
from numpy.typing import NDArray

from neuro_emu.errors import RunError
from neuro_emu.network.layers import Network
from neuro_emu.network.state import ChipState
from neuro_emu.numerics.formats import Format

_DAMAGE = (ValueError, OSError, EOFError, TypeError, RuntimeError, zipfile.BadZipFile, zlib.error)
"""What NumPy and zipfile raise for damaged archives; NotImplementedError is a RuntimeError."""

_EPOCH_OF_ZIP = (1980, 1, 1, 0, 0, 0)


def _smallest(codes: NDArray[np.int32], storage: Format) -> NDArray[np.generic]:
    widths = (np.int8, np.int16, np.int32) if storage.signed else (np.uint8, np.uint16, np.uint32)
    for width in widths:
        if storage.high <= np.iinfo(width).max:
            return codes.astype(width)
    raise ValueError(f"no NumPy type holds {storage}")


def pack_weights(network: Network, state: ChipState) -> bytes:
    """Return the archive: `weights_k` (n_{k-1} + 1, n_k), `feedback_k` (rows, n_k), each with `…_format`.

    Chips that have them add `classifier_k` (n_k + 1, classes) and `random_forward_k` (rows, n_k).
    """
    arrays: dict[str, NDArray[np.generic]] = {}
    for layer, codes in zip(network.layers, state.weights, strict=True):
        arrays[f"weights_{layer.index}"] = _smallest(codes, layer.weight)
        arrays[f"weights_{layer.index}_format"] = np.array(str(layer.weight))
    for layer, codes in zip(network.hidden, state.feedback, strict=True):
        assert layer.feedback is not None
        arrays[f"feedback_{layer.index}"] = _smallest(codes, layer.feedback)
        arrays[f"feedback_{layer.index}_format"] = np.array(str(layer.feedback))
    output = network.output
    for layer, codes, fixed in zip(network.hidden, state.classifiers, state.forward, strict=True):
        for name, matrix, storage in (
            ("classifier", codes, output.weight),
            ("random_forward", fixed, layer.weight),
        ):
            if matrix.size:
                arrays[f"{name}_{layer.index}"] = _smallest(matrix, storage)
                arrays[f"{name}_{layer.index}_format"] = np.array(str(storage))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            content = io.BytesIO()
            np.lib.format.write_array(content, np.ascontiguousarray(array).reshape(array.shape), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy", _EPOCH_OF_ZIP), content.getvalue(), zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def unpack_weights(content: bytes, network: Network, state: ChipState, name: str) -> None:
    """Put the weights of an archive into *state*.

    Raises:
        RunError: if the archive is damaged or belongs to another network.

    """
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            arrays = dict(archive)
    except _DAMAGE as error:
        raise RunError(f"{name}: not a weights archive ({error}); run the configuration again") from error
    for layer in network.layers:
        codes = arrays.get(f"weights_{layer.index}")
        stored = str(arrays.get(f"weights_{layer.index}_format", "no format"))
        if codes is None or codes.shape != (layer.rows, layer.units) or stored != str(layer.weight):
            shape = "nothing" if codes is None else f"{codes.shape} {stored}"
            raise RunError(
                f"{name}: layer {layer.index} holds {shape},"
                f" the configuration wants ({layer.rows}, {layer.units}) {layer.weight}"
            )
        if codes.dtype.kind not in "iu":
            raise RunError(f"{name}: weights_{layer.index} holds {codes.dtype}, not integer codes")
        if codes.min() < layer.weight.low or codes.max() > layer.weight.high:
            raise RunError(f"{name}: weights_{layer.index} has codes outside {layer.weight}")
        state.weights[layer.index] = codes.astype(np.int32)
