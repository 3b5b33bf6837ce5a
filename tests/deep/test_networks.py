"""Whole convolutional chips against plain Python integers: weights, registers, predictions, batch by batch."""

from dataclasses import replace

import naive_net
import numpy as np
import pytest
from dense_pair import fmt, run, samples
from graphs import formats, output_formats, small_net

from neuro_emu.errors import OverflowDetected, RunError
from neuro_emu.machine.deep.initialise import initial_state
from neuro_emu.machine.learning import Adam, WeightNorm
from neuro_emu.network.deep.builder import Builder
from neuro_emu.network.state import UPDATES
from neuro_emu.numerics.words import sample_order
from neuro_emu.training.deep_engine import DeepEngine

pytestmark = pytest.mark.integer

COUNT = 9
STRIDES = {"plain": (3, 3, 1, 1), "stride": (3, 3, 1, 2), "even kernel": (2, 2, 1, 0)}


def compare(chip, epochs=1):
    codes, labels = samples(60, 4, COUNT)
    state = initial_state(chip)
    engine, slow = DeepEngine(chip, state, codes, labels), naive_net.NaiveNet(chip, state)
    for epoch in range(epochs):
        order = sample_order(chip.learning.seed, epoch, COUNT)
        engine.begin_epoch(epoch, order)
        predictions = engine.train(0, COUNT).tolist()
        for first in range(0, COUNT, chip.learning.batch):
            chosen = order[first : first + chip.learning.batch]
            assert slow.learn(codes[chosen], labels[chosen]) == predictions[first : first + len(chosen)]
    after = engine.state()
    assert after.row_registers.tolist() == slow.registers
    for found, expected in zip(after.weights, slow.weights, strict=True):
        assert found.tolist() == expected.tolist()
    assert any((a != b).any() for a, b in zip(after.weights, state.weights, strict=True))
    assert engine.infer(codes).tolist() == slow.predict(codes)
    return engine


@pytest.mark.parametrize("rule", ["drtp", "dfa", "bp"])
@pytest.mark.parametrize("conv", STRIDES.values(), ids=STRIDES)
def test_rules(rule, conv):
    engine = compare(small_net(rule, 4, (conv[0], conv[1], conv[2], min(conv[3], conv[1] - 1))))
    layers = engine.state().weights
    assert engine.tally().events[:, UPDATES].tolist() == [3 * w.size for w in layers]


def test_a_batch_of_one_writes_every_row():
    compare(small_net("drtp", 1))


@pytest.mark.parametrize("rule", ["drtp", "dfa", "bp"])
@pytest.mark.parametrize("theta", [120, 254])
def test_error_gate(rule, theta):
    """With 254 whole batches are closed: hidden layers are written with sums of 0."""
    compare(small_net(rule, 4, error_gate=theta))


WIDE = formats("s12f9", "s8f6", "s12f9", "s10f7", "s14f10")


@pytest.mark.parametrize("rule", ["drtp", "dfa", "bp"])
def test_wide_formats(rule):
    compare(small_net(rule, 3, layer_formats=WIDE))


def test_fixed_kernels_stay():
    made = Builder((6, 6, 1), fmt("u8f8"))
    made.conv(3, 3, formats(), activation="relu", learns=False, initial="centred")
    made.dense(4, output_formats(), activation="sigmoid")
    chip = small_net("drtp", 2)
    chip = type(chip)(made.graph(), chip.numerics, chip.learning, chip.design)
    state = initial_state(chip)
    kernels = state.weights[0]
    assert kernels[:-1].any()
    assert not kernels[-1].any()
    assert np.abs(kernels[:-1].sum(axis=0)).max() <= 9 // 2 + 1  # the mean is a whole code
    codes, labels = samples(36, 4, COUNT)
    engine = DeepEngine(chip, state, codes, labels)
    engine.begin_epoch(0, np.arange(COUNT))
    engine.train(0, COUNT)
    after = engine.state()
    assert after.weights[0].tobytes() == kernels.tobytes()
    assert after.row_registers[0] == state.row_registers[0]
    assert after.weights[1].any()


