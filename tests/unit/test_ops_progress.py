"""Pulumi's events, in the form that `pulumi up --json` prints them, become lines for a person."""

import re
import threading
from collections.abc import Iterable
from typing import Any

import pytest

import ops.progress
from components.aws import await_controller
from ops.environment import CHECKOUT
from ops.progress import AWS_STEPS, STEPS, WAIT_FOR_CONTROLLER, Progress, step_of

Event = dict[str, Any]
KIND = "hpcstack:local:Cluster$command:local:Command"


def urn(part: str) -> str:
    return f"urn:pulumi:local::hpc-stack::{KIND}::local-{part}"


def begins(part: str, operation: str = "create") -> Event:
    return {"sequence": 4, "resourcePreEvent": {"metadata": {"op": operation, "urn": urn(part)}}}


def ends(part: str, operation: str = "create") -> Event:
    return {"sequence": 5, "resOutputsEvent": {"metadata": {"op": operation, "urn": urn(part)}}}


def fails(part: str) -> Event:
    failure = {"metadata": {"op": "create", "urn": urn(part)}, "status": 1, "steps": 0}
    return {"sequence": 6, "resOpFailedEvent": failure}


def says(severity: str, message: str) -> Event:
    return {"diagnosticEvent": {"severity": severity, "message": message, "color": "never"}}


def heard(capsys: pytest.CaptureFixture[str], events: Iterable[Event]) -> tuple[Progress, str]:
    """What was told of some events, with every duration as `T`."""
    progress = Progress("up")
    for event in events:
        progress(event)
    return progress, re.sub(r"\d+\.\d s\b", "T s", capsys.readouterr().out)


Captured = pytest.CaptureFixture[str]


@pytest.mark.parametrize(("part", "words"), sorted(STEPS.items()))
def test_a_step_is_told_when_it_begins_and_when_it_ended(
    capsys: Captured, part: str, words: str
) -> None:
    _, text = heard(capsys, [begins(part), ends(part)])
    assert text == f"[up] {words}: making ...\n[up] {words}: done T s\n"


@pytest.mark.parametrize(
    ("operation", "words"),
    [
        ("create", "making"),
        ("update", "changing"),
        ("delete", "removing"),
        ("create-replacement", "making again"),
        ("delete-replaced", "removing the old one"),
    ],
)
def test_the_line_says_what_is_done(capsys: Captured, operation: str, words: str) -> None:
    progress, text = heard(capsys, [begins("services", operation)])
    assert text == f"[up] cluster: {words} ...\n"
    assert progress.changed


@pytest.mark.parametrize("operation", ["same", "read", "refresh", "discard"])
def test_nothing_is_told_where_nothing_changes(capsys: Captured, operation: str) -> None:
    progress, text = heard(capsys, [begins("services", operation), ends("services", operation)])
    assert text == ""
    assert not progress.changed


def test_a_resource_that_is_no_step_counts_as_a_change_but_is_not_told(capsys: Captured) -> None:
    progress, text = heard(capsys, [begins("jwt-key"), ends("jwt-key")])
    assert text == ""
    assert progress.changed


def test_steps_that_overlap_are_each_told(capsys: Captured) -> None:
    events = [begins("images"), begins("home-volume"), ends("home-volume"), ends("images")]
    _, text = heard(capsys, events)
    assert text.splitlines() == [
        "[up] images: making ...",
        "[up] data volumes: making ...",
        "[up] data volumes: done T s",
        "[up] images: done T s",
    ]


def test_a_step_that_fails_is_told_and_its_reason_is_kept(capsys: Captured) -> None:
    reason = 'error: exit status 1: running "docker compose up":\nport is already allocated\n'
    progress, text = heard(capsys, [begins("services"), says("error", reason), fails("services")])
    assert text == "[up] cluster: making ...\n[up] cluster: failed T s\n"
    assert progress.problems == [reason.strip()]


