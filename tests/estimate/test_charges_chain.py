"""Where errors and sums of learned feedback are read and written, by what they are."""

import pytest
from test_charges import charged, counted, finished


def test_a_chain_reads_its_own_signals_once_and_those_above_for_the_rest():
    run, made = finished("bp")
    reads = counted(run, "training", "error", "error_read")
    units = [40, 30, 10]
    for layer in (0, 1):
        above = "error" if layer == 1 else "deltas[1]"
        own = charged(made, "training", f"deltas[{layer}]", "read", "error", layer)
        assert own == pytest.approx(units[layer], rel=1e-5)
        rest = charged(made, "training", above, "read", "error", layer)
        assert rest == pytest.approx(reads[layer] - units[layer], rel=1e-5)
        assert rest > 0
    assert charged(made, "training", "error", "read", "error", 2) == pytest.approx(reads[2], rel=1e-5)


def test_sums_of_learned_feedback_lie_beside_it():
    run, made = finished("dkp", ", batch: 4")
    for layer in (0, 1):
        for action in ("read", "write"):
            count = counted(run, "training", "feedback", f"gradient_{action}")[layer]
            assert count > 0
            found = charged(made, "training", f"feedback_gradients[{layer}]", action, "feedback", layer)
            assert found == pytest.approx(count, rel=1e-5)
        assert not charged(made, "training", f"gradients[{layer}]", "read", "feedback", layer)


def test_learned_feedback_reads_the_outputs_of_its_layer():
    run, made = finished("dkp")
    for layer in (0, 1):
        count = counted(run, "training", "feedback", "output_read")[layer]
        assert count > 0
        assert charged(made, "training", f"outputs[{layer}]", "read", "feedback", layer) == pytest.approx(count, 1e-5)
