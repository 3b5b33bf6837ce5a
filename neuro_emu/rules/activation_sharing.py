"""Activation sharing (Woo 2023, section 4.1, equations 4.1 to 4.4).

δz_k = W_{k+1}ᵀ δz_{k+1} ⊙ f′(z_k)
W_k += η δz_k h̃ᵀ                  h̃ the input of the first layer of k's block: identity in place of C_k

The first layer stands alone (section 5.1.1); layers 1 … K form blocks of `block` layers.
"""

from __future__ import annotations

from neuro_emu.rules.base import Datapath, Need, V, rule
from neuro_emu.rules.blocks import BLOCK, LAG, MATCHING, shared


def output(dp: Datapath[V], k: int) -> None:
    """Output layer: its error with the shared activation."""
    dp.update(k, dp.error(), shared(dp, k) if k > 0 else None)


@rule("activation_sharing", needs=Need.CHAIN, output=output, options={"block": BLOCK, "lag": LAG, "matching": MATCHING})
def activation_sharing(dp: Datapath[V], k: int) -> None:
    """Activation sharing: exact errors, every layer of a block learns with the block's input."""
    delta = dp.gate(k, dp.transpose(k, dp.delta(k + 1)))
    dp.update(k, delta, shared(dp, k) if k > 0 else None)
