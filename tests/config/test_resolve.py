"""Semantic checks: what each refusal says and where it points; warnings; the digest."""

from __future__ import annotations

import json
from itertools import chain
from pathlib import Path
from textwrap import dedent

import jsonschema
import pytest
import yaml

from neuro_emu.cli import main
from neuro_emu.config.dump import dump, to_plain
from neuro_emu.config.experiment import load, load_text
from neuro_emu.errors import ConfigError

BASE = """\
name: tiny
dataset: {name: synthetic, train: 200, test: 50}
network:
  layers:
    - dense: {units: 20, activation: tanh, weight: s8f7, output: s8f7, delta: s8f7}
    - dense: {units: 10, activation: sigmoid, weight: s10f8, output: u8f8}
training: {rule: dfa, epochs: 2, lr_shift: {hidden: 6, output: [[0, 6], [1, 7]]}}
numerics: {strict: false}
machine: {lanes: 16}
"""


def edited(edits):
    text = BASE
    for old, new in edits.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


def refusal(edits):
    with pytest.raises(ConfigError) as caught:
        load_text(edited(edits), "c.yaml")
    return str(caught.value) + "\n"


REFUSED = [
    (
        {"rule: dfa": "rule: dfaa"},
        """\
        c.yaml:7:18: unknown rule 'dfaa'
            7 | training: {rule: dfaa, epochs: 2, lr_shift: {hidden: 6, output: [[0, 6], [1, 7]]}}
              |                  ^^^^
              = help: did you mean 'dfa'? known rules: dfa, drtp, sdfa, shallow
        """,
    ),
    (
        {"rule: dfa": "rule: backprop"},
        """\
        c.yaml:7:18: unknown rule 'backprop'
            7 | training: {rule: backprop, epochs: 2, lr_shift: {hidden: 6, output: [[0, 6], [1, 7]]}}
              |                  ^^^^^^^^
              = help: known rules: dfa, drtp, sdfa, shallow
        """,
    ),
    (
        {"activation: sigmoid": "activation: tanh"},
        """\
        c.yaml:6:38: the output layer is tanh
            6 |     - dense: {units: 10, activation: tanh, weight: s10f8, output: u8f8}
              |                                      ^^^^
              = help: write sigmoid: the error e = y* − y_K is that of a sigmoid with binary cross-entropy
        """,
    ),
    (
        {"units: 10": "units: 11"},
        """\
        c.yaml:6:22: the output layer has 11 neurons, synthetic has 10 classes
            6 |     - dense: {units: 11, activation: sigmoid, weight: s10f8, output: u8f8}
              |                      ^^
              = help: write units: 10
        """,
    ),
    (
        {"weight: s10f8": "weight: u10f8"},
        """\
        c.yaml:6:55: weight needs a signed format, got u10f8
            6 |     - dense: {units: 10, activation: sigmoid, weight: u10f8, output: u8f8}
              |                                                       ^^^^^
              = help: write s10f8
        """,
    ),
    (
        {"delta: s8f7": "delta: u8f7"},
        """\
        c.yaml:5:79: delta needs a signed format, got u8f7
            5 |     - dense: {units: 20, activation: tanh, weight: s8f7, output: s8f7, delta: u8f7}
              |                                                                               ^^^^
              = help: write s8f7
        """,
    ),
    (
        {"delta: s8f7": "projection: u9f7"},
        """\
        c.yaml:5:84: projection needs a signed format, got u9f7
            5 |     - dense: {units: 20, activation: tanh, weight: s8f7, output: s8f7, projection: u9f7}
              |                                                                                    ^^^^
              = help: write s9f7
        """,
    ),
    (
        {"delta: s8f7": "feedback: u4f3"},
        """\
        c.yaml:5:82: feedback needs a signed format, got u4f3
            5 |     - dense: {units: 20, activation: tanh, weight: s8f7, output: s8f7, feedback: u4f3}
              |                                                                                  ^^^^
              = help: write s4f3
        """,
    ),
    (
        {"rule: dfa, epochs: 2": "rule: shallow, error_gate: 3"},
        """\
        c.yaml:7:39: shallow has no hidden learning to gate
            7 | training: {rule: shallow, error_gate: 3, lr_shift: {hidden: 6, output: [[0, 6], [1, 7]]}}
              |                                       ^
              = help: write null
        """,
    ),
    (
        {"epochs: 2": "error_gate: 255"},
        """\
        c.yaml:7:35: the gate never opens: e is at most 255
            7 | training: {rule: dfa, error_gate: 255, lr_shift: {hidden: 6, output: [[0, 6], [1, 7]]}}
              |                                   ^^^
              = help: choose a code below 255
        """,
    ),
    (
        {"epochs: 2": "sign_dead_zone: 1"},
        """\
        c.yaml:7:39: dfa does not use the sign of the error
            7 | training: {rule: dfa, sign_dead_zone: 1, lr_shift: {hidden: 6, output: [[0, 6], [1, 7]]}}
              |                                       ^
              = help: leave it out
        """,
    ),
    (
        {"[[0, 6], [1, 7]]": "[[1, 6], [2, 7]]"},
        """\
        c.yaml:7:64: a schedule starts with epoch 0 and its epochs ascend
            7 | training: {rule: dfa, epochs: 2, lr_shift: {hidden: 6, output: [[1, 6], [2, 7]]}}
              |                                                                ^^^^^^^^^^^^^^^^
              = help: e.g. [[0, 9], [4, 10]]
        """,
    ),
    (
        {"[[0, 6], [1, 7]]": "[[0, 6], [3, 7], [2, 8]]"},
        """\
        c.yaml:7:64: a schedule starts with epoch 0 and its epochs ascend
            7 | training: {rule: dfa, epochs: 2, lr_shift: {hidden: 6, output: [[0, 6], [3, 7], [2, 8]]}}
              |                                                                ^^^^^^^^^^^^^^^^^^^^^^^^
              = help: e.g. [[0, 9], [4, 10]]
        """,
    ),
    (
        {"[[0, 6], [1, 7]]": "[]"},
        """\
        c.yaml:7:64: a schedule starts with epoch 0 and its epochs ascend
            7 | training: {rule: dfa, epochs: 2, lr_shift: {hidden: 6, output: []}}
              |                                                                ^^
              = help: e.g. [[0, 9], [4, 10]]
        """,
    ),
    (
        {"delta: s8f7": "lr_shift: [[0, 7], [0, 8]]"},
        """\
        c.yaml:5:82: a schedule starts with epoch 0 and its epochs ascend
            5 |     - dense: {units: 20, activation: tanh, weight: s8f7, output: s8f7, lr_shift: [[0, 7], [0, 8]]}
              |                                                                                  ^^^^^^^^^^^^^^^^
              = help: e.g. [[0, 9], [4, 10]]
        """,
    ),
    (
        {"hidden: 6": "hidden: 24"},
        """\
        c.yaml:7:53: lr_shift 24 (epoch 0) gives layer 0 an update shift of 32, not 0 … 31
            7 | training: {rule: dfa, epochs: 2, lr_shift: {hidden: 24, output: [[0, 6], [1, 7]]}}
              |                                                     ^^
              = help: update shift = delta frac 7 + input frac 8 − weight frac 7 + lr_shift
        """,
    ),
    (
        {"hidden: 6": "hidden: -9"},
        """\
        c.yaml:7:53: lr_shift -9 (epoch 0) gives layer 0 an update shift of -1, not 0 … 31
            7 | training: {rule: dfa, epochs: 2, lr_shift: {hidden: -9, output: [[0, 6], [1, 7]]}}
              |                                                     ^^
              = help: update shift = delta frac 7 + input frac 8 − weight frac 7 + lr_shift
        """,
    ),
    (
        {"[[0, 6], [1, 7]]": "[[0, 24], [1, 25]]"},
        """\
        c.yaml:7:64: lr_shift 25 (epoch 1) gives layer 1 an update shift of 32, not 0 … 31
            7 | training: {rule: dfa, epochs: 2, lr_shift: {hidden: 6, output: [[0, 24], [1, 25]]}}
              |                                                                ^^^^^^^^^^^^^^^^^^
              = help: update shift = delta frac 8 + input frac 7 − weight frac 8 + lr_shift
        """,
    ),
    (
        {"output: u8f8": "output: u8f8, lr_shift: [[0, 1], [3, -8]]"},
        """\
        c.yaml:6:86: lr_shift -8 (epoch 3) gives layer 1 an update shift of -1, not 0 … 31
            6 |     - dense: {units: 10, activation: sigmoid, weight: s10f8, output: u8f8, lr_shift: [[0, 1], [3, -8]]}
              |                                                                                      ^^^^^^^^^^^^^^^^^
              = help: update shift = delta frac 8 + input frac 7 − weight frac 8 + lr_shift
        """,
    ),
    (
        {"delta: s8f7": "delta: s8f7, lr_shift: 24"},
        """\
        c.yaml:5:95: lr_shift 24 (epoch 0) gives layer 0 an update shift of 32, not 0 … 31
            5 |     - dense: {units: 20, activation: tanh, weight: s8f7, output: s8f7, delta: s8f7, lr_shift: 24}
              |                                                                                               ^^
              = help: update shift = delta frac 7 + input frac 8 − weight frac 7 + lr_shift
        """,
    ),
    (
        {"lanes: 16": "weight_banks: 12"},
        """\
        c.yaml:9:25: 12 is not a power of two
            9 | machine: {weight_banks: 12}
              |                         ^^
              = help: write 8 or 16
        """,
    ),
    (
        {"train: 200": "input: s8f7"},
        """\
        c.yaml:2:35: image bytes do not fit s8f7
            2 | dataset: {name: synthetic, input: s8f7, test: 50}
              |                                   ^^^^
              = help: use u8f8, or fewer bits: u4f4, u1f1
        """,
    ),
    (
        {"train: 200": "input: u9f8"},
        """\
        c.yaml:2:35: image bytes do not fit u9f8
            2 | dataset: {name: synthetic, input: u9f8, test: 50}
              |                                   ^^^^
              = help: use u8f8, or fewer bits: u4f4, u1f1
        """,
    ),
    (
        {"weight: s10f8": "weight: s32f31, lr_shift: 16", "output: s8f7": "output: s32f31"},
        # 2^31 · (20 · 2^31 + 2^31 − 1) + 2^58 lies between 2^66 and 2^67; one more bit is the sign.
        """\
        c.yaml:6:14: the accumulator of this layer can need 68 bits; at most 64 are exact
            6 |     - dense: {units: 10, activation: sigmoid, weight: s32f31, lr_shift: 16, output: u8f8}
              |              ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
              = help: use narrower formats, a smaller batch or formats whose fractional bits are closer together
        """,
    ),
    (
        {"output: s8f7": "output: s32f7", "output: u8f8": "output: u8f8, delta: s32f8", "epochs: 2": "batch: 3"},
        # 3 · 2^31 · 2^31 + 2^31 + 2^9
        """\
        c.yaml:6:14: the weight update of this layer can need 65 bits; at most 64 are exact
            6 |     - dense: {units: 10, activation: sigmoid, weight: s10f8, output: u8f8, delta: s32f8}
              |              ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
              = help: use narrower formats, a smaller batch or formats whose fractional bits are closer together
        """,
    ),
    (
        {"delta: s8f7": "feedback: s32f0, projection: s32f31"},
        # 10 · 2^31 · 2^8, left by 31 − 8
        """\
    c.yaml:5:14: the projection of this layer can need 67 bits; at most 64 are exact
        5 |     - dense: {units: 20, activation: tanh, weight: s8f7, output: s8f7, feedback: s32f0, projection: s32f31}
          |              ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
          = help: use narrower formats, a smaller batch or formats whose fractional bits are closer together
    """,
    ),
]


