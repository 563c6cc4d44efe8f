"""Mistakes between settings: each is reported, beside those in single settings."""

import pytest
from pydantic import ValidationError

from config.settings import ClusterSettings
from tests.unit.settings_samples import (
    GPU,
    ONE_GPU,
    Case,
    assert_only_mistake,
    mistakes,
    pool,
    settings,
    user,
)

TOPIC = "arn:aws:sns:eu-central-1:123456789012:alerts"
BAD: dict[str, Case] = {
    "overlapping uids": (
        settings(users={"ada": user(), "ben": user()}),
        "cluster.users.ben.uid",
        "2001",
        "no other user has; ada has this one",
        "for instance 2000",
    ),
    "two default partitions": (
        settings(pools={"a": pool(default=True), "b": pool(default=True)}),
        "cluster.pools.b.default",
        "true",
        "one default pool; a is one already",
        "remove `default: true` from b or from a",
    ),
    "more minimum than maximum nodes": (
        settings(pools={"cpu": pool(min_nodes=9)}),
        "cluster.pools.cpu.min_nodes",
        "9",
        "at most max_nodes, which is 8",
        "lower min_nodes to 8 or raise max_nodes to 9",
    ),
    "more warm nodes than there can be": (
        settings(pools={"cpu": pool(warm_nodes=9)}),
        "cluster.pools.cpu.warm_nodes",
        "9",
        "at most max_nodes, which is 8",
        "lower warm_nodes to 8 or raise max_nodes to 9",
    ),
    "a class larger than its pool": (
        settings(
            pools={
                "cpu": pool(
                    schedule=[{"days": ["mon"], "start": "09:00", "end": "11:00", "nodes": 20}]
                )
            }
        ),
        "cluster.pools.cpu.schedule[0].nodes",
        "20",
        "at most max_nodes, which is 8",
        "lower nodes to 8 or raise max_nodes to 20",
    ),
    "settings for spot nodes where there are none": (
        settings(pools={"cpu": pool(spot={"signal": "TERM"})}),
        "cluster.pools.cpu.capacity",
        '"on_demand"',
        "spot, since the pool has settings for spot nodes",
        "write `capacity: spot`, or remove `spot`",
    ),
    "more on-demand nodes than nodes": (
        settings(pools={"cpu": pool(capacity="spot", spot={"on_demand_nodes": 9})}),
        "cluster.pools.cpu.spot.on_demand_nodes",
        "9",
        "at most max_nodes, which is 8",
        "lower on_demand_nodes to 8",
    ),
    "a feature that each node has by itself": (
        settings(pools={"cpu": pool(features=["fast", "spot"])}),
        "cluster.pools.cpu.features[1]",
        '"spot"',
        "a feature of your own",
        "remove spot",
    ),
    "a limit below what is always there": (
        settings(pools={"cpu": pool(min_nodes=5)}, limits={"max_nodes": 4}),
        "cluster.limits.max_nodes",
        "4",
        "at least 5: so many nodes of pool cpu are always there",
        "raise it to 5 or lower cluster.pools.cpu.min_nodes",
    ),
    "less memory for all nodes than one has": (
        settings(limits={"memory_mb": 1000}),
        "cluster.limits.memory_mb",
        "1000",
        "at least 1500: one node of pool cpu has so much",
        "raise it to 1500",
    ),
    "a pool that nobody could pay for": (
        settings(pools={"cpu": pool(price_per_hour=3.5)}, limits={"max_cost_per_hour": 2}),
        "cluster.limits.max_cost_per_hour",
        "2.0",
        "at least 3.5: one node of pool cpu costs so much",
        "raise it to 3.5, or remove pool cpu",
    ),
    "GPU minutes of the cluster where there are no GPUs": (
        settings(budget={"tres_mins": "gres/gpu=7"}),
        "cluster.budget.tres_mins",
        '"gres/gpu=7"',
        "no gres/...: no pool has GPUs",
        "remove gres/gpu, or give a pool such GPUs",
    ),
    "a topic that only AWS has": (
        settings(monitoring={"alerts": {"sns": {"topic_arn": TOPIC}}}),
        "cluster.monitoring.alerts.sns.topic_arn",
        TOPIC,
        "a topic only with `platform: aws`",
        "remove sns",
    ),
    "a time zone that nobody knows": (
        settings(time_zone="europe/berlin"),
        "cluster.time_zone",
        '"europe/berlin"',
        "a name of the IANA time zone database",
        "did you mean Europe/Berlin?",
    ),
    "a time that no clock shows": (
        settings(
            pools={
                "cpu": pool(
                    schedule=[{"days": ["mon"], "start": "09:00", "end": "24:00", "nodes": 2}]
                )
            }
        ),
        "cluster.pools.cpu.schedule[0].end",
        '"24:00"',
        "a time from 00:00 to 23:59",
        "",
    ),
    "a pool named like another's node": (
        settings(pools={"a": pool(), "a-1": pool()}),
        "cluster.pools.a-1",
        '"a-1"',
        "pool a has nodes a-1, a-2",
        "for instance to a1",
    ),
    "as many device files as no node has": (
        settings(pools={"gpu": pool(gpus={**GPU, "device_files": ["/dev/nvidia0"]})}),
        "cluster.pools.gpu.gpus.device_files",
        '["/dev/nvidia0"]',
        "16 files: one for each GPU of a node (count is 2) for each of max_nodes, which is 8",
        "list as many files",
    ),
    "two pools that leave it open which GPUs are theirs": (
        settings(pools={"a": pool(gpus=GPU), "b": pool(gpus=GPU)}),
        "cluster.pools.b.gpus.device_files",
        "(not set)",
        "the files of its GPUs: pool a gets those that nobody names",
        "name them",
    ),
    "a GPU that another pool has": (
        settings(
            pools={
                "a": pool(max_nodes=1, gpus={**ONE_GPU, "device_files": ["/dev/nvidia1"]}),
                "b": pool(max_nodes=1, gpus={**ONE_GPU, "device_files": ["/dev/nvidia1"]}),
            }
        ),
        "cluster.pools.b.gpus.device_files",
        '"/dev/nvidia1"',
        "files that no other pool has; a has this one",
        "remove it from b or from a",
    ),
    "more memory for a CPU than there is": (
        settings(slurm={"default_memory_per_cpu_mb": 800}),
        "cluster.slurm.default_memory_per_cpu_mb",
        "800",
        "at most 750: a node of pool cpu has 1500 MiB",
        "lower it to 750, or remove it",
    ),
    "a GPU limit where no pool has GPUs": (
        settings(accounts={"research": {"limits": {"grp_tres": "gres/gpu=1"}}}),
        "cluster.accounts.research.limits.grp_tres",
        '"gres/gpu=1"',
        "no pool has GPUs",
        "or give a pool such GPUs",
    ),
    "a limit on a GPU type that no pool has": (
        settings(
            pools={"gpu": pool(gpus=GPU)}, qos={"short": {"max_tres_per_job": "gres/gpu:h100=1"}}
        ),
        "cluster.qos.short.max_tres_per_job",
        '"gres/gpu:h100=1"',
        "one of gres/gpu, gres/gpu:a100",
        "remove gres/gpu:h100",
    ),
    "a user's account that does not exist": (
        settings(users={"ada": user(accounts=["research", "reserch"])}),
        "cluster.users.ada.accounts[1]",
        '"reserch"',
        "one of research",
        "did you mean research?",
    ),
    "an account where there are none": (
        settings(accounts={}),
        "cluster.users.ada.accounts[0]",
        '"research"',
        "(none exist)",
        "add it to cluster.accounts",
    ),
    "an unknown parent account": (
        settings(accounts={"research": {"parent": "rot"}}),
        "cluster.accounts.research.parent",
        '"rot"',
        "one of root",
        "did you mean root?",
    ),
    "an account that is its own parent": (
        settings(accounts={"research": {"parent": "research"}}),
        "cluster.accounts.research.parent",
        '"research"',
        "research -> research",
        "the parent root",
    ),
    "accounts in a circle": (
        settings(accounts={"research": {"parent": "b"}, "b": {"parent": "research"}}),
        "cluster.accounts.b.parent",
        '"research"',
        "b -> research -> b",
        "the parent root",
    ),
    "an unknown QOS": (
        settings(accounts={"research": {"qos": ["normal", "shrt"]}}, qos={"short": {}}),
        "cluster.accounts.research.qos[1]",
        '"shrt"',
        "one of normal, short",
        "did you mean short?",
    ),
    "a default QOS that does not exist": (
        settings(accounts={"research": {"default_qos": "norma"}}),
        "cluster.accounts.research.default_qos",
        '"norma"',
        "one of normal",
        "did you mean normal?",
    ),
    "a default QOS that the account may not use": (
        settings(accounts={"research": {"default_qos": "short"}}, qos={"short": {}}),
        "cluster.accounts.research.default_qos",
        '"short"',
        "a QOS that the account may use: one of normal",
        "add short to cluster.accounts.research.qos",
    ),
    "an array larger than the job table": (
        settings(slurm={"max_job_count": 1000, "max_array_size": 2000}),
        "cluster.slurm.max_array_size",
        "2000",
        "at most max_job_count, which is 1000",
        "lower max_array_size or raise max_job_count",
    ),
    "equal ports": (
        settings(ports={"ssh": 2022, "rest": 2022}),
        "cluster.ports.rest",
        "2022",
        "not that of ssh",
        "give ports.rest or ports.ssh another number",
    ),
}


