"""How busy GPUs were is asked only where it can be known, and nothing depends on the answer."""

import json
import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from job_accounting import gpu_use
from job_accounting.gpu_use import PART_SECONDS, PARTS, STALE_SECONDS, GpuUse
from job_accounting.gpu_use import prometheus as told_address

from tests.job_accounting.builders import NOW, job
from tests.job_accounting.fake_prometheus import FakePrometheus, prometheus

HOUR = 3600
START_LOGIN = (
    Path(__file__).parents[2] / "images/slurm/files/login/usr/libexec/hpc-stack/start-login"
)


@pytest.fixture
def server() -> Iterator[FakePrometheus]:
    with prometheus() as server:
        yield server


def test_a_job_is_asked_for_by_its_own_time(server: FakePrometheus) -> None:
    server.percents["7"] = "42.5"
    use = GpuUse(server.address)
    assert use.of(job(gpus=2)) == job(gpus=2, gpu_utilisation=0.425)
    (question,) = server.asked
    part = (HOUR - STALE_SECONDS) // PARTS
    assert f'{{hpc_job="7"}}[{part}s]' in question["query"]
    assert int(question["start"]) - part == NOW - 2 * HOUR + STALE_SECONDS
    assert question["end"] == str(NOW - HOUR)
    assert question["step"] == str(part)
    assert (use.answered, use.trouble) == (True, None)


@pytest.mark.parametrize(
    "changes",
    [
        {"gpus": 0},
        {"gpus": 1, "gpu_utilisation": 0.0},
        {"gpus": 1, "end": None, "state": "running"},
        {"gpus": 1, "start": None},
        {"gpus": 1, "start": NOW - STALE_SECONDS, "end": NOW},
    ],
)
def test_nobody_is_asked_about_what_is_known_or_cannot_be(
    changes: dict[str, object], server: FakePrometheus
) -> None:
    use = GpuUse(server.address)
    assert use.of(job(**changes)) == job(**changes)
    assert server.asked == []
    assert (use.answered, use.trouble) == (False, None)


def test_without_an_address_nobody_is_asked() -> None:
    assert GpuUse(None).of(job(gpus=1)) == job(gpus=1)


def test_what_was_not_seen_stays_unknown_and_others_are_asked_for(server: FakePrometheus) -> None:
    server.percents["8"] = "0"
    use = GpuUse(server.address)
    assert use.of(job(gpus=1)).gpu_utilisation is None
    assert use.of(job(id="8", gpus=1)).gpu_utilisation == 0


@pytest.mark.parametrize("percent", ["NaN", "+Inf", "-1", "100.5", "9223372036854775794"])
def test_what_cannot_be_a_share_is_not_one(percent: str, server: FakePrometheus) -> None:
    server.percents["7"] = percent
    use = GpuUse(server.address)
    assert use.of(job(gpus=1)).gpu_utilisation is None
    assert (use.answered, use.trouble) == (True, None)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"\xff",
        b"null",
        b"[]",
        b'{"status": "success"}',
        b'{"data": {"result": 5}}',
        b'{"data": {"result": {"a": 1}}}',
        b'{"data": {"result": [{"value": [0, "1"]}]}}',
        b'{"data": {"result": [{"values": [[0]]}]}}',
        b'{"data": {"result": [{"values": [[0, "much"]]}]}}',
        b'{"data": {"result": [{"values": [[0, null]]}]}}',
        b'"' + b"x" * 100_000 + b'"',
    ],
)
def test_what_is_no_answer_of_prometheus_is_the_last_one(
    body: bytes, server: FakePrometheus
) -> None:
    server.body = body
    use = GpuUse(server.address)
    for _ in range(3):
        assert use.of(job(gpus=1)) == job(gpus=1)
    assert len(server.asked) == 1
    assert (use.answered, use.trouble) == (False, "answers what is none of its answers")


@pytest.mark.parametrize(
    ("seconds", "parts"),
    [(1, 1), (2 * PART_SECONDS - 1, 1), (2 * PART_SECONDS, 2), (10 * HOUR, PARTS)],
)
def test_a_part_of_a_jobs_time_is_long_enough_for_a_look(
    seconds: int, parts: int, server: FakePrometheus
) -> None:
    GpuUse(server.address).of(job(gpus=1, start=NOW - STALE_SECONDS - seconds, end=NOW))
    (question,) = server.asked
    first, part = int(question["start"]), int(question["step"])
    assert (NOW - first) // part + 1 == parts
    assert part == seconds // parts