@pytest.mark.parametrize(("edits", "text"), REFUSED, ids=lambda case: str(case)[:60] if isinstance(case, dict) else "")
def test_refusals_in_full(edits, text):
    assert refusal(edits) == dedent(text)


def test_the_base_is_accepted():
    experiment = load_text(BASE, "c.yaml")
    assert str(experiment.chip.network) == "64-20-10"
    assert experiment.chip.learning.lr_shift == (((0, 6),), ((0, 6), (1, 7)))
    assert experiment.warnings == ()


def test_no_layers():
    layers = BASE[BASE.index("  layers:") : BASE.index("training:")]
    assert refusal({layers: "  layers: []\n"}) == dedent("""\
        c.yaml:4:11: a network needs at least an output layer
            4 |   layers: []
              |           ^^
        """)


@pytest.mark.parametrize(
    ("setting", "named"),
    [("delta: u9f8", "delta needs a signed format, got u9f8"), ("feedback: {format: u8f7}", "got u8f7")],
)
def test_an_unsigned_common_format_is_shown_where_it_was_written(setting, named):
    message = refusal({"strict: false": setting})
    assert named in message
    assert message.startswith("c.yaml:8:"), message


@pytest.mark.parametrize(
    ("edits", "shift"),
    [
        ({"hidden: 6": "hidden: 23"}, 31),
        ({"hidden: 6": "hidden: -8"}, 0),
        ({"delta: s8f7": "delta: s8f7, lr_shift: 23"}, 31),
        ({"delta: s8f7": "delta: s8f7, lr_shift: -8"}, 0),
    ],
)
def test_update_shifts_of_0_and_31_are_allowed(edits, shift):
    chip = load_text(edited(edits)).chip
    assert chip.update_shift(chip.network.layers[0], 0) == shift