def test_problems_are_kept_in_order_without_colours(capsys: Captured) -> None:
    events = [
        says("error", "<{%fg 1%}>first<{%reset%}>"),
        says("error", "\x1b[31msecond\x1b[0m \n"),
    ]
    progress, text = heard(capsys, events)
    assert progress.problems == ["first", "second"]
    assert text == ""


def test_a_warning_is_a_note(capsys: Captured) -> None:
    warning = "<{%fg 3%}>warning: <{%reset%}>cluster.pools.cpu.cpus: 9, but this machine has 2\n"
    progress, text = heard(capsys, [says("warning", warning)])
    assert text == "[up] note: warning: cluster.pools.cpu.cpus: 9, but this machine has 2\n"
    assert progress.problems == []


@pytest.mark.parametrize(
    "event",
    [
        says("warning", "using pulumi-resource-command from $PATH at /x"),
        says("info", "some words"),
        says("info#err", "other words"),
        {"sequence": 1, "preludeEvent": {"config": {}}},
        {"sequence": 9, "summaryEvent": {"resourceChanges": {"same": 3}}},
        {"sequence": 10, "cancelEvent": {}},
        {},
    ],
)
def test_what_is_of_no_interest_is_not_told(capsys: Captured, event: Event) -> None:
    progress, text = heard(capsys, [event])
    assert (text, progress.problems, progress.changed) == ("", [], False)


def test_an_end_without_a_beginning_is_not_told(capsys: Captured) -> None:
    _, text = heard(capsys, [ends("images"), fails("services")])
    assert text == ""


def test_lines_are_marked_with_the_command(capsys: Captured) -> None:
    Progress("clean")(begins("services", "delete"))
    assert capsys.readouterr().out == "[clean] cluster: removing ...\n"


# On AWS: many resources a step, told by the component that they belong to.

THE_END: Event = {"sequence": 99, "summaryEvent": {"resourceChanges": {"create": 127}}}
VPC = ("Network", "aws:ec2/vpc:Vpc", "vpc")
SUBNET = ("Network", "aws:ec2/subnet:Subnet", "private-eu-central-1a")
GROUP = ("SecurityGroups", "aws:ec2/securityGroup:SecurityGroup", "compute")
VOLUME = ("Storage", "aws:ebs/volume:Volume", "data")
HOMES = ("Storage", "aws:efs/fileSystem:FileSystem", "home")
BUCKET = ("Bucket", "aws:s3/bucket:Bucket", "jobs")
REPOSITORY = ("Registry", "aws:ecr/repository:Repository", "slurmctld")
KEY = ("", "command:local:Command", "slurm-key")
PARAMETER = ("Parameters", "aws:ssm/parameter:Parameter", "slurm-key")
IMAGES = ("Images", "command:local:Command", "images-arm64")
AGENT = ("Images", "command:local:Command", "host-agent-image-arm64")
DATABASE = ("Images", "command:local:Command", "mysql-image-arm64")
NODE_IMAGES = ("Images", "command:local:Command", "images-x86-64")
ROLE = ("Identities", "aws:iam/role:Role", "controller")
NODES = ("", "command:local:Command", "nodes")
MACHINE = ("Controller", "aws:ec2/instance:Instance", "controller")
WAY_OUT = ("", "aws:ec2/route:Route", "out-eu-central-1a")
TEMPLATE = ("ComputePool", "aws:ec2/launchTemplate:LaunchTemplate", "cpu")
BUNDLE = ("Delivery", "aws:s3/bucketObjectv2:BucketObjectv2", "bundle")
READY = ("Delivery", "command:local:Command", "ready")
PROVIDER = ("", "pulumi:providers:aws", "aws")
Part = tuple[str, str, str]


def aws_urn(part: Part) -> str:
    component, kind, name = part
    within = f"$hpcstack:aws:{component}" if component else ""
    return f"urn:pulumi:dev::hpc-stack::hpcstack:aws:Cluster{within}${kind}::dev-{name}"


