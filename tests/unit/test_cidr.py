"""Address ranges in the settings."""

import pytest
from pydantic import TypeAdapter, ValidationError

from config.settings.cidr import Cidr, NarrowCidr


@pytest.mark.parametrize("text", ["10.0.0.0/8", "192.168.1.0/24", "203.0.113.7/32"])
def test_a_range_is_taken_as_it_is_written(text: str) -> None:
    assert TypeAdapter(Cidr).validate_python(text) == text


@pytest.mark.parametrize("text", ["10.0.0.0", "10.0.0.1/8", "10.0.0.0/33", "fd00::/8", "", "all"])
def test_what_is_no_whole_range_is_refused(text: str) -> None:
    with pytest.raises(ValidationError, match="CIDR notation"):
        TypeAdapter(Cidr).validate_python(text)


def test_the_fix_for_bits_outside_the_prefix_is_the_range_that_was_meant() -> None:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(Cidr).validate_python("10.0.0.1/8")
    assert caught.value.errors()[0]["ctx"]["fix"] == "write 10.0.0.0/8, which is the whole range"


@pytest.mark.parametrize(
    "text", ["0.0.0.0/0", "0.0.0.0/1", "128.0.0.0/1", "192.0.0.0/2", "8.0.0.0/8"]
)
def test_the_internet_is_never_let_in_not_even_in_parts(text: str) -> None:
    with pytest.raises(ValidationError, match="private ranges"):
        TypeAdapter(NarrowCidr).validate_python(text)


@pytest.mark.parametrize("text", ["198.51.0.0/16", "203.0.113.7/32", "10.0.0.0/8", "172.16.0.0/12"])
def test_one_organisation_and_private_ranges_may_be_let_in(text: str) -> None:
    assert TypeAdapter(NarrowCidr).validate_python(text) == text