def test_a_layer_overrides_the_common_rate():
    chip = load_text(edited({"delta: s8f7": "delta: s8f7, lr_shift: [[0, 3], [5, 4]]"})).chip
    assert [chip.learning.shift_at(0, epoch) for epoch in (0, 4, 5, 9)] == [3, 3, 4, 4]
    assert [chip.learning.shift_at(1, epoch) for epoch in (0, 1, 2)] == [6, 7, 7]


@pytest.mark.parametrize("banks", [1, 2, 4, 8, 16, 32, 64])
def test_powers_of_two_are_banks(banks):
    assert load_text(edited({"lanes: 16": f"weight_banks: {banks}"})).chip.design.weight_banks == banks


@pytest.mark.parametrize(("banks", "near"), [(3, "2 or 4"), (5, "4 or 8"), (63, "32 or 64"), (48, "32 or 64")])
def test_other_numbers_are_not(banks, near):
    message = refusal({"lanes: 16": f"weight_banks: {banks}"})
    assert f"{banks} is not a power of two" in message
    assert f"write {near}\n" in message


@pytest.mark.parametrize("code", [0, 254])
def test_gates_that_open(code):
    assert load_text(edited({"epochs: 2": f"error_gate: {code}"})).chip.learning.error_gate == code


def test_a_gate_is_measured_in_codes_of_the_output():
    # u8f4: the hot target is 1.0, the code 16.
    message = refusal({"output: u8f8": "output: u8f4", "epochs: 2": "error_gate: 16"})
    assert "the gate never opens: e is at most 16" in message
    load_text(edited({"output: u8f8": "output: u8f4", "epochs: 2": "error_gate: 15"}))


