"""Activation sharing with asymmetric paths (Woo 2023, section 4.2, equations 4.5 and 4.6, Algorithm 1).

δz_k = B_k δz_{k+1} ⊙ f′(z_k)
W_k += η δz_k h̃ᵀ − λ W_k           h̃ the input of the first layer of k's block
B_{k-1} += (η δz_k h̃ᵀ)ᵀ − λ B_{k-1}

B_{k-1} feeds layer k−1 (the thesis' B_k) and is the twin of W_k: the same rounded step. The thesis does not train the
first layer (`first_layer: fixed`); `trained` sends it the error through B_0.
"""

from __future__ import annotations

from neuro_emu.rules.base import Datapath, Need, Option, V, rule
from neuro_emu.rules.blocks import BLOCK, LAG, MATCHING, shared

FIRST_LAYER = Option("trained", "whether layer 0 learns, through B_0", choices=("trained", "fixed"))


def learn(dp: Datapath[V], k: int, delta: V) -> None:
    """Update W_k and its twin with the shared activation."""
    lowest = 1 if dp.option("first_layer") == "trained" else 2
    dp.update(k, delta, shared(dp, k) if k > 0 else None, twin=k >= lowest)


def output(dp: Datapath[V], k: int) -> None:
    """Output layer: its error with the shared activation, the step shared with B_{K-1}."""
    learn(dp, k, dp.error())


@rule(
    "asap",
    needs=Need.CHAIN,
    output=output,
    options={"block": BLOCK, "lag": LAG, "matching": MATCHING, "first_layer": FIRST_LAYER},
)
def asap(dp: Datapath[V], k: int) -> None:
    """ASAP: activation sharing, the same steps for forward weights and asymmetric feedback."""
    if k > 0 or dp.option("first_layer") == "trained":
        learn(dp, k, dp.gate(k, dp.project(k, dp.delta(k + 1))))
