"""Feedback alignment (Lillicrap, Cownden, Tweed and Akerman 2016; "BP-TRW").

δy_k = B_k δz_{k+1}          B_k fixed and random in place of W_{k+1}ᵀ (the papers' B_{k+1})
δz_k = δy_k ⊙ f′(z_k)
W_k += η δz_k y_{k-1}ᵀ
"""

from __future__ import annotations

from neuro_emu.rules.base import Datapath, Need, V, rule


@rule("fa", needs=Need.CHAIN)
def fa(dp: Datapath[V], k: int) -> None:
    """Feedback alignment: fixed random matrices carry the error from layer to layer."""
    delta = dp.gate(k, dp.project(k, dp.delta(k + 1)))
    dp.update(k, delta)