@pytest.mark.parametrize("rule", ["dfa", "drtp", "shallow"])
def test_only_sdfa_takes_a_dead_zone(rule):
    assert f"{rule} does not use the sign" in refusal({"rule: dfa, epochs: 2": f"rule: {rule}, sign_dead_zone: 5"})
    load_text(edited({"rule: dfa, epochs: 2": f"rule: {rule}, sign_dead_zone: 0"}))


def test_sdfa_takes_a_dead_zone():
    chip = load_text(edited({"rule: dfa, epochs: 2": "rule: sdfa, sign_dead_zone: 5"})).chip
    assert chip.learning.sign_dead_zone == 5


@pytest.mark.parametrize(("frac", "accepted"), [(3, True), (4, False)])
def test_the_widest_accumulator(frac, accepted):
    """One hidden neuron in s32f31: 2^31 · (2^31 + 2^31 − 1) + 2^(frac + 27) passes 2^63 − 1 from frac = 4 on."""
    edits = {
        "units: 20": "units: 1",
        "output: s8f7": "output: s32f31",
        "weight: s10f8": f"weight: s32f{frac}, lr_shift: -20",
    }
    if accepted:
        load_text(edited(edits))
    else:
        assert "the accumulator of this layer can need 65 bits" in refusal(edits)


