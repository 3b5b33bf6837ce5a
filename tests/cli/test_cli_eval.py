"""`eval`: saved weights on the test set, and what happens to damaged ones."""

from __future__ import annotations

import io
import json
import shutil

import numpy as np
import pytest

from neuro_emu import api
from neuro_emu.cli import main
from neuro_emu.config.experiment import load
from neuro_emu.errors import RunError
from neuro_emu.machine.initialise import initial_state
from neuro_emu.network.weights import unpack_weights


@pytest.fixture
def copy(finished, tmp_path):
    """A copy of the finished run, to be damaged."""
    return shutil.copytree(finished, tmp_path / "copy")


def metrics_of(directory):
    return json.loads((directory / "metrics.json").read_text(encoding="utf-8"))


def error_of(directory, capsys, *words):
    assert main(["eval", str(directory), *words]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("error: ")
    return printed.err


def test_the_same_as_after_training(finished, capsys):
    assert main(["eval", str(finished), "--json"]) == 0
    record, metrics = json.loads(capsys.readouterr().out), metrics_of(finished)
    for key in ("name", "config_digest", "dataset", "test_accuracy", "confusion"):
        assert record[key] == metrics[key]
    assert record["samples"] == 50
    matrix = np.array(metrics["confusion"])
    assert record["per_class"] == [round(100 * matrix[c, c] / matrix[c].sum(), 4) for c in range(10)]


def test_printed(finished, capsys):
    assert main(["eval", str(finished)]) == 0
    printed = capsys.readouterr()
    metrics = metrics_of(finished)
    assert printed.err == ""
    assert printed.out.splitlines()[0] == (
        f"tiny (config {metrics['config_digest']}) on 50 test samples of synthetic: {metrics['test_accuracy']:.2f} %"
    )


def test_the_weights_are_what_is_tested(copy, capsys):
    """Weights of nothing but zero: every sample is taken for class 0."""
    content = dict(np.load(copy / "weights.npz"))
    content["weights_1"][:] = 0
    np.savez(copy / "weights.npz", **content)
    assert main(["eval", str(copy), "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert [row[0] for row in record["confusion"]] == [sum(row) for row in record["confusion"]]
    assert record["test_accuracy"] == 10.0


def test_eval_writes_nothing(copy):
    before = {path.name: path.read_bytes() for path in copy.iterdir()}
    assert main(["eval", str(copy)]) == 0
    assert {path.name: path.read_bytes() for path in copy.iterdir()} == before


def test_evaluate_takes_overrides(finished):
    assert api.evaluate(finished, ["dataset.test=20"])["samples"] == 20


# --- not a run ----------------------------------------------------------------------------------------------------


def test_no_directory(tmp_path, capsys):
    assert error_of(tmp_path / "none", capsys) == (
        f"error: {tmp_path}/none is not a run directory:"
        " it needs config.yaml and weights.npz, as `neuro-emu run` writes them\n"
    )


@pytest.mark.parametrize("missing", ["config.yaml", "weights.npz"])
def test_an_incomplete_directory(missing, copy, capsys):
    (copy / missing).unlink()
    assert "is not a run directory" in error_of(copy, capsys)


def test_a_file(finished, capsys):
    assert "is not a run directory" in error_of(finished / "config.yaml", capsys)


def test_a_float_run(copy, capsys):
    assert main(["run", str(copy / "config.yaml"), "--out", str(copy), "--datapath", "float"]) == 0
    capsys.readouterr()
    assert "is not a run directory" in error_of(copy, capsys)


def test_a_damaged_configuration(copy, capsys):
    (copy / "config.yaml").write_text("name: [")
    assert f"{copy}/config.yaml:1:8: the text ends inside a list" in error_of(copy, capsys)


# --- damaged weights ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [b"", b"PK", b"not an archive", bytes(1000)], ids=["empty", "PK", "text", "zeros"])
def test_weights_that_are_no_archive(content, copy, capsys):
    (copy / "weights.npz").write_bytes(content)
    assert error_of(copy, capsys).startswith(f"error: {copy}/weights.npz: not a weights archive (")


def test_truncated_weights(copy, capsys):
    content = (copy / "weights.npz").read_bytes()
    for size in (1, len(content) // 2, len(content) - 1):
        (copy / "weights.npz").write_bytes(content[:size])
        assert "not a weights archive" in error_of(copy, capsys)


def test_weights_from_np_save(copy, capsys):
    buffer = io.BytesIO()
    np.save(buffer, np.zeros((65, 12), np.int8))
    (copy / "weights.npz").write_bytes(buffer.getvalue())
    assert "weights.npz: " in error_of(copy, capsys)


@pytest.mark.parametrize("flip", [0xFF, 0x01])
def test_one_damaged_byte(flip, finished):
    """Refused, or without consequence (a time stamp, say); never another exception and never other weights."""
    experiment = load(finished / "config.yaml")
    content = (finished / "weights.npz").read_bytes()
    right = initial_state(experiment.chip)
    unpack_weights(content, experiment.chip.network, right, "weights")
    wrong = []
    for at in range(0, len(content), 3):
        damaged = bytearray(content)
        damaged[at] ^= flip
        state = initial_state(experiment.chip)
        try:
            unpack_weights(bytes(damaged), experiment.chip.network, state, "weights")
        except RunError:
            continue
        except Exception as error:
            wrong.append(f"byte {at}: {type(error).__name__}: {error}")
            continue
        if any(not np.array_equal(a, b) for a, b in zip(state.weights, right.weights, strict=True)):
            wrong.append(f"byte {at}: other weights")
    assert wrong == []


def replaced(copy, **arrays):
    content = dict(np.load(copy / "weights.npz")) | arrays
    np.savez(copy / "weights.npz", **{name: array for name, array in content.items() if array is not None})
    return copy


def test_weights_of_another_shape(copy, capsys):
    text = error_of(replaced(copy, weights_1=np.zeros((14, 10), np.int16)), capsys)
    assert text == (
        f"error: {copy}/weights.npz: layer 1 holds (14, 10) s10f8, the configuration wants (13, 10) s10f8\n"
    )


def test_weights_of_another_format(copy, capsys):
    text = error_of(replaced(copy, weights_0_format=np.array("s8f6")), capsys)
    assert text.endswith("layer 0 holds (65, 12) s8f6, the configuration wants (65, 12) s8f7\n")


def test_missing_weights(copy, capsys):
    text = error_of(replaced(copy, weights_1=None), capsys)
    assert text.endswith("layer 1 holds nothing, the configuration wants (13, 10) s10f8\n")


@pytest.mark.parametrize("code", [512, -513])
def test_codes_outside_the_format(code, copy, capsys):
    weights = np.zeros((13, 10), np.int16)
    weights[3, 4] = code
    assert error_of(replaced(copy, weights_1=weights), capsys).endswith("weights_1 has codes outside s10f8\n")
    weights[3, 4] = code - np.sign(code)
    assert main(["eval", str(replaced(copy, weights_1=weights))]) == 0


@pytest.mark.parametrize("dtype", ["float64", "complex128", "U4"])
def test_weights_that_are_not_integers(dtype, copy, capsys):
    """Rounding them to integers silently would test another network."""
    weights = np.zeros((13, 10)).astype(dtype)
    assert "weights_1" in error_of(replaced(copy, weights_1=weights), capsys)


def test_weights_with_other_settings_edited_in(copy, capsys):
    text = (copy / "config.yaml").read_text().replace("units: 12", "units: 14")
    (copy / "config.yaml").write_text(text)
    assert "layer 0 holds (65, 12) s8f7, the configuration wants (65, 14) s8f7" in error_of(copy, capsys)


# --- other data ---------------------------------------------------------------------------------------------------


def test_data_by_name(finished, capsys):
    assert main(["eval", str(finished), "--data", "synthetic", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["test_accuracy"] == metrics_of(finished)["test_accuracy"]


@pytest.mark.parametrize("name", ['odd"name', "odd\\name", "odd: name", "odd, {name}"])
def test_a_directory_with_an_odd_name_is_taken_as_it_is(name, finished, monkeypatch):
    seen = []

    def evaluate(directory, overrides):
        seen.append(load(directory / "config.yaml", overrides).config.dataset.path)
        raise RunError("seen")

    monkeypatch.setattr(api, "evaluate", evaluate)
    assert main(["eval", str(finished), "--data", name]) == 2
    assert seen == [name]


def test_a_data_directory_that_does_not_exist(finished, capsys):
    """The run used generated data, which no directory holds; the answer must not be its own test set's."""
    assert main(["eval", str(finished), "--data", "/nowhere/at/all"]) == 2
    assert capsys.readouterr().out == ""
