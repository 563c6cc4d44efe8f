"""slurm.conf, gres.conf and cgroup.conf, read back as Slurm would read them."""

from collections import Counter
from typing import Any

import pytest

from config.render.cgroup_conf import cgroup_conf
from config.render.gres_conf import gres_conf
from config.render.slurm_conf import slurm_conf
from config.render.slurmdbd_conf import slurmdbd_conf
from config.settings import OWNED_KEYS, ClusterSettings, load_cluster
from tests.host_agent.test_bundle import SITE as AWS_SITE
from tests.security.graph import environment_settings
from tests.unit.settings_samples import GPU, pool, settings
from tests.unit.snapshots.rendered import OLD_SITE, SITE, load_settings

Line = dict[str, str]
REPEATED = {"NodeName", "NodeSet", "PartitionName"}

TWO_POOLS = {"cpu": pool(max_nodes=40, min_nodes=2), "gpu": pool(max_nodes=1, gpus=GPU)}


def parse(text: str) -> list[Line]:
    """Each line as keys and values, in order; comments and blank lines left out."""
    lines = (line for line in text.splitlines() if line and not line.startswith("#"))
    return [dict(word.split("=", 1) for word in line.split(" ")) for line in lines]


def top_level(text: str) -> Line:
    """The keys that stand once for the whole cluster."""
    pairs = [pair for line in parse(text) for pair in list(line.items())[:1]]
    single = [(key, value) for key, value in pairs if key not in REPEATED]
    counts = Counter(key.lower() for key, _ in single)
    assert {key for key, count in counts.items() if count > 1} == set()
    return dict(single)


def named(text: str, key: str) -> dict[str, Line]:
    """The lines that begin with a key, by that key's value."""
    lines = [line for line in parse(text) if next(iter(line)) == key]
    assert len({line[key] for line in lines}) == len(lines)
    return {line[key]: line for line in lines}


def cluster(**changes: Any) -> ClusterSettings:
    return load_cluster(settings(**changes))


@pytest.mark.parametrize("site", [SITE, OLD_SITE], ids=["v2", "v1"])
def test_every_key_that_we_write_is_refused_in_extra_lines(site: Any) -> None:
    slurm = load_settings().slurm.model_copy(update={"extra": ()})
    text = slurm_conf(load_settings().model_copy(update={"slurm": slurm}), site)
    ours = {key.lower() for line in parse(text) for key in list(line)[:1]}
    # Slurm runs every Epilog that it finds, so that a user may add one.
    assert ours - OWNED_KEYS.keys() == {"epilog"}


def test_extra_lines_come_last_and_as_they_were_written() -> None:
    text = slurm_conf(cluster(slurm={"extra": ["KillWait=60", 'Licenses="a:2,b:1"']}), SITE)
    assert text.endswith('\nKillWait=60\nLicenses="a:2,b:1"\n')
    assert top_level(text)["KillWait"] == "60"


def test_each_pool_has_nodes_a_node_set_and_a_partition() -> None:
    text = slurm_conf(cluster(pools=TWO_POOLS), SITE)
    assert named(text, "NodeSet") == {
        "cpu": {"NodeSet": "cpu", "Nodes": "cpu-[1-40]"},
        "gpu": {"NodeSet": "gpu", "Nodes": "gpu-1"},
    }
    partitions = named(text, "PartitionName")
    assert {name: line["Nodes"] for name, line in partitions.items()} == {
        "cpu": "cpu",
        "gpu": "gpu",
    }
    nodes = named(text, "NodeName")
    assert nodes.keys() == {"cpu-[1-40]", "gpu-1"}
    assert all(line["State"] == "CLOUD" for line in nodes.values())


@pytest.mark.parametrize(
    ("pools", "default"),
    [
        ({"b": pool(), "a": pool()}, "a"),
        ({"a": pool(), "b": pool(default=True)}, "b"),
        ({"only": pool()}, "only"),
    ],
)
def test_exactly_one_partition_is_the_default(pools: dict[str, Any], default: str) -> None:
    partitions = named(slurm_conf(cluster(pools=pools), SITE), "PartitionName")
    assert [name for name, line in partitions.items() if line["Default"] == "YES"] == [default]
    assert {line["Default"] for line in partitions.values()} <= {"YES", "NO"}


def test_a_partition_carries_the_pools_times_memory_and_rank() -> None:
    shape = pool(cpus=4, memory_mb=1000, time_limit="2:00:00", idle_seconds=77, priority=9)
    line = named(slurm_conf(cluster(pools={"p": shape}), SITE), "PartitionName")["p"]
    expected = {"MaxTime": "2:00:00", "DefaultTime": "2:00:00", "DefMemPerCPU": "250"}
    expected |= {"SuspendTime": "77", "PriorityJobFactor": "9", "State": "UP"}
    assert line.items() >= expected.items()


def test_memory_for_all_pools_wins_over_what_each_divides() -> None:
    text = slurm_conf(cluster(slurm={"default_memory_per_cpu_mb": 123}), SITE)
    assert named(text, "PartitionName")["cpu"]["DefMemPerCPU"] == "123"