@pytest.mark.parametrize(("batch", "accepted"), [(1, True), (2, False)])
def test_the_widest_update(batch, accepted):
    edits = {
        "output: s8f7": "output: s32f7",
        "output: u8f8": "output: u8f8, delta: s32f8",
        "epochs: 2": f"batch: {batch}",
    }
    if accepted:
        load_text(edited(edits))
    else:
        assert "the weight update of this layer can need 65 bits" in refusal(edits)


def test_a_projected_sign_is_bounded_by_itself():
    """sdfa projects t = ±1 with frac 0, so the left shift to s32f31 is 31 whatever the format of δ_K is."""
    edits = {
        "rule: dfa": "rule: sdfa",
        "delta: s8f7": "feedback: s32f0, projection: s32f31",
        "output: u8f8": "output: u8f8, delta: s2f31, lr_shift: 0",
        "hidden: 6": "hidden: 0",
    }
    # 10 · 2^31 · 2^31 needs 67 bits with its sign.
    assert "the projection of this layer can need 67 bits" in refusal(edits)


@pytest.mark.parametrize(("mode", "why"), [("TRN", "drifts negative"), ("TRN_ZERO", "loses every step")])
def test_truncating_updates_are_warned_of(mode, why):
    (warning,) = load_text(edited({"strict: false": f"update_rounding: {mode}"})).warnings
    assert warning.startswith(f"numerics.update_rounding: {mode} {why}")


def test_wrapping_weights_are_warned_of():
    (warning,) = load_text(edited({"strict: false": "overflow: WRAP"})).warnings
    assert warning.startswith("numerics.overflow: WRAP")


def test_two_warnings():
    experiment = load_text(edited({"strict: false": "overflow: WRAP, update_rounding: TRN"}))
    assert [text.split(":")[0] for text in experiment.warnings] == ["numerics.update_rounding", "numerics.overflow"]


@pytest.mark.parametrize(
    "setting", ["update_rounding: RND", "update_rounding: RND_CONV", "accumulator: {overflow: WRAP}"]
)
def test_what_is_not_warned_of(setting):
    assert load_text(edited({"strict: false": setting})).warnings == ()


# --- digest -------------------------------------------------------------------------------------------------------

LAYER = {
    "activation": "relu",
    "weight": "s9f7",
    "output": "u9f8",
    "table_frac": "5",
    "delta": "s9f7",
    "projection": "s10f7",
    "feedback": "s7f6",
    "lr_shift": "5",
}
CHANGES = {
    "name": "other",
    "dataset.name": "mnist",
    "dataset.input": "u4f4",
    "dataset.train": "201",
    "dataset.test": "51",
    **{f"network.layers.0.dense.{key}": value for key, value in LAYER.items()},
    "network.layers.0.dense.units": "21",
    **{f"network.layers.1.dense.{key}": value for key, value in LAYER.items() if key != "activation"},
    "network.initial_weights": "random",
    "network.initial_layers": "all",
    "training.rule": "sdfa",
    "training.lr_shift.hidden": "7",
    "training.lr_shift.output": "[[0, 6], [1, 8]]",
    "training.epochs": "3",
    "training.batch": "2",
    "training.seed": "2",
    "training.order": "as_stored",
    "training.validation": "1",
    "training.error_gate": "0",
    "numerics.feedback.source": "sign",
    "numerics.feedback.format": "s8f6",
    "numerics.feedback.range": "kaiming",
    "numerics.delta": "s8f8",
    "numerics.update_rounding": "RND",
    "numerics.overflow": "WRAP",
    "numerics.accumulator.bits": "31",
    "numerics.accumulator.overflow": "WRAP",
    "numerics.random_words": "raw",
    "numerics.strict": "true",
    "machine.lanes": "8",
    "machine.clock_mhz": "99.5",
    "machine.weight_banks": "4",
    "machine.activation_units": "2",
    "machine.zero_input": "gate",
}
UNCHANGEABLE = {
    "dataset.path",  # does not count
    "network.layers.1.dense.units",  # must be the number of classes
    "network.layers.1.dense.activation",  # must be sigmoid
    "training.sign_dead_zone",  # only beside sdfa; tested below
}


