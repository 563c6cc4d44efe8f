"""scontrol is called once for many nodes, and its errors are typed."""

from collections.abc import Sequence

import pytest
from node_manager.hostlist import expand, hostlist
from node_manager.slurm_client import (
    CommandFailed,
    SlurmClient,
    SlurmUnavailable,
    run_command,
)
from node_manager.slurm_state import NodeUpdate


class Scontrol:
    """Records commands; those that name `bad` fail."""

    def __init__(self, answer: str = "", bad: str | None = None) -> None:
        self.answer = answer
        self.bad = bad
        self.commands: list[list[str]] = []

    def __call__(self, command: Sequence[str], timeout: float) -> str:
        self.commands.append(list(command))
        listed = command[2].removeprefix("nodename=").split(",") if "update" in command else []
        if self.bad is not None and (self.bad in listed or any("[" in name for name in listed)):
            raise CommandFailed("slurm_update error: Invalid node state transition")
        return self.answer


@pytest.mark.parametrize(
    ("names", "short"),
    [
        ([], ""),
        (["cpu-1"], "cpu-1"),
        (["cpu-3", "cpu-1", "cpu-2"], "cpu-[1-3]"),
        (["cpu-1", "cpu-2", "cpu-4", "gpu-7"], "cpu-[1-2,4],gpu-7"),
        (["cpu-9", "cpu-10", "cpu-10"], "cpu-[9-10]"),
        (["cpu-01", "login"], "cpu-01,login"),
        (["a1b-1", "a1b-2"], "a1b-[1-2]"),
    ],
)
def test_names_are_compressed(names: list[str], short: str) -> None:
    assert hostlist(names) == short
    assert sorted(expand(short)) == sorted(set(names))


def test_padded_ranges_keep_their_zeros() -> None:
    assert expand("a[08-10]") == ["a08", "a09", "a10"]


def test_what_slurm_keeps_is_read_from_its_configuration() -> None:
    text = "SuspendExcParts         = (null)\nSuspendExcNodes         = cpu-[1-2],gpu-1\n"
    assert SlurmClient(Scontrol(text)).kept_nodes() == {"cpu-1", "cpu-2", "gpu-1"}
    assert SlurmClient(Scontrol("SuspendExcNodes = (null)")).kept_nodes() == frozenset()
    with pytest.raises(SlurmUnavailable):
        SlurmClient(Scontrol("ClusterName = x")).kept_nodes()


def test_the_jobs_of_nodes_are_for_the_log_and_may_be_unknown() -> None:
    assert SlurmClient(Scontrol("7 cpu-[1-2]\n8_1 cpu-2\n")).jobs_of_nodes() == {
        "cpu-1": ["7"],
        "cpu-2": ["7", "8_1"],
    }

    def fails(command: Sequence[str], timeout: float) -> str:
        raise CommandFailed("away")

    assert SlurmClient(fails).jobs_of_nodes() == {}


def test_many_nodes_are_one_command() -> None:
    scontrol = Scontrol()
    nodes = [f"cpu-{index}" for index in range(1, 501)]
    refused = SlurmClient(scontrol).update(nodes, NodeUpdate.DRAIN, "hpc-stack: no room")
    assert refused == {}
    assert scontrol.commands == [
        ["scontrol", "update", "nodename=cpu-[1-500]", "state=DRAIN", "reason=hpc-stack: no room"]
    ]


def test_one_bad_node_does_not_hold_up_the_others() -> None:
    scontrol = Scontrol(bad="cpu-2")
    refused = SlurmClient(scontrol).update(["cpu-1", "cpu-2", "cpu-3"], NodeUpdate.RESUME)
    assert list(refused) == ["cpu-2"]
    assert "Invalid node state transition" in str(refused["cpu-2"])


@pytest.mark.parametrize("answer", ["", "No nodes in the system", "NodeName=cpu-1"])
def test_an_answer_that_says_nothing_is_no_knowledge(answer: str) -> None:
    with pytest.raises(SlurmUnavailable):
        SlurmClient(Scontrol(answer)).nodes()


def test_a_failing_command_tells_its_last_line() -> None:
    with pytest.raises(CommandFailed, match=r"^second$"):
        run_command(["sh", "-c", "echo first >&2; echo second >&2; exit 1"], 10)


def test_a_hanging_command_is_given_up() -> None:
    with pytest.raises(CommandFailed, match=r"no answer within 0\.05 s"):
        run_command(["sleep", "10"], 0.05)


def test_a_missing_command_is_an_error_too() -> None:
    with pytest.raises(CommandFailed, match="No such file"):
        run_command(["/no/such/scontrol"], 1)
