"""Properties of the renderers, for any settings: what changes a byte, and what does not."""

import json
import re
from typing import Any

import yaml
from configurator.records import desired
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from node_manager.fleet_file import parse_fleet

from config.settings import ClusterSettings, load_cluster
from tests.unit.settings_samples import GPU
from tests.unit.snapshots.rendered import rendered
from tests.unit.test_settings_properties import valid_settings

# Writing YAML is the slow part: a few examples, of which each renders everything.
quick = settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])


def texts(data: dict[str, Any]) -> dict[str, str]:
    return rendered(load_cluster(data))


def turned(value: Any) -> Any:
    """The same mapping with its keys the other way round, at every level."""
    if isinstance(value, dict):
        return {key: turned(value[key]) for key in reversed(value)}
    return value


def node_counts(conf: str) -> dict[str, int]:
    """Number of nodes by NodeSet."""
    counts = {}
    for name, nodes in re.findall(r"^NodeSet=(\S+) Nodes=(\S+)$", conf, re.MULTILINE):
        span = re.fullmatch(rf"{name}-\[1-(\d+)\]", nodes)
        counts[name] = int(span[1]) if span else 1
        assert span or nodes == f"{name}-1"
        assert f"\nNodeName={nodes} " in conf
    return counts


def _read(text: str) -> dict[str, Any]:
    return dict(yaml.load(text, Loader=yaml.CSafeLoader))


def changed_services(before: str, after: str) -> set[str]:
    """Services that Compose would recreate."""
    old, new = _read(before)["services"], _read(after)["services"]
    assert old.keys() == new.keys()
    return {name for name in new if old[name] != new[name]}


@quick
@given(valid_settings())
def test_the_same_settings_give_the_same_bytes(data: dict[str, Any]) -> None:
    assert texts(data) == texts(data)


@quick
@given(valid_settings())
def test_the_order_of_keys_changes_no_byte(data: dict[str, Any]) -> None:
    data = {**data, "tags": {"b": "1", "a": "2"}, "ports": {"ssh": 1, "rest": 2}}
    assert texts(turned(data)) == texts(data)


@quick
@given(valid_settings())
def test_settings_that_went_through_json_give_the_same_bytes(data: dict[str, Any]) -> None:
    # As which Pulumi hands them over.
    loaded = load_cluster(data)
    again = ClusterSettings.model_validate_json(loaded.model_dump_json())
    assert rendered(again) == rendered(loaded)


@quick
@given(valid_settings())
def test_slurm_has_as_many_nodes_as_the_pools_may_have(data: dict[str, Any]) -> None:
    counts = {name: pool["max_nodes"] for name, pool in data["pools"].items()}
    found = texts(data)
    assert node_counts(found["slurm.conf"]) == counts
    fleet = parse_fleet(json.loads(found["fleet.json"]))
    assert {pool.name: len(pool.node_names()) for pool in fleet.pools} == counts


@quick
@given(valid_settings(), st.data())
def test_another_number_of_nodes_changes_only_the_lines_that_name_the_pool(
    data: dict[str, Any], draws: st.DataObject
) -> None:
    name = draws.draw(st.sampled_from(sorted(data["pools"])))
    for pool in data["pools"].values():
        pool.pop("gpus", None)
    data["pools"][name]["gpus"] = GPU
    before = texts(data)
    data["pools"][name]["max_nodes"] += draws.draw(st.integers(1, 50))
    after = texts(data)
    for file in ("slurm.conf", "gres.conf"):
        lines = set(before[file].splitlines()) ^ set(after[file].splitlines())
        assert lines
        assert all(re.search(rf"[=,]{name}-[\[0-9]", line) for line in lines)
    changed = {file for file in after if before[file] != after[file]}
    # An alert says when a pool is at its most.
    files = {"slurm.conf", "gres.conf", "fleet.json", "compose.yaml"}
    assert files <= changed <= files | {"alerts.yml"}
    services = {"configurator", "node-manager"}
    assert (
        services
        <= changed_services(before["compose.yaml"], after["compose.yaml"])
        <= services | {"prometheus"}
    )


@quick
@given(valid_settings(), st.data())
def test_another_limit_of_an_account_changes_accounting_json_alone(
    data: dict[str, Any], draws: st.DataObject
) -> None:
    name = draws.draw(st.sampled_from(sorted(data["accounts"])))
    before = texts(data)
    limits = {**data["accounts"][name].get("limits", {}), "max_submit_jobs": 7}
    data["accounts"][name]["limits"] = limits
    after = texts(data)
    changed = {file for file in after if before[file] != after[file]}
    assert changed == {"accounting.json", "compose.yaml"}
    assert changed_services(before["compose.yaml"], after["compose.yaml"]) == {"configurator"}


@quick
@given(valid_settings())
def test_the_configurator_reads_every_limit_as_it_was_set(data: dict[str, Any]) -> None:
    loaded = load_cluster(data)
    records = desired(json.loads(rendered(loaded)["accounting.json"]))
    for name, account in loaded.accounts.items():
        limits = records.accounts[name].limits
        assert limits["GrpTRES"] == (account.limits.grp_tres or {})
        assert limits["MaxJobs"] == account.limits.max_jobs
    for name, qos in loaded.qos.items():
        assert records.qos[name].limits["MaxTRESPerJob"] == (qos.max_tres_per_job or {})
        assert records.qos[name].limits["MaxWall"] == (5 if qos.max_wall else None)
