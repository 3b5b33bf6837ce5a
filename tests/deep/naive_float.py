"""The loss of a graph in NumPy's float64, for numeric gradients: kernels tap by tap, written from docs/deep.md."""

import numpy as np

from neuro_emu.network.deep.graph import Add, Concat, Flatten, Input, Pool

FUNCTIONS = {
    "relu": lambda z: np.where(z > 0, z, 0),
    "tanh": np.tanh,
    "hard_tanh": lambda z: np.minimum(np.maximum(z, -1), 1),
    "identity": lambda z: z,
    "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
    "softmax": lambda z: np.exp(z) / np.exp(z).sum(axis=-1, keepdims=True),
}


def taps(maps, size, stride, rows, columns):
    """What lies under each place of a window, (n, rows, columns, C) each."""
    for ty in range(size[0]):
        for tx in range(size[1]):
            yield maps[:, ty : ty + stride * rows : stride, tx : tx + stride * columns : stride][:, :rows, :columns]


def weighted(node, x, weights):
    if node.window is None:
        return (x.reshape(len(x), -1) @ weights[: node.depth]).reshape(len(x), *node.shape)
    pad, size = node.window.padding, (node.window.kernel_height, node.window.kernel_width)
    maps = np.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    kernels = weights[: node.depth].reshape(size[0] * size[1], node.seen[2], node.units)
    seen = taps(maps, size, node.window.stride, *node.shape[:2])
    return sum(part @ kernel for part, kernel in zip(seen, kernels, strict=True))


def outputs(graph, x, weights, norms, running=None):
    """Sums and outputs of the last layer; norms (γ, β) by layer, running (mean, variance) where they are frozen."""
    found, z = [], None
    for node in graph.nodes:
        read = [found[source] for source in node.sources]
        if isinstance(node, Input):
            y = x
        elif isinstance(node, Flatten):
            y = read[0].reshape(len(x), *node.shape)
        elif isinstance(node, Pool):
            seen = np.stack(list(taps(read[0], node.kernel, node.stride, *node.shape[:2])))
            y = seen.max(axis=0) if node.kind == "max" else seen.mean(axis=0)
        elif isinstance(node, Concat):
            y = np.concatenate(read, axis=3)
        elif isinstance(node, Add):
            y = FUNCTIONS[node.activation](read[0] + read[1])
        else:
            k = node.layer
            z = weighted(node, read[0], weights[k])
            if node.norm:
                mean, variance = z.mean(axis=(0, 1, 2)), z.var(axis=(0, 1, 2))
                variance = variance + node.norm.epsilon * 2.0 ** (-12 - 2 * node.norm.input.frac)
                if node.norm.frozen:
                    mean, variance = running[k]
                z = norms[k][0] * (z - mean) / np.sqrt(variance) + norms[k][1]
            else:
                z = z + weights[k][-1]
            y = FUNCTIONS[node.activation](z)
        found.append(y)
    return z.reshape(len(x), -1), found[-1].reshape(len(x), -1)


def loss(kind, z, y, labels):
    """Summed over the samples."""
    hot = np.eye(y.shape[1])[labels]
    if kind == "mse":
        return ((hot - y) ** 2).sum() / 2
    if kind == "cce":
        return -(z * hot).sum() + np.log(np.exp(z).sum(axis=1)).sum()
    return (np.logaddexp(0, z) - hot * z).sum()


def slopes(function, array, step=1e-6):
    """Central differences of a function without arguments for every entry of an array that it reads."""
    found = np.zeros_like(array)
    for place in np.ndindex(array.shape):
        kept = array[place]
        array[place] = kept + step
        above = function()
        array[place] = kept - step
        found[place] = (above - function()) / (2 * step)
        array[place] = kept
    return found
