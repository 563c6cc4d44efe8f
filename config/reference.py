"""The page of all settings and the JSON schema for editors, made from the models.

`python -m config.reference` writes both, `python -m config.reference --check` says whether they are
current. What a setting means is written in the models' docstrings only.
"""

import argparse
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from config.settings.vocabulary import (
    Schema,
    allowed,
    cluster_schema,
    entry_schema,
    resolved,
)

ROOT = Path(__file__).resolve().parent.parent
PAGE = Path("docs/configuration.md")
SCHEMA = Path("docs/settings.schema.json")
CONFIG_KEY = "hpc-stack:cluster"

INTRODUCTION = """\
# Configuration

<!-- Made by `python -m config.reference` from the docstrings in config/settings. Do not edit. -->

Everything about a cluster is one object, `hpc-stack:cluster`, in the stack's file
`Pulumi.<stack>.yaml`. The smallest:

```yaml
# yaml-language-server: $schema=docs/settings.schema.json
config:
  hpc-stack:cluster:
    pools:
      cpu: {cpus: 2, memory_mb: 1500, max_nodes: 4}
    accounts:
      research: {}
    users:
      ada: {uid: 2001, accounts: [research]}
```

`Pulumi.local.yaml` is a larger one, with comments. The first line of the example tells an editor
with the YAML language server (VS Code's YAML extension, Neovim, Helix, Emacs, JetBrains) where the
schema is: it then completes keys, shows what they mean, and marks mistakes while you type. The path
is relative to the file.

Settings are checked before anything is created. All mistakes are reported at once, each with its
path, what you wrote, what is allowed, and what to do. An unknown key is a mistake, too.

A single setting can be changed from the command line:
`pulumi config set --path 'hpc-stack:cluster.pools.cpu.max_nodes' 16`.

Times are written as Slurm writes them: `30` (minutes), `1:30:00`, `2-12:00:00` (days first). Put
them in quotes. TRES are resources as Slurm counts them: `"cpu=4,mem=16G,gres/gpu=1"`, or the same
as a mapping `{cpu: 4, mem: 16G, gres/gpu: 1}`.
"""

EXAMPLES = {
    "pools": """\
pools:
  cpu:
    cpus: 16
    memory_mb: 60000
    max_nodes: 20
    default: true
  gpu:
    cpus: 8
    memory_mb: 30000
    gpus: {type: a100, count: 1}
    max_nodes: 4
    idle_seconds: 600
    time_limit: "12:00:00"
""",
    "aws": """\
platform: aws
aws:
  region: eu-central-1
  zones: [eu-central-1a, eu-central-1b]
  network: {nat: gateway, ssh_from: [10.0.0.0/8]}
  controller: {instance_type: t4g.medium, data_gb: 50}
pools:
  cpu:
    instance_types: [c7i.4xlarge, c7a.4xlarge]
    capacity: spot
    max_nodes: 40
""",
    "pools.<pool>.schedule": """\
time_zone: Europe/Berlin
pools:
  class:
    cpus: 4
    memory_mb: 8000
    max_nodes: 20
    schedule:
      - {days: [tue, thu], start: "09:00", end: "11:00", nodes: 12}
""",
    "pools.<pool>.spot": """\
pools:
  cheap:
    cpus: 16
    memory_mb: 60000
    max_nodes: 50
    price_per_hour: 0.71
    capacity: spot
    spot: {on_demand_nodes: 2, fallback_after_seconds: 120, price_per_hour: 0.28}
""",
    "limits": """\
limits:
  max_nodes: 40
  max_cost_per_hour: 25
""",
    "accounts": """\
accounts:
  research:
    fairshare: 3
    qos: [normal, short]
  class:
    parent: research
    limits:
      max_jobs: 2
      grp_tres: {cpu: 16}
      grp_tres_mins: "cpu=60000"
""",
    "qos": """\
qos:
  short:
    priority: 100
    max_wall: "15"
    max_jobs_per_user: 4
""",
    "users": """\
users:
  ada:
    uid: 2001
    accounts: [research]
    admin: true
    ssh_keys:
      - ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f ada@laptop
""",
    "slurm": """\
slurm:
  scheduler: {interval_seconds: 60, window_minutes: 10080}
  priority: {fairshare: 20000, max_age: "14-00:00:00"}
  extra:
    - KillWait=60
""",
    "tags": """\
tags:
  course: physics-101
  owner: ada@example.org
""",
}


def page() -> str:
    """The text of docs/configuration.md."""
    root = resolved(cluster_schema())
    parts = [INTRODUCTION, "## The cluster\n\n" + _table("cluster", root)]
    for name, setting in root["properties"].items():
        parts += _sections(f"cluster.{name}", resolved(setting))
    return "\n".join(parts)


def editor_schema() -> str:
    """The text of docs/settings.schema.json: a schema for a whole Pulumi.<stack>.yaml."""
    cluster = dict(cluster_schema())
    definitions = dict(cluster.pop("$defs"))
    cluster["description"] = "All settings of one cluster."
    # The stack's name stands in for the cluster's.
    cluster["required"] = [name for name in cluster["required"] if name != "name"]
    definitions["Pool"] = _with_shape_or_types(definitions["Pool"])
    document = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A stack of hpc-stack",
        "type": "object",
        "properties": {
            "config": {
                "type": "object",
                "properties": {CONFIG_KEY: _for_editors(cluster)},
                "required": [CONFIG_KEY],
            }
        },
        "$defs": {name: _for_editors(schema) for name, schema in sorted(definitions.items())},
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


