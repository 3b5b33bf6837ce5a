"""Direct random target projection (Frenkel, Lefebvre and Bol 2021, Algorithm 1).

    δy_k = B_kᵀ y*             y* is one-hot, so this is row `label` of B_k
    δz_k = δy_k ⊙ f′(z_k)      the modulatory signal
    W_k += η δz_k y_{k-1}ᵀ     (the paper writes the minus sign into B)

A layer learns as soon as its own z_k is known: no weight transport, no update locking.
"""

from __future__ import annotations

from neuro_emu.rules.base import Datapath, Need, V, rule


@rule("drtp", needs=Need.LABEL)
def drtp(dp: Datapath[V], k: int) -> None:
    """Direct random target projection: random vectors looked up by the label."""
    delta = dp.gate(k, dp.label_row(k))
    dp.update(k, delta)
