"""What Prometheus says is understood, and what it does not say as well."""

import socket

import pytest

from ops.report import prometheus
from ops.report.prometheus import NoAnswer, Prometheus, Refused
from tests.report.samples import END, HOUR
from tests.report.stand_in import StandIn, listening


def test_values_now_come_with_their_labels() -> None:
    with listening(StandIn(found={"x": [({"pool": "cpu"}, 3.5)]})) as server:
        (one,) = Prometheus(f"{server.url}/").now("x", END)
    assert one.labels == {"pool": "cpu"}
    assert one.samples == ((END, 3.5),)
    assert server.asked == [
        {"path": "/api/v1/query", "query": "x", "time": f"{END:.3f}", "timeout": "30s"}
    ]


def test_values_over_time_are_asked_for_at_the_timelines_points() -> None:
    with listening(StandIn(found={"x": [({}, lambda at: at)]})) as server:
        (one,) = Prometheus(server.url).over("x", HOUR)
    assert [time for time, _ in one.samples] == [HOUR.start + 60 * n for n in range(61)]


def test_a_number_is_an_answer_too() -> None:
    page = '{"status":"success","data":{"resultType":"scalar","result":[7,"2"]}}'
    with listening(StandIn(page=(200, page))) as server:
        (one,) = Prometheus(server.url).now("2", END)
    assert one.samples == ((7.0, 2.0),)


def test_a_refused_query_says_why() -> None:
    with (
        listening(StandIn(refused={"x(": "parse error"})) as server,
        pytest.raises(Refused, match=r"^parse error$"),
    ):
        Prometheus(server.url).now("x(", END)


@pytest.mark.parametrize(
    ("page", "said"),
    [
        ((200, "<html>Welcome</html>"), "not Prometheus"),
        ((200, "[]"), "not Prometheus"),
        ((503, "Service Unavailable"), "503 Service Unavailable"),
    ],
)
def test_an_answer_of_somebody_else_is_none(page: tuple[int, str], said: str) -> None:
    with listening(StandIn(page=page)) as server, pytest.raises(NoAnswer, match=said):
        Prometheus(server.url).now("x", END)


@pytest.mark.parametrize(
    "data",
    [
        '{"resultType":"vector","result":[{"metric":{},"histogram":[1,{}]}]}',
        '{"resultType":"string","result":[1,"text"]}',
        "null",
    ],
)
def test_an_answer_that_cannot_be_shown_is_refused(data: str) -> None:
    page = f'{{"status":"success","data":{data}}}'
    with listening(StandIn(page=(200, page))) as server, pytest.raises(Refused):
        Prometheus(server.url).now("x", END)


def test_nobody_there_is_no_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(NoAnswer, match="connection refused"):
        Prometheus(f"http://127.0.0.1:{port}").now("x", END)


def test_a_silent_server_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prometheus, "QUERY_SECONDS", -4.8)
    with listening(StandIn(seconds=1)) as server, pytest.raises(NoAnswer, match="no answer within"):
        Prometheus(server.url).now("x", END)


def test_an_address_without_a_scheme_is_no_answer() -> None:
    with pytest.raises(NoAnswer, match="unknown url type"):
        Prometheus("localhost:9090").now("x", END)


def test_a_proxy_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with listening(StandIn()) as server:
        assert Prometheus(server.url).now("x", END) == ()