def test_features_of_a_node_are_its_own_and_the_pools_name() -> None:
    text = slurm_conf(cluster(pools={"p": pool(features=["z", "p", "a"])}), SITE)
    assert named(text, "NodeName")["p-[1-8]"]["Feature"] == "a,on_demand,p,z"


@pytest.mark.parametrize(
    ("on_demand_nodes", "expected"),
    [
        (0, {"p-[1-8]": "p,spot"}),
        (1, {"p-1": "on_demand,p", "p-[2-8]": "p,spot"}),
        (7, {"p-[1-7]": "on_demand,p", "p-8": "p,spot"}),
        (8, {"p-[1-8]": "on_demand,p"}),
    ],
)
def test_jobs_can_tell_spot_nodes_from_others(
    on_demand_nodes: int, expected: dict[str, str]
) -> None:
    spot = pool(capacity="spot", spot={"on_demand_nodes": on_demand_nodes})
    text = slurm_conf(cluster(pools={"p": spot}), SITE)
    features = {name: line["Feature"] for name, line in named(text, "NodeName").items()}
    assert features == expected
    assert named(text, "NodeSet")["p"]["Nodes"] == "p-[1-8]"


def test_which_nodes_stay_is_left_to_the_node_manager() -> None:
    text = slurm_conf(cluster(pools={"a": pool(min_nodes=2, warm_nodes=1)}), SITE)
    assert "SuspendExcNodes" not in top_level(text)


def test_nodes_come_and_go_by_programs_that_the_images_have() -> None:
    conf = top_level(slurm_conf(cluster(), SITE))
    programs = {conf[key] for key in ("ResumeProgram", "SuspendProgram", "ResumeFailProgram")}
    assert programs == {"/usr/libexec/hpc-stack/wake-fleet"}
    assert conf["PrologSlurmctld"] == "/usr/libexec/hpc-stack/wait-for-nodes"


def test_there_is_an_epilog_so_that_nodes_report_the_end_of_a_job() -> None:
    assert top_level(slurm_conf(cluster(), SITE))["Epilog"]


def test_only_nodes_with_gpus_that_are_observed_note_which_job_has_which() -> None:
    script = "/usr/libexec/hpc-stack/note-gpu-job"
    plain, noting = environment_settings("dev"), environment_settings("prod")
    unseen = environment_settings("prod", monitoring={"enabled": False})
    for written, notes in ((plain, False), (noting, True), (unseen, False)):
        lines = slurm_conf(written, AWS_SITE).splitlines()
        prologs = [line for line in lines if line.startswith("Prolog=")]
        assert prologs[0] == "Prolog=/usr/libexec/hpc-stack/name-nodes"
        assert prologs[1:] == ([f"Prolog={script}"] if notes else [])
        # One is enough for the end to be reported.
        assert [line for line in lines if line.startswith("Epilog=")] == [
            f"Epilog={script if notes else '/usr/bin/true'}"
        ]
    here = slurm_conf(cluster(pools=TWO_POOLS), SITE)
    assert script not in here
    assert "Prolog=" not in here.replace("PrologSlurmctld=", "")


def test_limits_are_enforced() -> None:
    conf = top_level(slurm_conf(cluster(), SITE))
    assert {"associations", "limits", "qos"} <= set(conf["AccountingStorageEnforce"].split(","))


def test_without_prices_slurm_bills_cpus_as_ever() -> None:
    text = slurm_conf(cluster(), SITE)
    assert "PriorityFlags" not in top_level(text)
    assert "TRESBillingWeights" not in text


def test_with_a_price_slurm_bills_money_and_pools_without_one_are_free() -> None:
    pools = {"a": pool(price_per_hour=0.4), "b": pool()}
    text = slurm_conf(cluster(pools=pools), SITE)
    assert top_level(text)["PriorityFlags"] == "MAX_TRES"
    partitions = named(text, "PartitionName")
    assert {name: line["TRESBillingWeights"] for name, line in partitions.items()} == {
        "a": "CPU=2000,Mem=2730.666667G",
        "b": "CPU=0",
    }


def test_past_use_fades_as_long_as_there_is_no_budget() -> None:
    conf = top_level(slurm_conf(cluster(), SITE))
    assert conf["PriorityDecayHalfLife"] == "7-00:00:00"
    assert "PriorityUsageResetPeriod" not in conf
    slow = cluster(slurm={"priority": {"half_life": "14-0"}})
    assert top_level(slurm_conf(slow, SITE))["PriorityDecayHalfLife"] == "14-0"


