"""What Prometheus sees: names, labels, and what is left out when Slurm does not answer."""

import gzip
from http.client import HTTPConnection
from pathlib import Path

import pytest
from job_exporter.counters import COUNTERS, HISTOGRAMS
from job_exporter.formats import PLAIN
from job_exporter.server import page, serve
from job_exporter.totals import Totals
from prometheus_client import parser
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from tests.job_exporter.builders import NOW, make_life
from tests.job_exporter.fake_exporter import FakeExporter
from tests.job_exporter.fake_slurm import FakeSlurm, queue_line

PROMETHEUS_ACCEPTS = (
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"
    ";q=0.6,application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,text/plain"
    ";version=0.0.4;q=0.3,*/*;q=0.2"
)
"""The header of its version 3.5."""
QUEUE = {"jobs_pending", "oldest_pending_seconds", "node_out_of_service"}
DOWN = "NodeName=cpu-2 CPUAlloc=0 State=DOWN+CLOUD Reason=bad disk [root@2026-11-25T22:00:00]"


@pytest.fixture
def slurm() -> FakeSlurm:
    return FakeSlurm(queue=[queue_line(EligibleTime=NOW - 300)], nodes=[DOWN])


@pytest.fixture
def exporter(tmp_path: Path, slurm: FakeSlurm) -> FakeExporter:
    exporter = FakeExporter(tmp_path, slurm)
    exporter.write_ledger([make_life()])
    exporter.look_back()
    return exporter


def test_every_counter_has_a_name() -> None:
    assert COUNTERS.keys() == dict(Totals().counts()).keys()
    assert HISTOGRAMS.keys() == dict(Totals().histograms()).keys()


def test_all_metrics_are_there_once_slurm_has_answered(
    exporter: FakeExporter, slurm: FakeSlurm
) -> None:
    slurm.end(JobIDRaw=1, AllocTRES="cpu=2,mem=1G,gres/gpu=1")
    slurm.end(JobIDRaw=2, NodeList="lost-1")
    slurm.deliver()
    exporter.now += 1
    exporter.count()
    exporter.look()
    families = text_string_to_metric_families(exporter.text())  # type: ignore[no-untyped-call]
    kinds = {family.name: family.type for family in families}
    assert kinds == {
        "hpc_stack_job_wait_seconds": "histogram",
        "hpc_stack_job_run_seconds": "histogram",
        "hpc_stack_jobs_finished": "counter",
        "hpc_stack_user_jobs_finished": "counter",
        "hpc_stack_job_cpu_seconds": "counter",
        "hpc_stack_job_memory_byte_seconds": "counter",
        "hpc_stack_job_gpu_seconds": "counter",
        "hpc_stack_job_cost_dollars": "counter",
        "hpc_stack_jobs_unpriced": "counter",
        "hpc_stack_account_cost_period_dollars": "gauge",
        "hpc_stack_account_budget_dollars": "gauge",
        "hpc_stack_unpriced_jobs_in_period": "gauge",
        "hpc_stack_jobs_pending": "gauge",
        "hpc_stack_oldest_pending_seconds": "gauge",
        "hpc_stack_node_out_of_service": "gauge",
        "hpc_stack_slurmctld_answers": "gauge",
        "hpc_stack_slurmdbd_answers": "gauge",
        "hpc_stack_queue_last_success_timestamp_seconds": "gauge",
        "hpc_stack_accounting_query_seconds": "gauge",
        "hpc_stack_accounting_cursor_timestamp_seconds": "gauge",
        "hpc_stack_accounting_last_success_timestamp_seconds": "gauge",
    }
    assert exporter.value("jobs_unpriced_total") == 1
    assert exporter.value("unpriced_jobs_in_period") == 1


def test_histograms_are_cumulative(exporter: FakeExporter, slurm: FakeSlurm) -> None:
    for number, wait in enumerate((1, 4, 100_000)):
        slurm.end(JobIDRaw=number, Start=NOW - 60, Eligible=NOW - 60 - wait)
    slurm.deliver()
    exporter.now += 1
    exporter.count()
    group = {"partition": "cpu", "account": "physics", "qos": "normal"}

    def bucket(bound: str) -> float | None:
        return exporter.value("job_wait_seconds_bucket", **group, le=bound)

    bounds = ("1.0", "2.0", "5.0", "86400.0", "259200.0", "+Inf")
    assert [bucket(bound) for bound in bounds] == [1, 1, 2, 2, 3, 3]
    assert exporter.value("job_wait_seconds_sum", **group) == 100_005
    assert exporter.value("job_wait_seconds_count", **group) == 3


