"""The page of all settings and the editor's schema: current, complete, and true."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from config.reference import CONFIG_KEY, EXAMPLES, INTRODUCTION, ROOT, editor_schema, files
from config.settings import load_cluster
from config.settings.vocabulary import cluster_schema


def validator() -> jsonschema.Draft202012Validator:
    schema = json.loads(editor_schema())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def test_the_files_in_docs_are_current() -> None:
    stale = [path for path, text in files().items() if (ROOT / path).read_text("utf-8") != text]
    assert stale == [], "run `python -m config.reference`"


def test_the_same_models_give_the_same_bytes() -> None:
    assert files() == files()


def test_every_setting_has_a_docstring_and_is_on_the_page() -> None:
    page = files()[Path("docs/configuration.md")]
    for name, part in {"cluster": cluster_schema(), **cluster_schema()["$defs"]}.items():
        for key, setting in part["properties"].items():
            assert setting.get("description"), f"{name}.{key} has no docstring"
            assert f"| `{key}` |" in page
            assert " ".join(setting["description"].split()) in page


@pytest.mark.parametrize("path", sorted(ROOT.glob("Pulumi.*.yaml")), ids=lambda path: path.name)
def test_the_schema_accepts_the_stacks_of_this_repository(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert "# yaml-language-server: $schema=docs/settings.schema.json" in text
    validator().validate(yaml.safe_load(text))


@pytest.mark.parametrize(
    "change",
    [
        {"pool": {}},
        {"pools": {}},
        {"pools": {"Big": {"cpus": 1, "memory_mb": 500, "max_nodes": 1}}},
        {"pools": {"cpu": {"cpus": "1", "memory_mb": 500, "max_nodes": 1}}},
        {"users": {"ada": {"uid": 5, "accounts": ["research"]}}},
        {"slurm": {"debug": "loud"}},
    ],
)
def test_the_schema_refuses_what_the_models_refuse(change: dict[str, Any]) -> None:
    smallest = _introduction_example()
    smallest["config"][CONFIG_KEY].update(change)
    assert not validator().is_valid(smallest)


def test_the_schema_lets_other_configuration_be() -> None:
    smallest = _introduction_example()
    smallest["config"]["aws:region"] = "eu-central-1"
    smallest["encryptionsalt"] = "v1:..."
    validator().validate(smallest)


def test_the_examples_on_the_page_are_valid_settings() -> None:
    example = _introduction_example()
    load_cluster({"name": "local", **example["config"][CONFIG_KEY]})
    together: dict[str, Any] = {"name": "local"}
    for part, text in EXAMPLES.items():
        if part != "aws":
            together.update(yaml.safe_load(text))
    load_cluster(together)
    on_aws = yaml.safe_load(EXAMPLES["aws"])
    on_aws["aws"]["amis"] = {"x86_64": "ami-01234567", "arm64": "ami-01234567"}
    load_cluster({**together, "limits": {}, **on_aws})


def _introduction_example() -> dict[str, Any]:
    text = INTRODUCTION.partition("```yaml\n")[2].partition("```")[0]
    example: dict[str, Any] = yaml.safe_load(text)
    return example
