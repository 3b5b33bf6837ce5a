"""Direct feedback alignment (Nøkland 2016).

δy_k = B_kᵀ e              e = y* − y_K through a fixed random matrix
δz_k = δy_k ⊙ f′(z_k)
W_k += η δz_k y_{k-1}ᵀ
"""

from __future__ import annotations

from neuro_emu.rules.base import Datapath, Need, V, rule


@rule("dfa", needs=Need.ERROR)
def dfa(dp: Datapath[V], k: int) -> None:
    """Direct feedback alignment: the output error through fixed random matrices."""
    delta = dp.gate(k, dp.project(k, dp.error()))
    dp.update(k, delta)
