"""The files in configs/, and the schema verb on them."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import yaml
from tiny_experiment import BASE

from neuro_emu.cli import main
from neuro_emu.config.dump import dump, to_plain
from neuro_emu.config.experiment import load, load_text
from neuro_emu.errors import ConfigError

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
        ("dataset", "normalise", {"mean": [256]}),
        ("dataset", "normalise", {}),
        ("dataset", "augment", {"crop": -1}),
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


def test_the_shipped_schema_is_the_present_one(capsys):
    main(["schema"])
    shipped = Path(__file__).parents[2] / "configs" / "schema.json"
    assert shipped.read_text(encoding="utf-8") == capsys.readouterr().out, "neuro-emu schema > configs/schema.json"
