"""Direct feedback alignment from the sign of the error (Frenkel, Lefebvre and Bol 2021, section 2.2).

δy_k = B_kᵀ sign(e)        sign is 0 inside a dead zone |e_c| ≤ D (D = 0 in the paper)
δz_k = δy_k ⊙ f′(z_k)
W_k += η δz_k y_{k-1}ᵀ
"""

from __future__ import annotations

from neuro_emu.rules.base import Datapath, Need, V, rule


@rule("sdfa", needs=Need.ERROR, settings=("sign_dead_zone",))
def sdfa(dp: Datapath[V], k: int) -> None:
    """Direct feedback alignment from the thresholded sign of the error."""
    delta = dp.gate(k, dp.project(k, dp.error_sign()))
    dp.update(k, delta)
