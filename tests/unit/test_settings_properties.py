"""Properties: valid settings survive a round trip, anything else is only ever a report."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from config.settings import ClusterSettings, SettingsError, load_cluster, span_seconds, tres_text
from config.settings.tres import parse_tres
from config.settings.vocabulary import cluster_schema

SECONDS = st.integers(1, 3600)
NAMES = st.from_regex(r"[a-z]{1,7}qx", fullmatch=True)  # the end keeps clear of reserved names
TRES = st.dictionaries(
    st.sampled_from(["cpu", "mem", "node", "billing", "energy"]), st.integers(0, 10**9), min_size=1
)
POOLS: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "cpus": st.integers(1, 128),
        "memory_mb": st.integers(128, 10**6),
        "max_nodes": st.integers(8, 100),
    },
    optional={
        "min_nodes": st.integers(0, 8),
        "idle_seconds": SECONDS,
        "time_limit": st.sampled_from(["30", "1-00:00:00", "UNLIMITED", 60]),
        "features": st.lists(NAMES, unique=True, max_size=3),
        "gpus": st.fixed_dictionaries({"type": NAMES, "count": st.integers(1, 8)}),
        "priority": st.integers(0, 100),
    },
)
LIMITS: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {}, optional={"grp_tres": TRES, "max_jobs": st.integers(0, 100)}
)
ACCOUNTS: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {}, optional={"fairshare": st.integers(0, 9), "limits": LIMITS}
)
QOS: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {},
    optional={"priority": st.integers(0, 99), "max_tres_per_job": TRES, "max_wall": st.just("5")},
)


@st.composite
def valid_settings(draw: st.DrawFn) -> dict[str, Any]:
    accounts = draw(st.dictionaries(NAMES, ACCOUNTS, min_size=1, max_size=4))
    names = draw(st.lists(NAMES, min_size=1, max_size=4, unique=True))
    pools = draw(st.dictionaries(NAMES, POOLS, min_size=1, max_size=3))
    # More pools with GPUs on one machine would have to say which.
    for name in [name for name, pool in pools.items() if "gpus" in pool][1:]:
        del pools[name]["gpus"]
    return {
        "name": draw(NAMES),
        "pools": pools,
        "accounts": accounts,
        "qos": draw(st.dictionaries(NAMES, QOS, max_size=3)),
        "users": {
            name: {"uid": 2000 + index, "accounts": [draw(st.sampled_from(sorted(accounts)))]}
            for index, name in enumerate(names)
        },
    }


WORDS = sorted(
    {
        key
        for schema in (cluster_schema(), *cluster_schema()["$defs"].values())
        for key in schema["properties"]
    }
)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.text(alphabet=st.characters(categories=["Cs"]), max_size=2)
    | st.sampled_from(["root", "cpu=1", "AuthType=x", "1-00", "local", "default"])
)
JUNK = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(WORDS) | st.text(max_size=6) | st.integers(), inner, max_size=4
        )
    ),
    max_leaves=20,
)


@settings(deadline=None)
@given(valid_settings())
def test_valid_settings_survive_a_round_trip(data: dict[str, Any]) -> None:
    loaded = load_cluster(data)
    dumped = json.loads(json.dumps(loaded.model_dump(mode="json")))
    assert load_cluster(dumped) == loaded
    assert ClusterSettings.model_validate_json(loaded.model_dump_json()) == loaded


@settings(deadline=None)
@given(valid_settings())
def test_the_order_of_keys_does_not_matter(data: dict[str, Any]) -> None:
    # Pulumi sorts them.
    loaded, resorted = (
        load_cluster(data),
        load_cluster(json.loads(json.dumps(data, sort_keys=True))),
    )
    assert (resorted, resorted.default_pool) == (loaded, loaded.default_pool)


@settings(max_examples=300, deadline=None)
@given(JUNK)
def test_junk_is_only_ever_a_report(data: Any) -> None:
    _reports_or_loads(data)


@settings(max_examples=300, deadline=None)
@given(valid_settings(), st.data())
def test_valid_settings_with_one_thing_exchanged_load_or_give_a_report(
    data: dict[str, Any], draws: st.DataObject
) -> None:
    place: Any = data
    while isinstance(place, dict) and place:
        key = draws.draw(st.sampled_from(sorted(place)))
        if not isinstance(place[key], dict) or draws.draw(st.integers(0, 2)) == 0:
            place[key] = draws.draw(JUNK)
            break
        place = place[key]
    _reports_or_loads(data)


def _reports_or_loads(data: Any) -> None:
    report = None
    try:
        load_cluster(data)
    except SettingsError as error:
        report = error
    if report is not None:
        assert report.mistakes
        for mistake in report.mistakes:
            assert mistake.path.startswith("cluster")
            assert all((mistake.value, mistake.allowed, mistake.fix))
        str(report).encode()


@given(TRES)
def test_tres_written_out_mean_the_same_again(tres: dict[str, int]) -> None:
    assert parse_tres(tres_text(tres)) == tres


@given(st.integers(0, 99), st.integers(0, 23), st.integers(0, 59), st.integers(0, 59))
def test_a_full_time_span_is_the_sum_of_its_parts(
    days: int, hours: int, minutes: int, seconds: int
) -> None:
    text = f"{days}-{hours:02}:{minutes:02}:{seconds:02}"
    assert span_seconds(text) == ((days * 24 + hours) * 60 + minutes) * 60 + seconds