@pytest.mark.parametrize(
    ("seen", "utilisation"), [(PARTS // 2, None), (PARTS // 2 + 1, 0.5), (PARTS, 0.5)]
)
def test_a_job_is_known_by_most_of_its_time(
    seen: int, utilisation: float | None, server: FakePrometheus
) -> None:
    nothing = [[0, "9223372036854775794"]] * (PARTS - seen)
    values = [*nothing, *[[0, "50"]] * seen]
    server.body = json.dumps({"data": {"result": [{"values": values}]}}).encode()
    assert GpuUse(server.address).of(job(gpus=1)).gpu_utilisation == utilisation


@pytest.mark.parametrize("refusal", [(503, "timeout"), (422, "execution")])
def test_a_query_that_is_refused_for_itself_is_no_trouble_for_others(
    refusal: tuple[int, str], server: FakePrometheus
) -> None:
    server.percents = {"7": "50", "8": "50"}
    server.refused["7"] = refusal
    use = GpuUse(server.address)
    assert use.of(job(gpus=1)) == job(gpus=1)
    assert use.of(job(id="8", gpus=1)).gpu_utilisation == 0.5
    assert (use.answered, use.trouble) == (True, None)


@pytest.mark.parametrize("body", [b"Service Unavailable", b"[]", b'{"errorType": "internal"}'])
def test_a_refusal_of_anything_else_is_the_last_answer(body: bytes, server: FakePrometheus) -> None:
    server.status, server.body = 500, body
    use = GpuUse(server.address)
    for _ in range(3):
        assert use.of(job(gpus=1)) == job(gpus=1)
    assert len(server.asked) == 1
    assert use.trouble == "answers 500 Internal Server Error"


def test_a_refusal_is_told(server: FakePrometheus) -> None:
    server.status = 503
    use = GpuUse(server.address)
    assert use.of(job(gpus=1)) == job(gpus=1)
    assert use.trouble == "answers 503 Service Unavailable"


def test_who_is_not_there_is_asked_once() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        use = GpuUse(f"127.0.0.1:{taken.getsockname()[1]}")
        for _ in range(3):
            assert use.of(job(gpus=1)) == job(gpus=1)
    assert use.trouble == "[Errno 111] Connection refused"


def test_who_says_nothing_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_use, "TIMEOUT", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        use = GpuUse(f"127.0.0.1:{silent.getsockname()[1]}")
        assert use.of(job(gpus=1)) == job(gpus=1)
    assert use.trouble == "timed out"


@pytest.mark.parametrize("address", ["nowhere.invalid:9090", "127.0.0.1:many", "::", ""])
def test_an_address_of_nobody_is_no_trouble_for_others(address: str) -> None:
    use = GpuUse(address)
    assert use.of(job(gpus=1)) == job(gpus=1)
    assert use.trouble


def test_a_proxy_in_the_environment_is_not_asked(
    server: FakePrometheus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    server.percents["7"] = "50"
    assert GpuUse(server.address).of(job(gpus=1)).gpu_utilisation == 0.5


def test_all_jobs_together_take_a_bounded_time(
    server: FakePrometheus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu_use, "LONGEST_SECONDS", 0)
    use = GpuUse(server.address)
    assert use.of(job(gpus=1)) == job(gpus=1)
    assert use.trouble == "tells of fewer jobs in 0 s than there are"
    assert server.asked == []


def start_login(environment: dict[str, str], run: Path) -> None:
    """What start-login does about it, with another directory in place of /run."""
    text = START_LOGIN.read_text()
    begin = text.index("if [[ -n ${PROMETHEUS")
    part = text[begin : text.index("\nfi\n", begin) + 4].replace("/run/", f"{run}/")
    subprocess.run(["bash", "-euc", part], env={**os.environ, **environment}, check=True)


def test_what_the_login_node_was_told_is_where_to_ask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        gpu_use, "_ADDRESS_FILE", gpu_use._ADDRESS_FILE.replace("/run/", f"{tmp_path}/")
    )
    start_login({}, tmp_path)
    assert told_address() is None
    start_login({"PROMETHEUS": "127.0.0.1:9090"}, tmp_path)
    assert told_address() == "127.0.0.1:9090"


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff"])
def test_a_file_without_an_address_is_none(
    content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "prometheus"
    file.write_bytes(content)
    monkeypatch.setenv("HPC_STACK_PROMETHEUS", str(file))
    assert told_address() is None