@pytest.mark.parametrize(
    ("period", "reset"),
    [("month", "MONTHLY"), ("quarter", "QUARTERLY"), ("year", "YEARLY"), ("forever", "NONE")],
)
@pytest.mark.parametrize(
    "budget",
    [{"budget": {"dollars": 100}}, {"accounts": {"research": {"budget_dollars": 100}}}],
    ids=["cluster", "account"],
)
def test_what_is_spent_counts_in_full_until_the_period_ends(
    budget: dict[str, Any], period: str, reset: str
) -> None:
    budget = {**budget, "budget": {**budget.get("budget", {}), "period": period}}
    text = slurm_conf(cluster(pools={"cpu": pool(price_per_hour=1)}, **budget), SITE)
    conf = top_level(text)
    assert (conf["PriorityDecayHalfLife"], conf["PriorityUsageResetPeriod"]) == ("0", reset)


def test_sites_differ_only_in_how_jobs_are_confined() -> None:
    new, old = (top_level(slurm_conf(cluster(), site)) for site in (SITE, OLD_SITE))
    assert {key: (old[key], new[key]) for key in new if new[key] != old[key]} == {
        "ProctrackType": ("proctrack/linuxproc", "proctrack/cgroup"),
        "TaskPlugin": ("task/none", "task/cgroup,task/affinity"),
        "JobAcctGatherType": ("jobacct_gather/linux", "jobacct_gather/cgroup"),
    }
    assert new.keys() == old.keys()


def test_jobs_are_constrained_on_cgroup_v2_alone() -> None:
    new, old = (top_level(cgroup_conf(site)) for site in (SITE, OLD_SITE))
    assert new["CgroupPlugin"] == "cgroup/v2"
    constrained = {key for key, value in new.items() if key.startswith("Constrain")}
    assert constrained == {
        f"Constrain{what}" for what in ("Cores", "RAMSpace", "SwapSpace", "Devices")
    }
    assert {new[key] for key in constrained} == {"yes"}
    assert old == {"CgroupPlugin": "disabled"}


def test_gpus_of_nodes_are_those_whose_files_are_named() -> None:
    loaded = load_settings()
    nodes = named(slurm_conf(loaded, SITE), "NodeName")
    counted = {name: line["Gres"] for name, line in nodes.items() if "Gres" in line}
    files: dict[str, list[Line]] = {}
    for line in parse(gres_conf(loaded)):
        files.setdefault(line["NodeName"], []).append(line)
    assert counted == {
        name: f"{lines[0]['Name']}:{lines[0]['Type']}:{len(lines)}" for name, lines in files.items()
    }
    assert [line["File"] for line in files["gpu-large-1"]] == ["/dev/nvidia0", "/dev/nvidia3"]


def test_each_node_on_one_machine_has_gpus_of_its_own() -> None:
    named = {**GPU, "device_files": ["/dev/nvidia0", "/dev/nvidia5"]}
    pools = {"gpu": pool(max_nodes=2, gpus=GPU), "test": pool(max_nodes=1, gpus=named)}
    lines = [(line["NodeName"], line["File"]) for line in parse(gres_conf(cluster(pools=pools)))]
    assert lines == [
        ("gpu-1", "/dev/nvidia1"),
        ("gpu-1", "/dev/nvidia2"),
        ("gpu-2", "/dev/nvidia3"),
        ("gpu-2", "/dev/nvidia4"),
        ("test-1", "/dev/nvidia0"),
        ("test-1", "/dev/nvidia5"),
    ]


def test_gpus_are_accounted_by_type() -> None:
    h100 = {"type": "h100", "count": 1, "device_files": ["/dev/nvidia0"]}
    pools = {"b": pool(gpus=GPU), "a": pool(max_nodes=1, gpus=h100), "c": pool()}
    conf = top_level(slurm_conf(cluster(pools=pools), SITE))
    assert conf["GresTypes"] == "gpu"
    assert conf["AccountingStorageTRES"] == "gres/gpu,gres/gpu:a100,gres/gpu:h100"


def test_without_gpus_nothing_speaks_of_them() -> None:
    assert parse(gres_conf(cluster())) == []
    assert {"GresTypes", "AccountingStorageTRES"} & top_level(
        slurm_conf(cluster(), SITE)
    ).keys() == set()


def test_metrics_are_on_unless_they_are_switched_off() -> None:
    off = cluster(monitoring={"enabled": False})
    assert top_level(slurm_conf(cluster(), SITE))["MetricsType"] == "metrics/openmetrics"
    assert "MetricsType" not in top_level(slurm_conf(off, SITE))


@pytest.mark.parametrize("months", [None, 0])
def test_records_are_kept_for_ever_unless_settings_say_how_long(months: int | None) -> None:
    kept = cluster(database={"purge_jobs_after_months": months})
    assert not any(key.startswith("Purge") for key in top_level(slurmdbd_conf(kept)))
    purged = top_level(slurmdbd_conf(cluster(database={"purge_jobs_after_months": 6})))
    assert (purged["PurgeJobAfter"], purged["PurgeStepAfter"]) == ("6months", "6months")


def test_slurmdbd_conf_has_no_password() -> None:
    # Its container adds it from a secret.
    assert not any("pass" in key.lower() for key in top_level(slurmdbd_conf(cluster())))
