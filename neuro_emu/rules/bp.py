"""Backpropagation of errors (Rumelhart, Hinton and Williams 1986; Woo 2023, equations 2.1 to 2.3).

    δy_k = W_{k+1}ᵀ δz_{k+1}     the transpose is read from the same memory, reduced across lanes
    δz_k = δy_k ⊙ f′(z_k)
    W_k += η δz_k y_{k-1}ᵀ       with e = y* − y_K; the papers write δ = y_K − y* and a minus sign

The upper bound that the other rules are measured against: weight transport and full update locking.
"""

from __future__ import annotations

from neuro_emu.rules.base import Datapath, Need, V, rule


@rule("bp", needs=Need.CHAIN)
def bp(dp: Datapath[V], k: int) -> None:
    """Backpropagation: the transposed forward weights carry the error."""
    delta = dp.gate(k, dp.transpose(k, dp.delta(k + 1)))
    dp.update(k, delta)