def test_the_queue_is_told_and_ages_between_looks(exporter: FakeExporter) -> None:
    exporter.look()
    exporter.now += 20
    waiting = {"partition": "cpu", "reason": "Priority"}
    assert exporter.value("jobs_pending", **waiting) == 1
    assert exporter.value("oldest_pending_seconds", **waiting) == 320
    out = {"node": "cpu-2", "state": "DOWN", "reason": "bad disk"}
    assert exporter.value("node_out_of_service", **out) == 1
    assert exporter.value("slurmctld_answers") == 1
    assert exporter.value("queue_last_success_timestamp_seconds") == NOW


def test_before_slurm_has_answered_there_is_no_queue_and_no_cost(exporter: FakeExporter) -> None:
    assert not exporter.names() & QUEUE
    assert "account_cost_period_dollars" not in exporter.names()
    assert exporter.value("queue_last_success_timestamp_seconds") == 0
    assert exporter.value("slurmctld_answers") == 0
    assert exporter.value("slurmdbd_answers") == 0
    assert exporter.value("account_budget_dollars", account="root") == 500


def test_a_look_of_two_intervals_ago_is_not_told(exporter: FakeExporter, slurm: FakeSlurm) -> None:
    slurm.end(End=NOW - 60)
    slurm.deliver()
    exporter.count()
    exporter.look()
    counted = exporter.value("jobs_unpriced_total")
    slurm.slurmctld = False
    exporter.now += 30
    exporter.look()
    assert exporter.value("slurmctld_answers") == 0
    assert exporter.names() >= QUEUE
    exporter.now += 1
    assert not exporter.names() & QUEUE
    assert exporter.value("queue_last_success_timestamp_seconds") == NOW
    assert "account_cost_period_dollars" not in exporter.names()
    assert exporter.value("jobs_unpriced_total") == counted
    assert exporter.value("slurmdbd_answers") == 1


@pytest.mark.parametrize("answer", ["queue", "nodes"])
def test_a_slurmctld_whose_answer_cannot_be_read_answers(
    answer: str, exporter: FakeExporter, slurm: FakeSlurm
) -> None:
    setattr(slurm, answer, ["NodeName=cpu-1 of a Slurm that is yet to come"])
    exporter.look()
    assert exporter.value("slurmctld_answers") == 1
    assert not exporter.names() & QUEUE
    assert exporter.value("queue_last_success_timestamp_seconds") == 0
    assert exporter.events() == ["waiting"]


def test_without_the_ledger_the_queue_is_told_and_no_cost(exporter: FakeExporter) -> None:
    ledger = exporter.directory / "lives-2026-11.jsonl"
    ledger.unlink()
    ledger.mkdir()
    exporter.look()
    assert exporter.names() >= QUEUE
    assert "account_cost_period_dollars" not in exporter.names()
    assert exporter.events() == ["waiting"]


def test_a_scrape_asks_slurm_nothing(
    exporter: FakeExporter, slurm: FakeSlurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    exporter.count()
    exporter.look()
    before = exporter.scrape()
    monkeypatch.setattr(slurm, "run", None)
    monkeypatch.setattr(slurm, "run_limited", None)
    assert exporter.scrape() == before


def test_people_are_told_the_same_as_prometheus(exporter: FakeExporter, slurm: FakeSlurm) -> None:
    slurm.end()
    slurm.deliver()
    exporter.count()
    exporter.look()
    text = page(exporter.settings, exporter.board, PLAIN, lambda: exporter.now).decode()
    plain = {
        (sample.name.removeprefix("hpc_stack_"), tuple(sorted(sample.labels.items()))): sample.value
        for family in parser.text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert plain == exporter.scrape()


def test_a_page_is_served_as_prometheus_asks_for_it() -> None:
    server = serve(0, lambda asked: b"up 1\n" + asked.end)
    connection = HTTPConnection("127.0.0.1", server.server_port, timeout=10)
    try:
        connection.request("GET", "/metrics")
        plain = connection.getresponse()
        assert plain.read() == b"up 1\n"
        assert plain.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        connection.request("GET", "/metrics?x=1", headers={"Accept-Encoding": "gzip"})
        assert gzip.decompress(connection.getresponse().read()) == b"up 1\n"
        connection.request("GET", "/metrics", headers={"Accept": PROMETHEUS_ACCEPTS})
        typed = connection.getresponse()
        assert typed.read() == b"up 1\n# EOF\n"
        assert typed.headers["Content-Type"].startswith("application/openmetrics-text; version=1.0")
        connection.request("GET", "/secrets")
        assert connection.getresponse().status == 404
    finally:
        connection.close()
        server.shutdown()
        server.server_close()
