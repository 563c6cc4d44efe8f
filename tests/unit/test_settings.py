"""Settings: what is accepted, and what it means."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from config.settings import (
    OWNED_KEYS,
    Pool,
    budget_warnings,
    load_cluster,
    machine_warnings,
    span_minutes,
    span_seconds,
    tres_text,
)
from tests.unit.settings_samples import GPU, PUBLIC_KEY, pool, settings, user

ROOT = Path(__file__).parents[2]


def test_settings_are_frozen() -> None:
    loaded = load_cluster(settings())
    with pytest.raises(ValidationError):
        loaded.name = "other"  # type: ignore[misc]


def test_the_embedded_default_is_valid() -> None:
    stack = yaml.safe_load((ROOT / "Pulumi.local.yaml").read_text(encoding="utf-8"))
    loaded = load_cluster({"name": "local", **stack["config"]["hpc-stack:cluster"]})
    assert loaded.default_pool == "cpu"
    assert {name: person.admin for name, person in loaded.users.items()} == {
        "ada": False,
        "ben": False,
        "carol": True,
    }


def test_the_class_in_the_docs_is_valid_on_aws_and_on_a_laptop() -> None:
    page = (ROOT / "docs/class.md").read_text(encoding="utf-8")
    stack, laptop = page.partition("```yaml\n")[2].split("```", 1)
    stack = re.sub(r"ssh-ed25519 AAAA\.\.\. \S+@\w+", PUBLIC_KEY, stack)
    written = yaml.safe_load(stack)["config"]["hpc-stack:cluster"]
    written["aws"]["amis"] = {"x86_64": "ami-01234567", "arm64": "ami-01234567"}
    loaded = load_cluster({"name": "dev", **written})
    assert loaded.monitoring.alerts.secrets == ("alert_email_password",)
    assert budget_warnings(loaded) == []

    lines = re.findall(r"`((?:cpu|ports): \{.*\})`", laptop)
    pools, ports = (yaml.safe_load(line) for line in lines)
    del written["platform"], written["aws"]
    here = load_cluster({"name": "local", **written, "pools": pools, **ports})
    assert not set(dict(here.ports).values()) & set(dict(loaded.ports).values())


def test_the_default_pool_is_the_one_that_says_so_else_the_first_by_name() -> None:
    pools = {"zoo": pool(), "big": pool(), "cpu": pool()}
    assert load_cluster(settings(pools=pools)).default_pool == "big"
    pools["zoo"] = pool(default=True)
    assert load_cluster(settings(pools=pools)).default_pool == "zoo"


def test_memory_for_a_cpu_is_set_or_the_nodes_share() -> None:
    assert load_cluster(settings()).memory_per_cpu_mb("cpu") == 750
    slurm = {"default_memory_per_cpu_mb": 100}
    assert load_cluster(settings(slurm=slurm)).memory_per_cpu_mb("cpu") == 100


def test_qos_are_inherited_down_the_tree() -> None:
    accounts = {
        "research": {"qos": ["short", "normal"], "default_qos": "short"},
        "group": {"parent": "research"},
        "narrow": {"parent": "research", "qos": ["normal"]},
        "other": {},
    }
    loaded = load_cluster(settings(accounts=accounts, qos={"short": {}}))
    assert loaded.account_qos("group") == ("short", "normal")
    assert {name: loaded.account_default_qos(name) for name in accounts} == {
        "research": "short",
        "group": "short",
        "narrow": "normal",
        "other": "normal",
    }


def test_on_one_machine_no_two_nodes_have_the_same_gpu() -> None:
    gpus = {"type": "a100", "count": 2}
    pools = {
        "a": pool(max_nodes=2, gpus=gpus),
        "b": pool(max_nodes=1, gpus={**gpus, "device_files": ["/dev/nvidia1", "/dev/x"]}),
        "d": pool(),
    }
    assert load_cluster(settings(pools=pools)).gpu_files == {
        "a": ("/dev/nvidia0", "/dev/nvidia2", "/dev/nvidia3", "/dev/nvidia4"),
        "b": ("/dev/nvidia1", "/dev/x"),
    }


def test_on_aws_each_node_has_its_gpus_under_the_same_names() -> None:
    pools = {
        "a": {"instance_types": ["g6.12xlarge"], "max_nodes": 20},
        "b": {"instance_types": ["g6.xlarge"], "max_nodes": 2},
    }
    amis = {"arm64": "ami-11111111", "gpu_x86_64": "ami-22222222"}
    aws = {"region": "eu-central-1", "zones": ["eu-central-1a"], "amis": amis}
    loaded = load_cluster(settings(platform="aws", aws=aws, pools=pools))
    assert loaded.gpu_files == {
        "a": tuple(f"/dev/nvidia{index}" for index in range(4)),
        "b": ("/dev/nvidia0",),
    }


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30", 1800),
        ("1:30", 90),
        ("1:30:00", 5400),
        ("2-12", 216_000),
        ("2-12:30", 217_800),
        ("2-12:30:15", 217_815),
        ("unlimited", None),
        ("INFINITE", None),
    ],
)
def test_time_spans_mean_what_slurm_says(text: str, seconds: int | None) -> None:
    assert span_seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "x", "1:2:3:4", "1-", "-1", "1.5", "1-2-3", "٣"])
def test_other_texts_are_no_time_spans(text: str) -> None:
    with pytest.raises(ValueError, match="not a time span"):
        span_seconds(text)


def test_minutes_are_rounded_up() -> None:
    assert [span_minutes(text) for text in ("0:59", "1:00", "1:01", "UNLIMITED")] == [1, 1, 2, None]


def test_a_time_may_be_a_bare_number_of_minutes() -> None:
    assert Pool.model_validate(pool(time_limit=30)).time_limit == "30"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("cpu=4,mem=2G", {"cpu": 4, "mem": 2048}),
        ({"mem": "1T", "cpu": 4}, {"cpu": 4, "mem": 1_048_576}),
        ("mem=1500M, node=2", {"mem": 1500, "node": 2}),
        ("mem=2048K", {"mem": 2}),
        ({"mem": 1500}, {"mem": 1500}),
        ("billing=1,energy=0", {"billing": 1, "energy": 0}),
    ],
)
def test_tres_are_read_from_text_or_mapping(written: Any, meant: dict[str, int]) -> None:
    loaded = load_cluster(settings(qos={"short": {"grp_tres": written}}))
    assert loaded.qos["short"].grp_tres == meant


def test_tres_are_written_in_a_fixed_order() -> None:
    assert tres_text({"mem": 2048, "cpu": 4, "gres/gpu": 1}) == "cpu=4,gres/gpu=1,mem=2048"


def test_limits_may_count_gpus_that_a_pool_has() -> None:
    limit = {"grp_tres": "gres/gpu=4,gres/gpu:a100=2"}
    load_cluster(settings(pools={"gpu": pool(gpus=GPU)}, qos={"short": limit}))


def test_public_keys_are_accepted() -> None:
    loaded = load_cluster(settings(users={"ada": user(ssh_keys=[PUBLIC_KEY + "\n"])}))
    assert loaded.users["ada"].ssh_keys == (PUBLIC_KEY,)


def test_other_slurm_conf_lines_are_passed_on() -> None:
    lines = ["KillWait = 60", 'LaunchParameters="a b"', "JobSubmitPlugins=lua"]
    assert load_cluster(settings(slurm={"extra": lines})).slurm.extra == tuple(lines)


def test_owned_keys_are_in_lower_case() -> None:
    assert [key for key in OWNED_KEYS if key != key.lower()] == []


def test_settings_named_as_the_replacement_of_an_owned_key_exist() -> None:
    data = load_cluster(settings(pools={"cpu": pool(gpus=GPU)})).model_dump()
    for setting in filter(None, OWNED_KEYS.values()):
        found: Any = data
        for step in setting.replace("<pool>", "cpu").split("."):
            assert step in found, setting
            found = found[step]


def test_a_pool_larger_than_the_machine_is_a_warning() -> None:
    loaded = load_cluster(settings(pools={"cpu": pool(cpus=64, memory_mb=9000)}))
    cpus, memory = machine_warnings(loaded, cpus=4, memory_mb=8000)
    assert cpus.startswith("cluster.pools.cpu.cpus: 64, but this machine has 4")
    assert memory.startswith("cluster.pools.cpu.memory_mb: 9000, but this machine has 8000 MiB")


def test_more_nodes_than_the_machine_has_cpus_for_is_a_mild_warning() -> None:
    (warning,) = machine_warnings(load_cluster(settings()), cpus=4, memory_mb=8000)
    assert "fine for trying things out" in warning
    assert machine_warnings(load_cluster(settings()), cpus=16, memory_mb=8000) == []
