"""The section `rules`: settings of the chosen rule take the place of others, and `--set` takes theirs."""

import pytest
from tiny_experiment import BASE, refusal

from neuro_emu.config.experiment import load, load_text

SECTION = """\
rules:
  drtp: {training.lr_shift.hidden: 9, machine.lanes: 8}
  dfa: {training.epochs: 7}
"""


@pytest.fixture
def path(tmp_path):
    (tmp_path / "base.yaml").write_text(BASE + SECTION)
    return tmp_path / "base.yaml"


def test_only_the_chosen_rule_counts(path):
    dfa, drtp = load(path), load(path, ["training.rule=drtp"])
    assert (dfa.config.training.epochs, dfa.config.machine.lanes) == (7, 16)
    assert (drtp.config.training.epochs, drtp.config.machine.lanes) == (2, 8)
    assert drtp.chip.learning.lr_shift[0] == ((0, 9),)
    assert load(path, ["training.rule=bp"]).config == load_text(BASE.replace("rule: dfa", "rule: bp")).config


def test_set_wins(path):
    chosen = load(path, ["training.rule=drtp", "machine.lanes=4"])
    assert chosen.config.machine.lanes == 4
    assert chosen.chip.learning.lr_shift[0] == ((0, 9),)


def test_the_section_is_no_setting(path):
    assert load(path).digest == load_text(BASE.replace("epochs: 2", "epochs: 7")).digest


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ("rules: [drtp]", "expected rules with their settings"),
        ("rules: {drpt: {training.epochs: 5}}", "unknown rule 'drpt'"),
        ("rules: {dfa: 5}", "expected settings"),
        ("rules: {dfa: {training.epoch: 5}}", "unknown key 'epoch'"),
        ("rules: {dfa: {training.epochs: many}}", "expected an integer"),
    ],
)
def test_what_is_wrong_is_shown_where_it_stands(section, message):
    text = refusal({"machine: {lanes: 16}\n": f"machine: {{lanes: 16}}\n{section}\n"})
    assert message in text
    assert text.startswith("c.yaml:10:")
    assert section in text


@pytest.mark.parametrize(
    ("rule", "setting", "words"),
    [
        (
            "kp",
            "feedback_decay={shift: 9}",
            ["training.feedback_decay: no effect with kp; its twins follow the weights"],
        ),
        ("fa", "feedback_lr_shift=5", ["training.feedback_lr_shift: no effect with fa; it learns no feedback"]),
        ("dkp", "feedback_decay={shift: 9}", []),
        ("dkp", "mirror.every=7", ["training.mirror: no effect with dkp, which has no mirror mode"]),
        ("weight_mirror", "mirror.every=7", []),
        ("bp", "options.block=3", ["training.options.block: bp has no such option; it has no effect"]),
    ],
)
def test_settings_without_effect_are_warned_about(rule, setting, words, tmp_path):
    (tmp_path / "base.yaml").write_text(BASE)
    found = load(tmp_path / "base.yaml", [f"training.rule={rule}", f"training.{setting}"]).warnings
    assert list(found) == words
