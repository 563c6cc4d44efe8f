"""The watcher on a spot node: a stand-in for IMDS, and programs that record their arguments."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ops.environment import CHECKOUT
from tests.spot.imds_stand_in import StandIn

WATCHER = CHECKOUT / "images/slurm/files/slurmd/usr/lib/hpc-stack/spot_watcher.py"
PATIENCE_SECONDS = 20
HERE = "127.0.0.1"
INTERRUPTION, REBALANCE = "spot/instance-action", "events/recommendations/rebalance"
NOTICE = '{"action": "terminate", "time": "2026-11-24T10:02:00Z"}'
ADVICE = '{"noticeTime": "2026-11-24T09:58:00Z"}'
DRAINED = (
    "scontrol update nodename=cpu-1 state=drain "
    "reason=hpc-stack: leaving: spot interruption at 2026-11-24T10:02:00Z"
)

PROGRAM = """#!/bin/sh
# Records its call; fails while the file NAME.fails is there, and for a signal to a batch script of
# a job in interactive.
name=$(basename "$0")
echo "$name $*" >> "{calls}"
[ -e "{directory}/$name.fails" ] && {{ echo "$name: error: no" >&2; exit 1; }}
case "$name $*" in
    "squeue "*) cat "{directory}/jobs" ;;
    "scancel --batch "*) grep -qx "${{4:-$3}}" "{directory}/interactive" && exit 1 ;;
esac
exit 0
"""


class Node:
    """A node with a watcher."""

    def __init__(self, directory: Path, metadata: StandIn) -> None:
        self.directory = directory
        self.metadata = metadata
        self.calls_file = directory / "calls"
        for name in ("jobs", "interactive", "calls"):
            (directory / name).touch()
        for name in ("scontrol", "scancel", "squeue"):
            program = directory / name
            program.write_text(PROGRAM.format(calls=self.calls_file, directory=directory))
            program.chmod(0o755)
        self.log = directory / "log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, endpoint: str | None = None) -> None:
        environment = os.environ | {
            "PATH": f"{self.directory}:{os.environ['PATH']}",
            "SLURM_NODE_NAME": "cpu-1",
            "SPOT_SIGNAL": "USR1",
            "SPOT_POLL_SECONDS": "0.02",
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": endpoint or self.metadata.endpoint,
        }
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-I", WATCHER], env=environment, stderr=log
            )

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def calls(self, start: str = "") -> list[str]:
        return [line for line in self.calls_file.read_text().splitlines() if line.startswith(start)]

    def said(self, text: str) -> int:
        return self.log.read_text().count(text)

    def looks(self) -> int:
        return self.metadata.requests[HERE]

    def looks_again(self, times: int = 6) -> None:
        """Wait until it has asked so often more: what it would have done, it has done."""
        before = self.looks()
        eventually(lambda: self.looks() >= before + times, "more looks")


def eventually(condition: Callable[[], object], what: str) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < end, f"not within {PATIENCE_SECONDS} s: {what}"
        time.sleep(0.01)


@pytest.fixture
def metadata() -> Iterator[StandIn]:
    server = StandIn()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def node(tmp_path: Path, metadata: StandIn) -> Iterator[Node]:
    node = Node(tmp_path, metadata)
    yield node
    node.stop()


def test_without_a_notice_nothing_is_done(node: Node) -> None:
    node.start()
    node.looks_again()
    assert node.calls() == []


def test_a_notice_drains_the_node_once_and_signals_each_job_once(node: Node) -> None:
    (node.directory / "jobs").write_text("17\n18\n17\n")
    node.start()
    node.metadata.say(HERE, INTERRUPTION, NOTICE)
    eventually(lambda: len(node.calls("scancel")) == 2, "both signals")
    node.looks_again()
    assert node.calls("scontrol") == [DRAINED]
    assert node.calls("scancel") == [
        "scancel --batch --signal=USR1 17",
        "scancel --batch --signal=USR1 18",
    ]
    assert node.calls("squeue")[0] == (
        "squeue --noheader --states=RUNNING --nodelist=cpu-1 --format=%A"
    )


def test_a_job_without_a_batch_script_is_signalled_in_its_steps(node: Node) -> None:
    (node.directory / "jobs").write_text("19\n")
    (node.directory / "interactive").write_text("19\n")
    node.start()
    node.metadata.say(HERE, INTERRUPTION, NOTICE)
    eventually(lambda: "scancel --signal=USR1 19" in node.calls(), "the signal")
    node.looks_again()
    assert node.calls("scancel") == ["scancel --batch --signal=USR1 19", "scancel --signal=USR1 19"]


def test_a_recommendation_drains_the_node_and_leaves_jobs_alone(node: Node) -> None:
    (node.directory / "jobs").write_text("17\n")
    node.start()
    node.metadata.say(HERE, REBALANCE, ADVICE)
    eventually(lambda: node.calls("scontrol"), "the drain")
    node.looks_again()
    (drain,) = node.calls("scontrol")
    assert drain.endswith("leaving: rebalance recommendation at 2026-11-24T09:58:00Z")
    assert node.calls("scancel") == []
    node.metadata.say(HERE, INTERRUPTION, NOTICE)
    eventually(lambda: node.calls("scancel"), "the signal after a notice has come, too")
    assert node.calls("scontrol")[1:] == [DRAINED]


@pytest.mark.parametrize("program", ["scontrol", "squeue", "scancel"])
def test_what_slurm_refuses_is_tried_again_and_told_once(node: Node, program: str) -> None:
    (node.directory / "jobs").write_text("17\n")
    (node.directory / f"{program}.fails").touch()
    node.start()
    node.metadata.say(HERE, INTERRUPTION, NOTICE)
    eventually(lambda: len(node.calls(program)) >= 4, "several tries")
    assert node.said("Slurm refused") == 1
    (node.directory / f"{program}.fails").unlink()
    eventually(lambda: node.said("job=17 got USR1"), "success")
    assert node.said("drained: spot interruption at 2026-11-24T10:02:00Z") == 1


def test_an_old_token_is_renewed(node: Node) -> None:
    node.start()
    node.looks_again()
    node.metadata.expire_tokens()
    node.metadata.say(HERE, INTERRUPTION, NOTICE)
    eventually(lambda: node.calls("scontrol") == [DRAINED], "the drain")
    assert not node.said("no answer")


@pytest.mark.parametrize(
    "broken", [(500, "oops"), (200, "<html>"), (200, '"terminate"'), (403, ""), (401, "")]
)
def test_an_answer_that_makes_no_sense_is_told_once_and_outlived(
    node: Node, broken: tuple[int, str]
) -> None:
    node.metadata.broken = broken
    node.start()
    eventually(lambda: node.said("no answer from the metadata service"), "the complaint")
    node.metadata.broken = None
    node.metadata.say(HERE, INTERRUPTION, NOTICE)
    eventually(lambda: node.calls("scontrol") == [DRAINED], "the drain")
    assert node.said("no answer from the metadata service") == 1


def test_a_service_that_is_not_there_is_told_once(node: Node) -> None:
    node.start("http://127.0.0.1:9")
    eventually(lambda: node.said("no answer from the metadata service"), "the complaint")
    assert node.process is not None
    assert node.process.poll() is None
    assert node.calls() == []


def test_the_prefix_of_the_reason_is_the_one_that_the_node_manager_knows() -> None:
    from node_manager.failures import LEAVING_PREFIX

    assert f'LEAVING = "{LEAVING_PREFIX}"' in WATCHER.read_text()
