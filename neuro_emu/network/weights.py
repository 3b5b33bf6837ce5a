"""Weights on disk: integer codes with their formats, as a NumPy archive with stable bytes."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuro_emu.errors import RunError
from neuro_emu.network.deep.graph import Graph, Norm, Weighted
from neuro_emu.network.deep.state import DeepState
from neuro_emu.network.layers import DenseLayer, Network
from neuro_emu.network.state import ChipState, Int64
from neuro_emu.numerics.formats import Format

_DAMAGE = (ValueError, OSError, EOFError, TypeError, RuntimeError, zipfile.BadZipFile, zlib.error)
"""What NumPy and zipfile raise for damaged archives; NotImplementedError is a RuntimeError."""

AnyNetwork = Network | Graph

_NORM_ROWS = 4
_MEAN_UNIT = 1 << 6
"""Running means have 6 fractional bits of a code of the norm's input."""
_MOST_VARIANCE = 1 << 44
"""Running variances stay below: u44, whatever epsilon."""

_EPOCH_OF_ZIP = (1980, 1, 1, 0, 0, 0)


def _smallest(codes: NDArray[np.int32], storage: Format) -> NDArray[np.generic]:
    widths = (np.int8, np.int16, np.int32) if storage.signed else (np.uint8, np.uint16, np.uint32)
    for width in widths:
        if storage.high <= np.iinfo(width).max:
            return codes.astype(width)
    raise ValueError(f"no NumPy type holds {storage}")


def pack_weights(network: AnyNetwork, state: ChipState) -> bytes:
    """Return the archive: `weights_k` (n_{k-1} + 1, n_k), `feedback_k` (rows, n_k), each with `…_format`.

    Chips that have them add `classifier_k` (n_k + 1, classes) and `random_forward_k` (rows, n_k); graphs have W_k
    (rows, units) and add `norm_k` (4, channels): γ, β, running mean and variance, in the formats of scale, offset and
    input.
    """
    arrays: dict[str, NDArray[np.generic]] = {}

    def put(name: str, codes: NDArray[np.int32], storage: Format) -> None:
        arrays[name] = _smallest(codes, storage)
        arrays[f"{name}_format"] = np.array(str(storage))

    layers = _layers(network)
    for k, layer in enumerate(layers):
        put(f"weights_{k}", state.weights[k], layer.weight)
    for k, layer in enumerate(layers[:-1]):
        if layer.feedback is not None:
            put(f"feedback_{k}", state.feedback[k], layer.feedback)
    for k, layer in enumerate(layers[:-1]):
        for name, matrices, storage in (
            ("classifier", state.classifiers, network.output.weight),
            ("random_forward", state.forward, layer.weight),
        ):
            if matrices and matrices[k].size:
                put(f"{name}_{k}", matrices[k], storage)
    for k, norm in _norms(network):
        assert isinstance(state, DeepState)
        arrays[f"norm_{k}"] = state.norm[k]
        arrays[f"norm_{k}_format"] = np.array(_norm_formats(norm))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            content = io.BytesIO()
            np.lib.format.write_array(content, np.ascontiguousarray(array).reshape(array.shape), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy", _EPOCH_OF_ZIP), content.getvalue(), zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def _layers(network: AnyNetwork) -> Sequence[DenseLayer | Weighted]:
    return network.layers


def _norms(network: AnyNetwork) -> Iterator[tuple[int, Norm]]:
    """Return the norms of a graph, with their layers."""
    for k, layer in enumerate(network.layers if isinstance(network, Graph) else ()):
        if layer.norm is not None:
            yield k, layer.norm


def _norm_formats(norm: Norm) -> str:
    return f"{norm.scale} {norm.offset} {norm.input}"


def unpack_weights(content: bytes, network: AnyNetwork, state: ChipState, name: str) -> None:
    """Put the weights of an archive into *state*.

    Raises:
        RunError: if the archive is damaged or belongs to another network.

    """
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            arrays = dict(archive)
    except _DAMAGE as error:
        raise RunError(f"{name}: not a weights archive ({error}); run the configuration again") from error
    for k, layer in enumerate(_layers(network)):
        codes = arrays.get(f"weights_{k}")
        stored = str(arrays.get(f"weights_{k}_format", "no format"))
        if codes is None or codes.shape != (layer.rows, layer.units) or stored != str(layer.weight):
            shape = "nothing" if codes is None else f"{codes.shape} {stored}"
            raise RunError(
                f"{name}: layer {k} holds {shape}, the configuration wants ({layer.rows}, {layer.units}) {layer.weight}"
            )
        if codes.dtype.kind not in "iu":
            raise RunError(f"{name}: weights_{k} holds {codes.dtype}, not integer codes")
        if codes.min() < layer.weight.low or codes.max() > layer.weight.high:
            raise RunError(f"{name}: weights_{k} has codes outside {layer.weight}")
        state.weights[k] = codes.astype(np.int32)
    for k, norm in _norms(network):
        assert isinstance(state, DeepState)
        state.norm[k] = _norm_codes(arrays, k, norm, network.layers[k].units, name)


def _norm_codes(arrays: dict[str, NDArray[Any]], k: int, norm: Norm, channels: int, name: str) -> Int64:
    """Return γ, β, running mean and variance (4, channels) of an archive.

    Raises:
        RunError: if they are missing, or not what a norm of these formats can hold.

    """
    codes, wanted = arrays.get(f"norm_{k}"), _norm_formats(norm)
    stored = str(arrays.get(f"norm_{k}_format", "no format"))
    if codes is None or codes.shape != (_NORM_ROWS, channels) or stored != wanted:
        shape = "nothing" if codes is None else f"{codes.shape} {stored}"
        raise RunError(f"{name}: norm_{k} holds {shape}, the configuration wants ({_NORM_ROWS}, {channels}) {wanted}")
    if codes.dtype.kind not in "iu":
        raise RunError(f"{name}: norm_{k} holds {codes.dtype}, not integer codes")
    mean = norm.input.magnitude * _MEAN_UNIT
    limits = (
        (norm.scale.low, norm.scale.high),
        (norm.offset.low, norm.offset.high),
        (-mean, mean),
        (1, _MOST_VARIANCE),
    )
    for row, (low, high) in zip(codes, limits, strict=True):
        if row.min() < low or row.max() > high:
            raise RunError(f"{name}: norm_{k} has codes outside {low} … {high}")
    return codes.astype(np.int64)
