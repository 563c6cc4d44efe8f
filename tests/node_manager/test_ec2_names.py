"""The names object: its text, who gets which name, and two who write it."""

import json
from collections.abc import Mapping
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from node_manager.ec2_calls import CallFailed, Calls
from node_manager.ec2_names import (
    Names,
    NamesBucket,
    NamesChanged,
    NamesTooNew,
    NamesUnreadable,
    assign,
    parse_names,
)

from tests.node_manager.builders import NOW
from tests.node_manager.moto_server import BUCKET, PREFIX
from tests.node_manager.scripted_ec2 import ScriptedS3, refusal

KEY = f"{PREFIX}cpu.json"

ids = st.lists(st.sampled_from([f"i-{n}" for n in range(8)]), max_size=8)
nodes = st.lists(st.sampled_from([f"cpu-{n}" for n in range(8)]), max_size=8)
known = st.dictionaries(
    st.sampled_from([f"i-{n}" for n in range(8)]), st.sampled_from([f"cpu-{n}" for n in range(8)])
)


@given(nodes, ids, known)
def test_no_machine_gets_a_second_name_and_no_node_a_second_machine(
    nodes: list[str], machines: list[str], names: Mapping[str, str]
) -> None:
    found = assign(nodes, machines, names)
    assert set(found) <= set(nodes)
    assert set(found.values()) <= set(machines)
    assert len(set(found.values())) == len(found)
    assert all(names.get(machine, node) == node for node, machine in found.items())


@given(nodes, ids, known)
def test_nobody_goes_without_while_a_machine_is_free(
    nodes: list[str], machines: list[str], names: Mapping[str, str]
) -> None:
    found = assign(nodes, machines, names)
    free = set(machines) - set(names) - set(found.values())
    assert not free or set(found) == set(nodes)


def test_the_first_nodes_get_the_machines_in_order() -> None:
    assert assign(["cpu-2", "cpu-1", "cpu-3"], ["i-b", "i-a"], {}) == {
        "cpu-2": "i-b",
        "cpu-1": "i-a",
    }


def test_a_named_machine_serves_its_node_and_no_other() -> None:
    names = {"i-a": "cpu-3", "i-b": "cpu-9"}
    assert assign(["cpu-1", "cpu-3"], ["i-a", "i-b", "i-c"], names) == {
        "cpu-3": "i-a",
        "cpu-1": "i-c",
    }


@given(known, st.integers(min_value=0))
def test_what_is_written_can_be_read(names: dict[str, str], generation: int) -> None:
    written = Names(generation=generation, names=names)
    assert parse_names(written.text()) == written


def test_the_text_is_the_contract_with_the_instances() -> None:
    text = Names(generation=2, names={"i-a": "cpu-1"}).after({"cpu-2": "i-b"}, gone=["i-a"]).text()
    assert text == '{"version":1,"generation":3,"names":{"i-b":"cpu-2"}}'


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"version":1}',
        '{"version":"1","generation":1,"names":{}}',
        '{"version":1,"generation":"1","names":{}}',
        '{"version":1,"generation":1,"names":[]}',
        '{"version":1,"generation":1,"names":{"i-a":1}}',
    ],
)
def test_what_nobody_wrote_is_unreadable(text: str) -> None:
    with pytest.raises(NamesUnreadable):
        parse_names(text)


def test_another_version_is_not_unreadable_but_refused() -> None:
    with pytest.raises(NamesTooNew, match="version 2; this node manager reads version 1"):
        parse_names('{"version":2,"machines":[]}')


class Writer:
    """One manager's view of the bucket."""

    def __init__(self, s3: ScriptedS3) -> None:
        self.observed: list[tuple[str, str]] = []
        self.bucket = NamesBucket(
            cast(Any, s3),
            Calls(
                observe=lambda name, result: self.observed.append((name, result)),
                sleep=lambda _: None,
            ),
            bucket=BUCKET,
            prefix=PREFIX,
            clock=lambda: NOW,
        )

    def add(self, **given: str) -> Names:
        """Node (with _ for -) to instance id."""
        named = {node.replace("_", "-"): key for node, key in given.items()}
        self.bucket.write("cpu", self.bucket.read("cpu").after(named))
        return self.bucket.read("cpu")