SHAPE = ("cpus", "memory_mb")
"""What of a pool may come from its instance types."""


def _with_shape_or_types(pool: Schema) -> Schema:
    others = [name for name in pool["required"] if name not in SHAPE]
    either = [{"required": list(SHAPE)}, {"required": ["instance_types"]}]
    return {**pool, "required": others, "anyOf": either}


def files() -> dict[Path, str]:
    """Both files' texts by their path below the repository's root."""
    return {PAGE: page(), SCHEMA: editor_schema()}


def _sections(path: str, schema: Schema) -> Iterator[str]:
    """A section for a group of settings, and those for the groups inside it."""
    entry = entry_schema(schema)
    item = schema.get("items")
    group = resolved(entry or item or schema)
    if not group.get("properties"):
        return
    key = path.rpartition(".")[2]
    example = EXAMPLES.get(path.removeprefix("cluster."))
    if entry:
        path += f".<{'name' if key in ('qos', 'accounts', 'users') else 'pool'}>"
    elif item:
        path += "[]"
    text = f"## `{path}`\n\n{(group if entry or item else schema)['description']}\n\n"
    if entry:
        text += f"The name: {allowed(resolved(schema.get('propertyNames', {})))}.\n\n"
    text += _table(path, group)
    if example:
        text += f"\n```yaml\n{example}```\n"
    yield text
    for name, setting in group["properties"].items():
        yield from _sections(f"{path}.{name}", resolved(setting))


def _table(path: str, group: Schema) -> str:
    lines = ["| setting | type | default | allowed | meaning |", "| --- | --- | --- | --- | --- |"]
    for name, setting in group["properties"].items():
        schema = resolved(setting)
        required = name in group.get("required", ())
        cells = (
            f"`{name}`",
            _type(schema),
            _default(f"{path}.{name}", schema, required=required),
            _allowed(schema),
            " ".join(schema["description"].split()),
        )
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def _type(schema: Schema) -> str:
    if "properties" in schema:
        return "group"
    kind = schema.get("type")
    if isinstance(kind, list):
        return "time" if "integer" in kind else "TRES"
    names = {"integer": "number", "boolean": "switch", "string": "text", "array": "list"}
    return names.get(str(kind), "mapping" if kind == "object" else str(kind))


def _default(path: str, schema: Schema, *, required: bool) -> str:
    if path == "cluster.name":
        return "the stack's name"
    if required and path.rpartition(".")[2] in SHAPE:
        return "required, or from `instance_types`"
    if required:
        return "required"
    default = schema.get("default")
    if "properties" in schema:
        return "as below" if default is not None else "not set"
    return "not set" if default is None else f"`{json.dumps(default)}`"


def _allowed(schema: Schema) -> str:
    entry = entry_schema(schema)
    if "properties" in schema or "properties" in resolved(schema.get("items", {})):
        return "see below"
    if schema.get("type") == "object" and entry and "properties" in resolved(entry):
        least = schema.get("minProperties")
        return f"{least} or more, see below" if least else "see below"
    words = allowed(schema)
    if _type(schema) == "TRES":
        return "resources, see above"
    if _type(schema) == "time":
        return "a time, see above" + (", or UNLIMITED" if "UNLIMITED" in words else "")
    # A name's pattern and the like would break out of the table's cell otherwise.
    return re.sub(r"<([^>]*)>", r"`<\1>`", words)


def _for_editors(schema: Any) -> Any:
    """The schema without pydantic's titles, and with our `allowed` as part of the description."""
    if isinstance(schema, list):
        return [_for_editors(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    made: dict[str, Any] = {}
    for key, value in schema.items():
        if key in ("properties", "$defs"):
            made[key] = {name: _for_editors(inner) for name, inner in value.items()}
        elif key == "patternProperties":
            # As written, a name that breaks the pattern would be let through.
            ((pattern, inner),) = value.items()
            made["additionalProperties"] = _for_editors(inner)
            made["propertyNames"] = {"pattern": pattern} | _for_editors(schema["propertyNames"])
        elif key == "default":
            # Groups' defaults are those of their settings.
            if not isinstance(value, dict) and value is not None:
                made[key] = value
        elif key not in ("title", "allowed", "propertyNames"):
            made[key] = _for_editors(value)
    if "allowed" in schema:
        words = f"Allowed: {schema['allowed']}."
        made["description"] = "\n\n".join(filter(None, (schema.get("description"), words)))
    return made


def main() -> int:
    """Writes the files, or with --check only compares; 1 when one is not current."""
    parser = argparse.ArgumentParser(prog="python -m config.reference", description=__doc__)
    parser.add_argument("--check", action="store_true", help="only say whether they are current")
    check = parser.parse_args().check
    stale = [
        path
        for path, text in files().items()
        if not (ROOT / path).is_file() or (ROOT / path).read_text(encoding="utf-8") != text
    ]
    if check:
        for path in stale:
            print(f"{path} is not current: run `python -m config.reference`", file=sys.stderr)
        return 1 if stale else 0
    for path in stale:
        (ROOT / path).parent.mkdir(exist_ok=True)
        (ROOT / path).write_text(files()[path], encoding="utf-8")
        print(f"wrote {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
