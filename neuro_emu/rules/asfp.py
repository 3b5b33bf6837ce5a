"""Activation sharing in the feedback path (Woo 2023, sections 4.3 and 5.2.4, equations 4.7 to 4.10).

δz_k = B_k δz_{k+1} ⊙ f′(z_k)
W_k += η δz_k y_{k-1}ᵀ − λ W_k     its own input
B_k += η_B h̃ δz_{k+1}ᵀ − λ B_k     h̃ the input of the first layer of the block of k+1 (the thesis' B_{k+1})

With `local_classifier` every block but the last ends in a classifier of its own; its error, through a fixed random
matrix (feedback alignment), takes the place of the error from the block above.
"""

from __future__ import annotations

from neuro_emu.rules.base import Datapath, Need, Option, V, rule
from neuro_emu.rules.blocks import BLOCK, LAG, MATCHING, ends_block, shared

LOCAL = Option(False, "a local classifier at the end of each block")


@rule(
    "asfp",
    needs=Need.CHAIN,
    options={"block": BLOCK, "lag": LAG, "matching": MATCHING, "local_classifier": LOCAL},
)
def asfp(dp: Datapath[V], k: int) -> None:
    """ASFP: own activations for the forward weights, shared ones for the feedback matrices."""
    is_local = bool(dp.option("local_classifier")) and ends_block(dp, k)
    source = dp.local_error(k) if is_local else dp.delta(k + 1)
    dp.update(k, dp.gate(k, dp.project(k, source)))
    if is_local:
        dp.learn_local(k)
    else:
        dp.learn_feedback(k, source, shared(dp, k + 1))
