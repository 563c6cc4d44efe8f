"""sacct's lists of nodes are read as Slurm writes them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from job_accounting.hostlist import expand
from node_manager.hostlist import hostlist


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("cpu-1", ("cpu-1",)),
        ("cpu-[1-3,07],gpu-1", ("cpu-1", "cpu-2", "cpu-3", "cpu-07", "gpu-1")),
        ("a[08-10]", ("a08", "a09", "a10")),
        ("rack[1-2]-n[3-4]", ("rack1-n3", "rack1-n4", "rack2-n3", "rack2-n4")),
        ("login,cpu-[9-10]", ("login", "cpu-9", "cpu-10")),
        ("n[1-2]x", ("n1x", "n2x")),
    ],
)
def test_short_forms_are_expanded_in_order(text: str, names: tuple[str, ...]) -> None:
    assert expand(text) == names


@pytest.mark.parametrize("text", ["", "None assigned", "(null)", "Unknown", " ", "None"])
def test_no_nodes_are_no_names(text: str) -> None:
    assert expand(text) == ()


@given(st.lists(st.from_regex(r"[a-z]{1,5}-[1-9][0-9]{0,2}", fullmatch=True), max_size=20))
def test_what_was_compressed_is_expanded_to_the_same_names(names: list[str]) -> None:
    assert sorted(expand(hostlist(names))) == sorted(set(names))


@given(st.text(alphabet="ab1-9[],- ", max_size=12))
def test_odd_text_breaks_nothing(text: str) -> None:
    expand(text)
