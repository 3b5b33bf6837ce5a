"""Sign symmetry (Liao, Leibo and Poggio 2016; Xiao, Chen, Liao and Poggio 2018).

δy_k = a sign(W_{k+1})ᵀ δz_{k+1}     feedback shares only the signs of the forward weights
δz_k = δy_k ⊙ f′(z_k)
W_k += η δz_k y_{k-1}ᵀ
"""

from __future__ import annotations

from neuro_emu.rules.base import Datapath, Need, V, rule


@rule("sign_symmetry", needs=Need.CHAIN)
def sign_symmetry(dp: Datapath[V], k: int) -> None:
    """Sign symmetry: the signs of the transposed forward weights carry the error."""
    delta = dp.gate(k, dp.transpose_sign(k, dp.delta(k + 1)))
    dp.update(k, delta)
