"""Modified Kolen-Pollack learning (Kolen and Pollack 1994; Akrout et al. 2019, section 4.2).

δz_k = B_k δz_{k+1} ⊙ f′(z_k)
W_k += η δz_k y_{k-1}ᵀ − λ W_k
B_{k-1} += (η δz_k y_{k-1}ᵀ)ᵀ − λ B_{k-1}     so W_k − B_{k-1}ᵀ shrinks as (1 − λ)^t

B_{k-1} feeds layer k−1 (the paper's B_k) and is the twin of W_k: it gets the same rounded step, with the same random
word. `training.weight_decay` sets λ for both.
"""

from __future__ import annotations

from neuro_emu.rules.base import Datapath, Need, V, rule


def output(dp: Datapath[V], k: int) -> None:
    """Output layer: delta rule, the step shared with the feedback matrix below."""
    dp.update(k, dp.error(), twin=k > 0)


@rule("kp", needs=Need.CHAIN, output=output)
def kp(dp: Datapath[V], k: int) -> None:
    """Kolen-Pollack: feedback matrices get the same steps as the forward weights, both decay."""
    delta = dp.gate(k, dp.project(k, dp.delta(k + 1)))
    dp.update(k, delta, twin=k > 0)