def leaves(plain, path=""):
    if isinstance(plain, dict):
        return chain.from_iterable(leaves(value, f"{path}.{key}") for key, value in plain.items())
    if isinstance(plain, list) and any(isinstance(item, dict) for item in plain):
        return chain.from_iterable(leaves(value, f"{path}.{n}") for n, value in enumerate(plain))
    return [path.removeprefix(".")]


@pytest.fixture(scope="module")
def base_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("config") / "base.yaml"
    path.write_text(BASE)
    return path


def test_the_table_of_changes_is_complete():
    assert set(leaves(to_plain(load_text(BASE).config))) == CHANGES.keys() | UNCHANGEABLE


@pytest.mark.parametrize("key", CHANGES)
def test_every_setting_changes_the_digest(base_file, key):
    changed = load(base_file, [f"{key}={CHANGES[key]}"])
    assert changed.digest != load(base_file).digest


def test_the_changes_have_digests_of_their_own(base_file):
    digests = {load(base_file, [f"{key}={value}"]).digest for key, value in CHANGES.items()}
    assert len(digests) == len(CHANGES)


def test_the_dead_zone_changes_the_digest(base_file):
    digests = {load(base_file, ["training.rule=sdfa", f"training.sign_dead_zone={n}"]).digest for n in range(3)}
    assert len(digests) == 3


def test_the_data_path_does_not(base_file):
    plain = load(base_file)
    moved = load(base_file, ["dataset.path=/somewhere/else"])
    assert moved.digest == plain.digest
    assert moved.config.dataset.path == "/somewhere/else"


def test_order_layout_and_written_defaults_do_not():
    digest = load_text(BASE).digest
    sections = BASE.split("\n")
    reordered = "\n".join([*sections[6:9], *sections[0:6]]) + "\n"
    assert reordered.startswith("training")
    assert load_text(reordered).digest == digest
    inner = edited({"{rule: dfa, epochs: 2, lr_shift:": "{epochs: 2, rule: dfa, lr_shift:"})
    assert load_text(inner).digest == digest
    layer = edited({"{units: 20, activation: tanh,": "{activation: tanh, units: 20, # first\n             "})
    assert load_text(layer).digest == digest
    assert load_text(dump(load_text(BASE).config)).digest == digest


def test_the_name_of_the_file_does_not(base_file):
    assert load_text(BASE, "other.yaml").digest == load(base_file).digest


def test_with_seed(base_file):
    experiment = load(base_file, ["training.epochs=3", "training.seed=9"])
    seeded = experiment.with_seed(5)
    assert seeded.config.training.seed == seeded.chip.learning.seed == 5
    assert seeded.command == (str(base_file), "--set", "training.epochs=3", "--set", "training.seed=5")
    again = load(Path(seeded.command[0]), [word for word in seeded.command[1:] if word != "--set"])
    assert again.digest == seeded.digest != experiment.digest
    assert again.chip == seeded.chip


# --- the files in configs/ ----------------------------------------------------------------------------------------

SHIPPED = sorted((Path(__file__).parents[2] / "configs").glob("*.yaml"))


def test_there_are_configs():
    assert len(SHIPPED) >= 5


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_configs_load(path):
    experiment = load(path)
    assert experiment.config.name == path.stem
    assert experiment.warnings == ()
    assert load_text(dump(experiment.config)).digest == experiment.digest


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_the_schema_verb_accepts_shipped_configs(path, capsys):
    assert main(["schema"]) == 0
    schema = json.loads(capsys.readouterr().out)
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert list(validator.iter_errors(content)) == []
    assert list(validator.iter_errors(to_plain(load(path).config))) == []


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("training", "epoch", 3),
        ("training", "epochs", 0),
        ("training", "order", "sorted"),
        ("dataset", "input", "f8"),
        ("machine", "lanes", "16"),
        ("numerics", "update_rounding", "NEAREST"),
    ],
)
def test_the_schema_refuses_what_the_loader_refuses(section, key, value, tmp_path, capsys):
    main(["schema"])
    validator = jsonschema.Draft202012Validator(json.loads(capsys.readouterr().out))
    content = yaml.safe_load(BASE)
    assert list(validator.iter_errors(content)) == []
    content[section][key] = value
    assert len(list(validator.iter_errors(content))) == 1
    path = tmp_path / "c.yaml"
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(ConfigError):
        load(path)
