"""The alert rules as text, and the runbook: what each cluster gets of them."""

import re
from typing import Any

import pytest
import yaml

from config.alerts import ALERTS, Alert
from config.alerts.sources import ALWAYS
from config.render.alert_rules import alert_rules
from config.render.prometheus import prometheus_yaml
from config.render.site import Site
from config.runbook import PAGE, ROOT, page
from config.settings import load_cluster
from tests.unit.settings_samples import GPU, pool, settings
from tests.unit.test_settings_aws import on_aws

ON_AWS = {"BackupMissing", "ClockWrong", "NodeDiskNearlyFull", "NodeExporterDown"} | {
    "NodesUnobserved"
}
WITH_GPUS = {"GpuExporterDown", "GpuTooHot", "GpuXidError"}


def rules(data: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The rules of a cluster by their alerts' names."""
    groups = yaml.safe_load(alert_rules(load_cluster(data)))["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


def test_a_cluster_has_the_alerts_that_make_sense_for_it() -> None:
    names = {alert.name for alert in ALERTS}
    local, with_gpus = settings(), settings(pools={"gpu": pool(gpus=GPU, max_nodes=1)})
    assert names - rules(local).keys() == ON_AWS | WITH_GPUS | {"CostAboveLimit"}
    assert names - rules(with_gpus).keys() == ON_AWS | {"CostAboveLimit"}
    on_ec2 = on_aws({"instance_types": ["g5.xlarge"]}, limits={"max_cost_per_hour": 5})
    assert rules(on_ec2).keys() == names


def test_numbers_come_from_the_settings() -> None:
    slurm = {"resume_timeout_seconds": 300, "scheduler": {"interval_seconds": 60}}
    limits, budget = {"max_cost_per_hour": 2.5}, {"warn_at": 0.5}
    found = rules(settings(slurm=slurm, limits=limits, budget=budget))
    assert found["NodeStartsSlow"]["expr"].endswith("> 0.7 * 300")
    assert found["BackfillSlow"]["expr"].endswith("> 0.5 * 60")
    assert found["SlurmdbdQueueFilling"]["expr"].endswith("> 0.5 * 100032")
    assert found["BudgetNear"]["expr"].endswith(">= 0.5")
    assert found["CostAboveLimit"]["expr"].endswith("> 2.5 * 1.001")
    assert "is 2.5." in found["CostAboveLimit"]["annotations"]["description"]
    assert "@" not in alert_rules(load_cluster(settings(slurm=slurm)))


def test_an_alert_carries_what_it_means_and_what_to_do_first() -> None:
    found = rules(settings())
    for alert in (one for one in ALERTS if one.name in found):
        annotations = found[alert.name]["annotations"]
        assert annotations["meaning"] == alert.meaning
        assert annotations["todo"] == alert.todo[0]


def test_an_alert_names_its_cluster_and_links_to_the_runbook() -> None:
    found = rules(settings(name="physics"))
    for name, rule in found.items():
        assert rule["annotations"]["summary"].startswith("Cluster physics: ")
        assert rule["annotations"]["runbook_url"] == f"docs/runbook.md#{name.lower()}"
    own = "https://wiki.example.org/hpc/runbook"
    moved = rules(settings(monitoring={"alerts": {"runbook_base": own}}))
    assert moved["MysqlDown"]["annotations"]["runbook_url"] == f"{own}#mysqldown"


def test_every_job_of_prometheus_that_is_always_there_is_watched() -> None:
    site = Site(images={}, cgroup="v2")
    jobs = yaml.safe_load(prometheus_yaml(load_cluster(settings()), site))["scrape_configs"]
    assert [job["job_name"] for job in jobs if "static_configs" in job] == list(ALWAYS)


def test_the_same_settings_give_the_same_bytes() -> None:
    assert alert_rules(load_cluster(settings())) == alert_rules(load_cluster(settings()))


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_what_is_both_in_messages_and_in_the_runbook_is_for_both(alert: Alert) -> None:
    for text in (alert.meaning, alert.todo[0]):
        # Links of the runbook lead to its neighbours, of which a message knows nothing; numbers and
        # labels are filled in by Prometheus alone.
        assert "](" not in text
        assert "{{" not in text
        assert "@" not in text


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_an_alert_says_what_it_is_and_what_to_do(alert: Alert) -> None:
    assert not alert.summary.endswith(".")
    assert alert.description.endswith(".")
    assert alert.meaning.endswith(".")
    assert alert.todo
    assert all(alert.todo)
    for label in alert.about:
        # There is one machine that is the controller's.
        assert f"$labels.{label}" in alert.summary + alert.description or label == "instance"


def test_the_runbook_is_current() -> None:
    assert (ROOT / PAGE).read_text(encoding="utf-8") == page(), "run `python -m config.runbook`"


def test_the_runbook_has_a_paragraph_for_each_alert_at_the_anchor_that_it_links_to() -> None:
    headings = re.findall(r"^### (.+)$", page(), re.MULTILINE)
    assert sorted(headings) == sorted(alert.name for alert in ALERTS)
    assert {heading.lower() for heading in headings} == {alert.anchor for alert in ALERTS}
    for link in re.findall(r"\]\(#([a-z0-9]+)\)", page()):
        assert link in {alert.anchor for alert in ALERTS}


def test_pages_that_the_runbook_links_to_are_there() -> None:
    for file, anchor in re.findall(r"\]\(([a-z]+\.md)#?([a-z-]*)\)", page()):
        text = (ROOT / "docs" / file).read_text(encoding="utf-8")
        headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
        anchors = {re.sub(r"[^a-z0-9 -]", "", one.lower()).replace(" ", "-") for one in headings}
        assert not anchor or anchor in anchors, f"{file}#{anchor}"
