"""Forward alignment (Woo 2023, chapter 3, equations 3.7 to 3.10).

h̃_k = f(C_k h̃_{k-1})              C_k fixed and random, h̃_{-1} the input (the thesis leaves f out for simplicity)
δz_k = W_{k+1}ᵀ δz_{k+1} ⊙ f′(z_k)
W_k += η δz_k h̃_{k-1}ᵀ            the approximate activation in place of y_{k-1}
"""

from __future__ import annotations

from neuro_emu.rules.base import Datapath, Need, V, rule


def approximate(dp: Datapath[V], k: int) -> V:
    """Return h̃_k."""
    return dp.output(k) if k < 0 else dp.random_forward(k, approximate(dp, k - 1))


def output(dp: Datapath[V], k: int) -> None:
    """Output layer: its error with the approximate activation."""
    dp.update(k, dp.error(), approximate(dp, k - 1))


@rule("forward_alignment", needs=Need.CHAIN, output=output)
def forward_alignment(dp: Datapath[V], k: int) -> None:
    """Forward alignment: exact errors, activations approximated by fixed random forward weights."""
    delta = dp.gate(k, dp.transpose(k, dp.delta(k + 1)))
    dp.update(k, delta, approximate(dp, k - 1))
