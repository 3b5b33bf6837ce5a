"""Direct Kolen-Pollack learning ("Learning the connections in direct feedback alignment", equations 7 and 8).

δz_k = B_kᵀ e ⊙ f′(z_k)
W_k += η δz_k y_{k-1}ᵀ − λ W_k
B_k += η_B e y_kᵀ − λ B_k          (classes, n_k); the paper's B_{k+1}, updated with the activation of layer k

Rate and decay of B are its own: `training.feedback_lr_shift`, `training.feedback_decay`.
"""

from __future__ import annotations

from neuro_emu.rules.base import Datapath, Need, V, rule


@rule("dkp", needs=Need.ERROR)
def dkp(dp: Datapath[V], k: int) -> None:
    """Direct Kolen-Pollack: direct feedback alignment whose feedback matrices learn."""
    delta = dp.gate(k, dp.project(k, dp.error()))
    dp.update(k, delta)
    dp.learn_feedback(k, dp.error(), dp.output(k))
