"""The whole bundle of one representative cluster, as somebody has read and approved it."""

import difflib

import pytest

from tests.unit.snapshots.rendered import load_settings, rendered, stored

RENDERED = rendered(load_settings())


@pytest.mark.parametrize("name", sorted(RENDERED))
def test_a_rendered_text_is_the_one_that_was_approved(name: str) -> None:
    approved = stored().get(name, "")
    difference = "".join(
        difflib.unified_diff(
            approved.splitlines(keepends=True),
            RENDERED[name].splitlines(keepends=True),
            f"approved {name}",
            f"rendered {name}",
        )
    )
    if difference:
        pytest.fail(f"{difference}\nIf this is wanted: python -m tests.unit.snapshots", False)


def test_no_snapshot_is_of_a_text_that_is_no_longer_rendered() -> None:
    assert stored().keys() == RENDERED.keys()