def test_blocks_of_any_size_train_alike():
    """Batches are cut from the epoch, not from the blocks; a rest is predicted as it would be tested."""
    chip = small_net("drtp", 4)
    codes, labels = samples(60, 4, COUNT)
    states = []
    for block in (COUNT, 4, 3, 1):
        engine = DeepEngine(chip, initial_state(chip), codes, labels)
        predictions, *_ = run(engine, chip, labels, codes, 2, block)
        assert [len(part) for part in predictions[: COUNT // block]] == [block] * (COUNT // block)
        states.append(engine.state())
        assert states[-1].batch_fill == 0
    assert all(w.tobytes() == v.tobytes() for s in states for w, v in zip(s.weights, states[0].weights, strict=True))
    engine.begin_epoch(2, np.arange(COUNT))
    engine.train(0, 6)
    assert engine.state().batch_fill == 2


def test_samples_may_be_maps():
    chip = small_net("drtp", 4)
    codes, _ = samples(60, 4, COUNT)
    engine = DeepEngine(chip, initial_state(chip), codes, np.zeros(COUNT, np.uint8))
    assert engine.infer(codes).tolist() == engine.infer(codes.reshape(COUNT, 6, 5, 2)).tolist()
    assert engine.outputs(codes).shape == (COUNT, 4)


def test_strict_names_the_tensor():
    chip = small_net("drtp", 4)
    strict = type(chip.numerics)(**{**vars(chip.numerics), "strict": True})
    chip = type(chip)(chip.graph, strict, chip.learning, chip.design)
    codes, labels = samples(60, 4, COUNT)
    engine = DeepEngine(chip, initial_state(chip), np.full_like(codes, 255), labels)
    engine.begin_epoch(0, np.arange(COUNT))
    epochs = [(epoch, np.arange(COUNT)) for epoch in range(50)]
    with pytest.raises(OverflowDetected, match=r"weight of layer \d overflowed in the batch before sample 8 of"):
        train_all(engine, epochs)


def train_all(engine, epochs):
    for epoch, order in epochs:
        engine.begin_epoch(epoch, order)
        engine.train(0, COUNT)


def test_what_is_not_offered_is_refused():
    chip = small_net("drtp", 4)
    state = initial_state(chip)
    codes, labels = samples(60, 4, COUNT)
    with pytest.raises(RunError, match="regression"):
        DeepEngine(chip, state, codes, labels, np.zeros((COUNT, 4), np.int32))
    with pytest.raises(RunError, match="no datapath 'slow'"):
        DeepEngine(chip, state, codes, labels, datapath="slow")


REFUSED = {
    "weight s20f9 has more than 16 bits": {"layer_formats": formats("s20f9")},
    "projection s18f7 has more than 16 bits": {"layer_formats": formats(projection="s18f7")},
    "only hard_tanh, relu, identity take more than 8 bits": {"layer_formats": formats(preactivation="s12f5")},
    r"update shifts \(36,\) in epoch 0": {"lr_shift": (((0, 28),),) * 4},
    "adam divides": {"adam": Adam()},
    "no weight normalisation": {"weight_norm": WeightNorm(1.0)},
}


@pytest.mark.parametrize(("message", "settings"), REFUSED.items(), ids=range(len(REFUSED)))
def test_chips_that_are_refused(message, settings):
    chip = small_net("drtp", 4, **settings)
    if "only hard" in message:
        output = replace(chip.graph.output, preactivation=fmt("s12f5"))
        chip = replace(chip, graph=replace(chip.graph, nodes=(*chip.graph.nodes[:-1], output)))
    with pytest.raises(RunError, match=message):
        chip.refuse_unheld()


def test_short_names():
    assert str(small_net("drtp", 4).graph) == "2x6x5-3c3-2p-4c2-9-4"


@pytest.mark.parametrize("more", [{"threads": 2, "datapath": "traced"}, {"threads": 0}, {"datapath": "quick"}])
def test_other_datapaths_and_threads_there_are_refused(more):
    with pytest.raises(RunError, match="graphs"):
        DeepEngine(None, None, None, None, **more)
