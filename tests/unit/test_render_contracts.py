"""fleet.json and accounting.json, read by the programs that they are written for."""

import json
from typing import Any
from zoneinfo import ZoneInfo

from configurator.records import ACCOUNT_LIMITS, QOS_LIMITS, Account, Qos, Records, User, desired
from job_accounting.cost import BILLING_MINUTES_PER_DOLLAR
from node_manager.fleet import (
    Budget,
    Capacity,
    DockerSettings,
    Fleet,
    Gpus,
    Limits,
    Pool,
    Spot,
    Volume,
    Window,
)
from node_manager.fleet_file import parse_fleet

from config.render.accounting import accounting_json
from config.render.fleet import fleet_json
from config.render.site import cluster_labels
from config.settings import load_cluster
from config.settings.budgets import billing_minutes
from tests.unit.settings_samples import pool, settings
from tests.unit.snapshots.rendered import OLD_SITE, SITE, load_settings


def test_the_node_manager_reads_exactly_the_fleet_that_settings_describe() -> None:
    assert parse_fleet(json.loads(fleet_json(load_settings(), SITE))) == Fleet(
        cluster="physics",
        provider="docker",
        resume_timeout_seconds=120,
        suspend_timeout_seconds=30,
        pools=(
            Pool(
                name="cpu",
                min_nodes=2,
                max_nodes=40,
                cpus=16,
                memory_mb=64000,
                gpus=None,
                warm_nodes=1,
                schedule=(Window(days=frozenset({0, 2}), start=540, end=660, nodes=20),),
                prices={Capacity.ON_DEMAND: 1.25, Capacity.SPOT: 0.35},
                spot=Spot(
                    on_demand_nodes=4,
                    fallback_after_failures=3,
                    fallback_after_seconds=60,
                    allocation_strategy="price-capacity-optimized",
                    signal="USR1",
                    metadata_endpoint="http://169.254.169.254",
                ),
            ),
            Pool(
                name="gpu-large",
                min_nodes=0,
                max_nodes=1,
                cpus=8,
                memory_mb=120000,
                gpus=Gpus(type="a100", count=2, device_files=("/dev/nvidia0", "/dev/nvidia3")),
                prices={Capacity.ON_DEMAND: 0.0, Capacity.SPOT: 0.0},
            ),
        ),
        limits=Limits(max_instances=30, max_cost_per_hour=25.0, memory_mb=256_000, brake_after=5),
        time_zone=ZoneInfo("Europe/Berlin"),
        node_metrics=True,
        docker=DockerSettings(
            image="hpc-stack/slurmd:0123456789ab",
            network="hpc-physics_cluster",
            controller="slurmctld:6817",
            volumes=(
                Volume(source="hpc-physics_home", target="/home", read_only=False),
                Volume(source="hpc-physics_users", target="/var/lib/extrausers", read_only=True),
            ),
            cgroup="v2",
            labels=cluster_labels("physics", {"team": "lattice", "cost-centre": "4711"}),
        ),
    )


def test_the_node_manager_learns_a_budget_at_which_nodes_go_and_no_other() -> None:
    def budget(**keys: Any) -> Budget | None:
        price = {"p": pool(price_per_hour=2.0)}
        cluster = load_cluster(settings(pools=price, budget={"dollars": 100.0, **keys}))
        return parse_fleet(json.loads(fleet_json(cluster, SITE))).budget

    assert budget() is None
    released = budget(at_limit="release_nodes", period="quarter")
    assert released == Budget(dollars=100.0, period="quarter")


def test_a_dollar_is_the_same_in_slurms_limits_and_in_what_users_are_told() -> None:
    assert billing_minutes(1.0) == BILLING_MINUTES_PER_DOLLAR


def test_without_a_fallback_the_node_manager_is_given_no_time_for_one() -> None:
    spot = {"capacity": "spot", "spot": {"fallback": "none"}}
    cluster = load_cluster(settings(pools={"p": pool(price_per_hour=2.0, **spot)}))
    (read,) = parse_fleet(json.loads(fleet_json(cluster, SITE))).pools
    assert read.spot is not None
    assert read.spot.fallback_after_failures is None
    assert read.spot.fallback_after_seconds is None
    assert read.prices == {Capacity.ON_DEMAND: 2.0, Capacity.SPOT: 2.0}


