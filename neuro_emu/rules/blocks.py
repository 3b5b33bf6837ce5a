"""Blocks of layers that share an activation (Woo 2023, sections 4.1 and 5.1.1): no rule, but what three rules use."""

from __future__ import annotations

from neuro_emu.rules.base import Datapath, Option, V

BLOCK = Option(2, "layers in a block; the first layer stands alone")
LAG = Option(0, "layers by which a shared activation is older: 1 as in Algorithm 1 of the thesis", low=0)
MATCHING = Option(
    "max_pool",
    "how a shared activation of another length is matched",
    choices=("max_pool", "average_pool", "random"),
)


def ends_block(dp: Datapath[V], k: int) -> bool:
    """Whether hidden layer k is the last of its block."""
    return k > 0 and k % int(dp.option("block")) == 0


def shared(dp: Datapath[V], k: int) -> V:
    """h̃_{k−1}: the input of the first layer of layer k's block, matched to the length of y_{k−1}; k ≥ 1.

    A `lag` of 1 counts from the layer before, so that the first layer of a block still learns with the input of the
    block before (Algorithm 1, equations 4.3 and 5.1 to 5.3).

    Matching (section 5.1.1): method 1, concatenate and max-pool; 2, average-pool; 3, fixed random weights.
    """
    block = int(dp.option("block"))
    source = max(0, k - 1 - int(dp.option("lag"))) // block * block
    activation = dp.output(source)
    if dp.size(source) == dp.size(k - 1):
        return activation
    if dp.option("matching") == "random":
        return dp.random_forward(k - 1, activation)
    return dp.pool(k - 1, activation, str(dp.option("matching")))
