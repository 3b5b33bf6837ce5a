"""Weight mirrors (Akrout, Wilson, Humphreys, Lillicrap and Tweed 2019, section 4.1).

Engaged mode, every sample:    δz_k = B_k δz_{k+1} ⊙ f′(z_k);   W_k += η δz_k y_{k-1}ᵀ
Mirror mode, now and then:     y_k = noise ξ of zero mean;   y_{k+1} = f(W_{k+1} ξ), biases blocked
                               B_k += η_B ξ y_{k+1}ᵀ,   whose mean is η_B σ² f′(0) W_{k+1}ᵀ

B_k feeds layer k (the paper's B_{k+1}). f(0) is subtracted from y_{k+1}, so that a sigmoid at rest is silent too.
`training.mirror` sets the schedule of the two modes, `training.feedback_decay` keeps B from growing.
"""

from __future__ import annotations

from neuro_emu.rules.base import Datapath, Need, V, rule


def mirror(dp: Datapath[V], k: int) -> None:
    """One mirror step: B_k follows W_{k+1} as seen by noise."""
    noise = dp.noise(k)
    dp.learn_feedback(k, dp.drive(k + 1, noise), noise)


@rule("weight_mirror", needs=Need.CHAIN, mirror=mirror)
def weight_mirror(dp: Datapath[V], k: int) -> None:
    """Weight mirror: feedback matrices learn the forward weights from noise, between samples."""
    delta = dp.gate(k, dp.project(k, dp.delta(k + 1)))
    dp.update(k, delta)