def test_a_limit_of_memory_in_the_settings_counts_more_than_the_machine() -> None:
    cluster = load_cluster(settings(limits={"memory_mb": 4000}))
    assert parse_fleet(json.loads(fleet_json(cluster, SITE))).limits.memory_mb == 4000


def test_the_node_manager_learns_the_hosts_control_groups() -> None:
    fleet = parse_fleet(json.loads(fleet_json(load_settings(), OLD_SITE)))
    assert fleet.docker is not None
    assert fleet.docker.cgroup == "v1"


def test_the_configurator_reads_exactly_the_records_that_settings_describe() -> None:
    records = desired(json.loads(accounting_json(load_settings())))
    open_account = dict.fromkeys(ACCOUNT_LIMITS) | {
        "GrpTRES": {},
        "GrpTRESMins": {},
        "MaxTRESPerJob": {},
    }
    assert records.accounts == {
        "research": Account(
            parent="root",
            description="Research groups",
            fairshare=3,
            qos=frozenset({"normal", "short"}),
            default_qos="normal",
            limits=open_account,
        ),
        "lattice": Account(
            parent="research",
            description="Lattice QCD for $2 a node hour",
            fairshare=1,
            qos=frozenset({"normal", "short"}),
            default_qos="normal",
            limits={
                "GrpTRES": {"cpu": 256, "mem": 1024**2, "gres/gpu": 2},
                "GrpTRESMins": {"cpu": 600000, "billing": 180_300_000},
                "MaxTRESPerJob": {"node": 16},
                "GrpJobs": 100,
                "GrpSubmitJobs": 1000,
                "MaxJobs": 20,
                "MaxSubmitJobs": 200,
                "MaxWall": 91,
            },
        ),
        "lattice-students": Account(
            parent="lattice",
            description="lattice-students",
            fairshare=1,
            qos=frozenset({"short"}),
            default_qos="short",
            limits={**open_account, "MaxJobs": 1},
        ),
        "teaching": Account(
            parent="root",
            description="teaching",
            fairshare=1,
            qos=frozenset({"normal"}),
            default_qos="normal",
            limits=open_account,
        ),
    }
    assert records.users == {
        "ada": User(default_account="research", admin=True, accounts={"research": True}),
        "ben": User(
            default_account="lattice-students", admin=False, accounts={"lattice-students": True}
        ),
        "zoe": User(
            default_account="lattice", admin=False, accounts={"lattice": True, "teaching": True}
        ),
    }
    assert records.qos["short"] == Qos(
        description="Short jobs go first",
        priority=100,
        usage_factor=0.5,
        limits={
            "GrpTRES": {"cpu": 64},
            "GrpTRESMins": {"cpu": 10000, "gres/gpu:a100": 600},
            "GrpJobs": 50,
            "MaxJobsPerUser": 5,
            "MaxSubmitJobsPerUser": None,
            "MaxTRESPerUser": {"cpu": 32},
            "MaxTRESPerJob": {"cpu": 16, "mem": 32 * 1024},
            "MaxWall": 15,
        },
    )


def test_the_configurator_reads_the_budget_of_the_whole_cluster() -> None:
    records = desired(json.loads(accounting_json(load_settings())))
    assert records.root_billing_minutes == 2000 * 600_000
    records = desired(json.loads(accounting_json(load_cluster(settings()))))
    assert records.root_billing_minutes is None


def test_the_normal_qos_is_always_there() -> None:
    records: Records = desired(json.loads(accounting_json(load_cluster(settings()))))
    assert records.qos.keys() == {"normal"}
    assert records.qos["normal"].limits.keys() == QOS_LIMITS.keys()
    assert not any(records.qos["normal"].limits.values())


def test_both_readers_know_every_limit_that_is_written() -> None:
    document = json.loads(accounting_json(load_settings()))
    for account in document["accounts"].values():
        assert account["limits"].keys() == ACCOUNT_LIMITS.keys()
    for qos in document["qos"].values():
        assert qos["limits"].keys() == QOS_LIMITS.keys()
