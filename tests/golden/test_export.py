"""The directory of golden vectors: complete, verified, refused when changed."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny_chips import tiny

from neuro_emu.api.rtl import export_golden
from neuro_emu.errors import ConfigError, RunError
from neuro_emu.golden.build import Build
from neuro_emu.golden.export import check_buildable, read_vectors
from neuro_emu.golden.files import read_samples, read_state
from neuro_emu.golden.packing import hex_lines, pack_rows, unpack_rows, words_of_lines


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("golden") / "vectors"
    experiment = tiny("dfa")
    return experiment, folder, export_golden(experiment, folder, samples=3, adversarial=False)


def test_the_manifest_names_every_file_and_what_it_holds(exported):
    experiment, folder, sets = exported
    manifest = json.loads((folder / "manifest.json").read_text())
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert set(manifest["files"]) == there - {"manifest.json"}
    for name in manifest["files"]:
        if name.endswith(".mem"):
            assert re.sub(r"_\d+", "_B", Path(name).name) in manifest["layout"]
    assert manifest["config_digest"] == experiment.digest
    assert manifest["semantics_version"] == "1"
    assert manifest["sets"][0]["samples"] == 3
    assert manifest["sets"][0]["cycles"] == sum(sets[0].golden.cycles)
    assert manifest["sets"][0]["sites"] == sets[0].sites
    assert set(manifest["trace"]) == {str(n) for n in range(7)}


def test_what_was_written_is_read_back(exported):
    experiment, folder, sets = exported
    vectors = read_vectors(folder)
    assert vectors.experiment.digest == experiment.digest
    assert vectors.build == Build.of(experiment.chip)
    state = read_state(experiment.chip, vectors.build, folder / "natural", 0)
    written = sets[0].state
    for mine, theirs in zip(state.weights + state.feedback, written.weights + written.feedback, strict=True):
        assert np.array_equal(mine, theirs)
    samples = read_samples(folder / "natural", experiment.chip.network.inputs)
    assert np.array_equal(samples.codes, sets[0].samples.codes)
    assert samples.labels.tolist() == sets[0].samples.labels.tolist()
    assert samples.learn.all()


def test_rows_hold_lane_0_in_the_lowest_bits():
    assert pack_rows(np.array([[1, -1, 2]]), 4) == [0x2F1]
    assert hex_lines([0x2F1, 0], 12) == "2f1\n000\n"
    assert unpack_rows([0x2F1], 4, 3).tolist() == [[1, -1, 2]]
    assert words_of_lines("// made\n@0\n2f1\n\n000 // x\n") == [0x2F1, 0]


def test_the_same_vectors_have_the_same_bytes(exported, tmp_path):
    experiment, folder, _ = exported
    export_golden(experiment, tmp_path / "again", samples=3, adversarial=False)
    assert (tmp_path / "again" / "manifest.json").read_bytes() == (folder / "manifest.json").read_bytes()


def test_a_changed_file_is_refused(exported, tmp_path):
    folder = tmp_path / "vectors"
    export_golden(exported[0], folder, samples=1, adversarial=False)
    read_vectors(folder)
    path = folder / "natural" / "records.mem"
    content = path.read_text()
    path.write_text(content.replace("0", "1", 1))
    with pytest.raises(RunError, match=r"records\.mem has changed"):
        read_vectors(folder)
    path.unlink()
    with pytest.raises(RunError, match="is missing"):
        read_vectors(folder)
    path.write_text(content)
    (folder / "nemu_dut.sv").write_text("module nemu_dut; endmodule\n")
    with pytest.raises(RunError, match="--rtl"):
        read_vectors(folder)
    assert read_vectors(folder, own_rtl=True)


@pytest.mark.parametrize(("key", "value"), [("format_version", 99), ("semantics_version", "0")])
def test_other_versions_are_refused(exported, tmp_path, key, value):
    folder = tmp_path / "vectors"
    export_golden(exported[0], folder, samples=1, adversarial=False)
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**manifest, key: value}))
    with pytest.raises(RunError, match=key.replace("_", " ")):
        read_vectors(folder)


def test_a_directory_of_something_else_is_left_alone(exported, tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(RunError, match="holds no golden vectors"):
        export_golden(exported[0], tmp_path, samples=1, adversarial=False)
    with pytest.raises(RunError, match="golden vectors"):
        read_vectors(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_an_older_directory_of_vectors_is_replaced(exported, tmp_path):
    for count in (2, 1):
        export_golden(exported[0], tmp_path / "v", samples=count, adversarial=False)
    assert json.loads((tmp_path / "v" / "manifest.json").read_text())["sets"][0]["samples"] == 1
    assert [path.name for path in tmp_path.iterdir()] == ["v"]


def test_a_chip_that_the_rtl_cannot_be_is_refused():
    experiment = tiny()
    layers = experiment.chip.network.layers
    deep = replace(experiment.chip, network=replace(experiment.chip.network, layers=(layers[0],) * 14 + layers[1:]))
    check_buildable(experiment)
    with pytest.raises(ConfigError, match="15 layers"):
        check_buildable(replace(experiment, chip=deep))