def aws(event: str, *parts: Part, op: str = "create") -> list[Event]:
    return [{event: {"metadata": {"op": op, "urn": aws_urn(part)}}} for part in parts]


def at_work(*parts: Part, op: str = "create") -> list[Event]:
    return aws("resourcePreEvent", *parts, op=op)


def over(*parts: Part, op: str = "create") -> list[Event]:
    return aws("resOutputsEvent", *parts, op=op)


def settled() -> None:
    """Wait until every step that nothing is at work for is over."""
    for thread in threading.enumerate():
        if isinstance(thread, threading.Timer):
            thread.join()


@pytest.mark.parametrize(
    ("part", "step"),
    [
        (VPC, "network"),
        (GROUP, "network"),
        (VOLUME, "storage"),
        (HOMES, "storage"),
        (BUCKET, "storage"),
        (REPOSITORY, "registry"),
        (KEY, "secrets"),
        (PARAMETER, "secrets"),
        (IMAGES, "images for arm64"),
        (AGENT, "images for arm64"),
        (DATABASE, "images for arm64"),
        (NODE_IMAGES, "images for x86_64"),
        (ROLE, "roles"),
        (NODES, "nodes"),
        (MACHINE, "controller"),
        (WAY_OUT, "controller"),
        (TEMPLATE, "templates of nodes"),
        (READY, "delivery"),
    ],
)
def test_each_resource_on_aws_belongs_to_a_step(part: Part, step: str) -> None:
    found = step_of(aws_urn(part))
    assert found
    assert found.name == step


@pytest.mark.parametrize("part", [BUNDLE, PROVIDER, ("", "hpcstack:aws:Network", "")])
def test_what_is_made_at_once_is_no_step(part: Part) -> None:
    assert step_of(aws_urn(part)) is None


def test_every_component_of_a_cluster_on_aws_has_a_step() -> None:
    sources = "".join(file.read_text() for file in (CHECKOUT / "components/aws").glob("*.py"))
    components = set(re.findall(r'"hpcstack:aws:(\w+)"', sources))
    assert components - {"Cluster"} == set(AWS_STEPS)


def test_the_resources_of_a_step_are_told_as_one(capsys: Captured) -> None:
    # Each begins as soon as the one that it needs is there: the step is not over in between.
    events = [*at_work(VPC), *over(VPC), *at_work(SUBNET, GROUP), *over(SUBNET, GROUP), THE_END]
    progress, text = heard(capsys, events)
    assert text == "[up] network: making ...\n[up] network: done T s\n"
    assert progress.made == {aws_urn(part) for part in (VPC, SUBNET, GROUP)}


def test_a_step_is_over_when_nothing_of_it_is_at_work_for_a_while(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ops.progress, "SETTLE_SECONDS", 0.01)
    progress = Progress("up")
    for event in [*at_work(HOMES, ROLE), *over(ROLE)]:
        progress(event)
    settled()  # no event comes meanwhile
    told = re.sub(r"\d+\.\d s\b", "T s", capsys.readouterr().out)
    assert told.splitlines() == [
        "[up] storage: making ...",
        "[up] roles: making ...",
        "[up] roles: done T s",
    ]


def test_a_step_that_goes_on_after_it_was_over_is_told_again(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ops.progress, "SETTLE_SECONDS", 0.01)
    progress = Progress("up")
    for part in (ROLE, ("Identities", "aws:iam/rolePolicy:RolePolicy", "controller")):
        for event in [*at_work(part), *over(part)]:
            progress(event)
        settled()
    assert capsys.readouterr().out.count("roles: done") == 2


def test_what_a_step_takes_does_not_count_the_time_in_which_it_settles(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ops.progress, "SETTLE_SECONDS", 0.3)
    progress = Progress("up")
    for event in [*at_work(ROLE), *over(ROLE)]:
        progress(event)
    settled()
    assert capsys.readouterr().out.endswith("roles: done 0.0 s\n")


