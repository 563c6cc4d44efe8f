"""exporter.json, read by the program that it is written for."""

import json

import pytest
from job_accounting.gpu_use import PART_SECONDS
from job_exporter.settings_file import Account, Settings, parse_settings

from config.render.compose_monitoring import monitoring_services
from config.render.exporter_json import PROMETHEUS, exporter_json
from config.render.site import CLUSTER_NETWORK, Site
from config.settings import SettingsError, load_cluster
from tests.unit.settings_samples import ONE_GPU, pool, settings
from tests.unit.snapshots.rendered import load_settings
from tests.unit.test_settings_aws import on_aws


def test_the_job_exporter_reads_exactly_what_settings_describe() -> None:
    assert parse_settings(json.loads(exporter_json(load_settings()))) == Settings(
        cluster="physics",
        query_seconds=60,
        queue_seconds=15,
        max_accounts=50,
        max_users=100,
        budget_period="quarter",
        users=frozenset({"ada", "ben", "zoe"}),
        accounts={
            "research": Account(parent="root", budget_dollars=None),
            "lattice": Account(
                parent="research", budget_dollars=300.5, tres_minutes={"cpu": 600_000}
            ),
            "lattice-students": Account(parent="lattice", budget_dollars=None),
            "teaching": Account(parent="root", budget_dollars=None),
            "root": Account(parent="", budget_dollars=2000, tres_minutes={"gres/gpu": 60_000}),
        },
    )


def test_the_whole_cluster_is_there_only_with_a_budget() -> None:
    assert parse_settings(json.loads(exporter_json(load_cluster(settings())))).budgets == {}


def test_the_whole_cluster_may_have_minutes_alone() -> None:
    text = exporter_json(load_cluster(settings(budget={"tres_mins": "cpu=5"})))
    read = parse_settings(json.loads(text))
    assert (read.budgets, read.tres_budgets) == ({}, {"root": {"cpu": 5}})


def test_the_length_of_a_budget_is_written_once_for_all() -> None:
    pools = {"cpu": pool(price_per_hour=1)}
    budget = {"dollars": 5, "period": "year"}
    text = exporter_json(load_cluster(settings(pools=pools, budget=budget)))
    assert parse_settings(json.loads(text)).budget_period == "year"


def test_labels_are_bounded_as_settings_say() -> None:
    limits = {"max_accounts": 3, "max_users": 4}
    read = parse_settings(json.loads(exporter_json(load_cluster(settings(monitoring=limits)))))
    assert (read.max_accounts, read.max_users) == (3, 4)


def test_jobs_get_comments_only_where_settings_say_so() -> None:
    def read(**monitoring: object) -> bool:
        text = exporter_json(load_cluster(settings(monitoring=monitoring)))
        return parse_settings(json.loads(text)).job_comments

    assert not read()
    assert read(job_comments=True)


def test_prometheus_is_asked_about_gpus_only_where_it_is_told_which_job_has_which() -> None:
    def read(data: dict[str, object]) -> str | None:
        return parse_settings(json.loads(exporter_json(load_cluster(data)))).prometheus

    gpus = {"instance_types": ["g5.12xlarge"]}
    assert read(on_aws(gpus)) == "prometheus:9090"
    assert read(on_aws(gpus, monitoring={"enabled": False})) is None
    assert read(on_aws()) is None
    assert read(settings(pools={"gpu": pool(max_nodes=1, gpus=ONE_GPU)})) is None


def test_prometheus_looks_at_gpus_in_each_part_of_a_job_however_seldom_it_does() -> None:
    assert load_cluster(settings(monitoring={"scrape_seconds": PART_SECONDS}))
    with pytest.raises(SettingsError, match="scrape_seconds"):
        load_cluster(settings(monitoring={"scrape_seconds": PART_SECONDS + 1}))


def test_prometheus_listens_where_the_job_exporter_asks() -> None:
    """Both are in the cluster's network: the port is the one inside."""
    services = monitoring_services(load_cluster(settings()), Site(images={}, cgroup="v2"))
    name, _, port = PROMETHEUS.partition(":")
    assert services[name]["ports"][0].endswith(f":{port}")
    assert CLUSTER_NETWORK in services[name]["networks"]
