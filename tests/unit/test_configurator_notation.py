"""What sacctmgr prints, read back: the forms that Slurm uses for limits."""

import pytest
from configurator import notation


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        ("", {}),
        ("cpu=8", {"cpu": 8}),
        ("cpu=4,mem=2G", {"cpu": 4, "mem": 2048}),
        ("mem=1500M", {"mem": 1500}),
        ("mem=1500", {"mem": 1500}),
        ("mem=1.50G", {"mem": 1536}),
        ("mem=3T", {"mem": 3 * 1024**2}),
        ("mem=1P", {"mem": 1024**3}),
        ("mem=2048K", {"mem": 2}),
        ("mem=0", {"mem": 0}),
        ("billing=7,energy=1000000000000", {"billing": 7, "energy": 10**12}),
        ("cpu=1,gres/gpu=2,gres/gpu:a100=1", {"cpu": 1, "gres/gpu": 2, "gres/gpu:a100": 1}),
    ],
)
def test_trackable_resources_are_counts_with_memory_in_mib(
    text: str, counts: dict[str, int]
) -> None:
    assert notation.tres(text) == counts


@pytest.mark.parametrize("text", ["cpu", "cpu=", "cpu=x", "mem=1X", "cpu=-1", "=1=2"])
def test_what_is_no_count_is_refused_with_its_words(text: str) -> None:
    with pytest.raises(ValueError, match="not a TRES count"):
        notation.tres(text)


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("", None),
        ("00:15:00", 15),
        ("15:00:00", 900),
        ("1-00:00:00", 24 * 60),
        ("12-02:30:00", (12 * 24 + 2) * 60 + 30),
        ("00:00:00", 0),
        ("91", 91),
        ("91:00", 91),
    ],
)
def test_a_time_span_is_minutes(text: str, minutes: int | None) -> None:
    assert notation.minutes(text) == minutes


@pytest.mark.parametrize(("text", "count"), [("", None), ("0", 0), ("50", 50)])
def test_a_count_is_a_number_and_zero_is_a_limit(text: str, count: int | None) -> None:
    assert notation.count(text) == count