@pytest.mark.parametrize("what", BAD)
def test_a_mistake_is_reported_with_path_value_allowed_and_fix(what: str) -> None:
    assert_only_mistake(BAD[what])


def test_all_mistakes_are_reported_at_once_field_and_cross_field_alike() -> None:
    data = settings(
        pools={"cpu": pool(cpus="2"), "a": pool(min_nodes=9, default=True), "a-1": pool(max=1)},
        users={"ada": user(), "ben": user(), "carol": user(uid=1)},
        accounts={"research": {"parent": "no-such"}, "other": {"fairshare": -1}},
        slurm={"extra": ["Include x"]},
        ports={"ssh": 7, "rest": 7},
    )
    assert [mistake.path for mistake in mistakes(data)] == [
        "cluster.accounts.other.fairshare",
        "cluster.accounts.research.parent",
        "cluster.pools.a-1",
        "cluster.pools.a-1.max",
        "cluster.pools.a.min_nodes",
        "cluster.pools.cpu.cpus",
        "cluster.ports.rest",
        "cluster.slurm.extra[0]",
        "cluster.users.ben.uid",
        "cluster.users.carol.uid",
    ]


def test_a_misspelt_part_causes_no_mistakes_elsewhere() -> None:
    data = settings()
    data["acounts"] = data.pop("accounts")
    assert [mistake.fix for mistake in mistakes(data)] == ["did you mean accounts?"]


def test_an_account_with_a_mistake_still_exists_for_its_users() -> None:
    data = settings(accounts={"research": {"fairshare": "much"}})
    assert [mistake.path for mistake in mistakes(data)] == ["cluster.accounts.research.fairshare"]


def test_settings_built_directly_are_checked_too() -> None:
    with pytest.raises(ValidationError, match=r"cluster\.pools\.cpu\.min_nodes"):
        ClusterSettings.model_validate(settings(pools={"cpu": pool(min_nodes=9)}))