def test_the_wait_for_the_controller_is_told_as_that(capsys: Captured) -> None:
    events = [*at_work(BUNDLE), *over(BUNDLE), *at_work(READY), *over(READY)]
    _, text = heard(capsys, events)
    assert text == f"[up] delivery: {WAIT_FOR_CONTROLLER} ...\n[up] delivery: done T s\n"


def test_a_changed_bundle_is_awaited_as_well_and_a_removed_one_is_not(capsys: Captured) -> None:
    _, text = heard(capsys, at_work(READY, op="update"))
    assert text == f"[up] delivery: {WAIT_FOR_CONTROLLER} ...\n"
    _, text = heard(capsys, [*at_work(READY, op="delete"), *over(READY, op="delete")])
    assert text == "[up] delivery: removing ...\n[up] delivery: done T s\n"


def test_the_wait_for_the_controller_is_as_long_as_is_said() -> None:
    assert f"{await_controller.SECONDS / 60:.0f} minutes" in WAIT_FOR_CONTROLLER


def test_nodes_are_told_when_they_are_ended_and_not_before(capsys: Captured) -> None:
    _, text = heard(capsys, [*at_work(NODES), *over(NODES)])
    assert text == ""
    _, text = heard(capsys, [*at_work(NODES, op="delete"), *over(NODES, op="delete")])
    assert text == "[up] nodes: removing ...\n[up] nodes: done T s\n"


def test_a_step_of_which_one_resource_fails_has_failed(capsys: Captured) -> None:
    events = [
        *at_work(VPC, SUBNET),
        *aws("resOpFailedEvent", SUBNET),
        *over(VPC),
        THE_END,
    ]
    _, text = heard(capsys, events)
    assert text == "[up] network: making ...\n[up] network: failed T s\n"


def test_what_is_at_work_when_an_operation_ends_is_not_said_to_be_done(capsys: Captured) -> None:
    _, text = heard(capsys, [*at_work(VPC), THE_END])
    assert text == "[up] network: making ...\n"


def test_a_cluster_on_aws_from_nothing_to_ready(capsys: Captured) -> None:
    events = [
        *at_work(PROVIDER),
        *over(PROVIDER),
        *at_work(VPC, HOMES, REPOSITORY, KEY),
        *over(KEY, REPOSITORY, VPC),
        *at_work(GROUP, PARAMETER, IMAGES, AGENT, NODE_IMAGES, ROLE),
        *over(GROUP, PARAMETER, HOMES, ROLE, AGENT, IMAGES, NODE_IMAGES),
        *at_work(NODES),
        *over(NODES),
        *at_work(MACHINE),
        *over(MACHINE),
        *at_work(WAY_OUT, TEMPLATE),
        *over(WAY_OUT, TEMPLATE),
        *at_work(BUNDLE),
        *over(BUNDLE),
        *at_work(READY),
        *over(READY),
        THE_END,
    ]
    _, text = heard(capsys, events)
    lines = text.splitlines()
    steps = ["network", "storage", "registry", "secrets", "images for arm64", "images for x86_64"]
    steps += ["roles", "controller", "templates of nodes"]
    for step in steps:
        assert lines.count(f"[up] {step}: making ...") == 1
        assert lines.count(f"[up] {step}: done T s") == 1
    assert f"[up] delivery: {WAIT_FOR_CONTROLLER} ..." in lines
    assert len(lines) == 2 * (len(steps) + 1)


def test_a_cluster_on_aws_is_removed_in_the_same_steps(capsys: Captured) -> None:
    parts = [READY, TEMPLATE, MACHINE, NODES, ROLE, HOMES, VPC]
    events = [
        event for part in parts for event in [*at_work(part, op="delete"), *over(part, op="delete")]
    ]
    _, text = heard(capsys, [*events, THE_END])
    begun = [
        line.removesuffix(": removing ...") for line in text.splitlines() if "removing" in line
    ]
    steps = ["delivery", "templates of nodes", "controller", "nodes", "roles", "storage", "network"]
    assert begun == [f"[up] {step}" for step in steps]