def test_a_missing_object_is_empty_and_is_read_once() -> None:
    s3 = ScriptedS3()
    writer = Writer(s3)
    assert writer.bucket.read("cpu") == writer.bucket.read("cpu") == Names()
    assert writer.observed == [("GetObject", "NoSuchKey")]


def test_the_first_write_expects_no_object_and_the_next_the_one_before() -> None:
    s3 = ScriptedS3()
    writer = Writer(s3)
    writer.add(cpu_1="i-a")
    writer.add(cpu_2="i-b")
    first, second = s3.requests("PutObject")
    assert first["IfNoneMatch"] == "*"
    assert "IfMatch" in second
    assert json.loads(s3.objects[KEY]) == {
        "version": 1,
        "generation": 2,
        "names": {"i-a": "cpu-1", "i-b": "cpu-2"},
    }
    assert s3.count("GetObject") == 1


def test_a_second_writer_is_noticed_and_nothing_is_lost() -> None:
    s3 = ScriptedS3()
    one, other = Writer(s3), Writer(s3)
    one.add(cpu_1="i-a")
    other.add(cpu_2="i-b")
    with pytest.raises(NamesChanged):
        one.add(cpu_3="i-c")
    assert one.add(cpu_3="i-c").names == {"i-a": "cpu-1", "i-b": "cpu-2", "i-c": "cpu-3"}


def test_names_survive_the_deletion_of_the_object_while_the_manager_runs() -> None:
    s3 = ScriptedS3()
    writer = Writer(s3)
    writer.add(cpu_1="i-a")
    s3.objects.clear()
    with pytest.raises(NamesChanged):
        writer.add(cpu_2="i-b")
    assert writer.add(cpu_2="i-b") == Names(generation=2, names={"i-a": "cpu-1", "i-b": "cpu-2"})


def test_after_a_write_without_an_answer_the_object_is_read_again() -> None:
    s3 = ScriptedS3()
    writer = Writer(s3)
    s3.lose["PutObject"] = [refusal("AccessDenied", status=403)]
    with pytest.raises(CallFailed, match="AccessDenied"):
        writer.add(cpu_1="i-a")
    s3.refuse["GetObject"] = [refusal("InternalError", status=500)]
    assert writer.bucket.recall("cpu") == Names(), "what was known is better than nothing"
    assert writer.bucket.recall("cpu").names == {"i-a": "cpu-1"}


def test_an_unreadable_object_is_empty_and_that_is_told() -> None:
    s3 = ScriptedS3()
    s3.objects[KEY] = b"{"
    writer = Writer(s3)
    assert writer.bucket.read("cpu") == Names()
    assert writer.bucket.lost_at == {"cpu": NOW}
    assert writer.observed == [("GetObject", "ok"), ("GetObject", "unreadable")]
    assert writer.add(cpu_1="i-a").names == {"i-a": "cpu-1"}


@pytest.mark.parametrize("code", ["AccessDenied", "NoSuchBucket"])
def test_what_cannot_be_read_is_not_taken_for_empty(code: str) -> None:
    s3 = ScriptedS3()
    s3.refuse["GetObject"] = [refusal(code), refusal(code)]
    writer = Writer(s3)
    for ask in (writer.bucket.read, writer.bucket.recall):
        with pytest.raises(CallFailed, match=code):
            ask("cpu")


def test_a_newer_object_is_left_alone() -> None:
    s3 = ScriptedS3()
    s3.objects[KEY] = b'{"version":2}'
    with pytest.raises(CallFailed, match=r"s3://cluster-names/names/cpu.json: version 2"):
        Writer(s3).bucket.read("cpu")
