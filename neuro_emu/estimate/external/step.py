"""Accesses of one training step, from what a rule asks of the chip and not from its name.

After Woo 2023, chapter 6, equations 6.1 and 6.2, which follow H. Mostafa, V. Ramesh and G. Cauwenberghs, "Deep
supervised learning using local errors", Frontiers in Neuroscience 12, 2018. Of the sample, or mini-batch, of a step:

    forward    (reads, writes) = (Param, Act)
    backward   (reads, writes) = (Param + Act, Param)

What is assumed, beyond the thesis where it says nothing:

1. Working buffers on the chip hold what the layer at work is given and gives, for the whole mini-batch, and the signals
   δ of two layers; sums of gradients too. They are not part of the capacity that parameters and kept activations share.
2. The whole mini-batch passes a layer before the next one's parameters come: parameters move once a pass and
   mini-batch, activations once a sample.
3. A rule whose hidden layers wait for the output error (`Need.ERROR`, `Need.CHAIN`) makes two passes. Way back, each
   parameter is read once, for the signal and for its own update together. Others learn as the forward pass comes by: a
   neuron's weights are read once, used, updated and written; all they need of activations is in the buffers.
4. Kept, and so written in the forward pass and read once on the way back, is what the plan of the rule uses there: y_k
   of updates, feedback and local classifiers, and slopes: what f′(z_k) is made from, unless the kept y_k says it. A
   shared activation h̃ stays in the buffers while its block learns; matched copies (pooling, C_k) are made again from
   it. Activations that run through C_k layer by layer (forward alignment) are made in the forward pass and kept.
5. Weights that learn are read and written with their velocities. Biases learn with their weights. Decay and
   normalisation happen in the same visit. Weights that neither learn nor carry signals back are read once.
6. B_k of a chain has the entries of W_{k+1}; others have a row for each entry of what they project, onto y_k before
   pooling. Of rows looked up by the label, one is read a sample, at most all. What is fixed and random can be
   *generated* again instead of stored. C_k has the entries of W_k if it is given what W_k is given.
7. Mirror mode visits each layer once a call: W_{k+1} and B_k are read, B_k is written.
8. Samples come from outside in the forward pass, and again for the first layer's update.
"""

from __future__ import annotations

from neuro_emu.estimate.external.layers import NetworkTraffic
from neuro_emu.estimate.external.learner import FULL, Accounting, Learner
from neuro_emu.estimate.external.ledger import Ledger, forward_pass
from neuro_emu.estimate.external.traffic import Access


def inference(network: NetworkTraffic, batch: int = 1, counts: Accounting = FULL) -> tuple[Access, ...]:
    """Return what an inference of *batch* samples reads: every parameter once, and the samples."""
    return tuple(forward_pass(network, batch, counts))


def training_step(network: NetworkTraffic, learner: Learner, counts: Accounting = FULL) -> tuple[Access, ...]:
    """Return what a training step reads and writes with nothing on the chip; see the module for what is assumed."""
    ledger = Ledger(network, learner, counts)
    ledger.keep()
    ledger.learn()
    ledger.mirror()
    return tuple(ledger.accesses)
