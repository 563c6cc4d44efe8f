"""What AWS' error codes mean."""

import pytest
from node_manager.ec2_errors import (
    Kind,
    first_sentence,
    is_passing,
    kind_of,
    one_line,
    quota_bucket,
    quota_value,
)

VCPU = (
    "You have requested more vCPU capacity than your current vCPU limit of 32 allows for the "
    "instance bucket that the specified instance type belongs to. Please visit "
    "http://aws.amazon.com/contact-us/ec2-request to request an adjustment to this limit."
)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("InsufficientInstanceCapacity", Kind.CAPACITY),
        ("InsufficientHostCapacity", Kind.CAPACITY),
        ("InsufficientReservedInstanceCapacity", Kind.CAPACITY),
        ("UnfulfillableCapacity", Kind.CAPACITY),
        ("SpotMaxPriceTooLow", Kind.CAPACITY),
        ("InsufficientFreeAddressesInSubnet", Kind.CAPACITY),
        ("VcpuLimitExceeded", Kind.QUOTA),
        ("InstanceLimitExceeded", Kind.QUOTA),
        ("MaxSpotInstanceCountExceeded", Kind.QUOTA),
        ("MaxIOPSLimitExceeded", Kind.QUOTA),
        ("Unsupported", Kind.UNSUPPORTED),
        ("InvalidParameterCombination", Kind.UNSUPPORTED),
        ("InvalidFleetConfiguration", Kind.UNSUPPORTED),
        ("RequestLimitExceeded", Kind.PASSING),
        ("SlowDown", Kind.PASSING),
        ("InternalError", Kind.PASSING),
        ("UnauthorizedOperation", Kind.REFUSED),
        ("InvalidLaunchTemplateId.NotFound", Kind.REFUSED),
        ("AuthFailure", Kind.REFUSED),
        ("SomethingNew", Kind.REFUSED),
    ],
)
def test_each_code_has_its_kind(code: str, kind: Kind) -> None:
    assert kind_of(code) is kind


@pytest.mark.parametrize(
    ("code", "status", "passing"),
    [
        ("RequestLimitExceeded", 503, True),
        ("Throttling", 400, True),
        ("SomethingNew", 502, True),
        ("SomethingNew", 400, False),
        ("UnauthorizedOperation", 403, False),
        ("InsufficientInstanceCapacity", 500, False),
        ("VcpuLimitExceeded", 500, False),
    ],
)
def test_a_lack_of_capacity_is_not_tried_again_although_its_status_is_500(
    code: str, status: int, passing: bool
) -> None:
    assert is_passing(code, status) is passing


@pytest.mark.parametrize(
    ("instance_type", "bucket"),
    [
        ("c7i.large", "Standard (A, C, D, H, I, M, R, T, Z)"),
        ("m7g.xlarge", "Standard (A, C, D, H, I, M, R, T, Z)"),
        ("im4gn.large", "Standard (A, C, D, H, I, M, R, T, Z)"),
        ("g5.xlarge", "G and VT"),
        ("vt1.3xlarge", "G and VT"),
        ("p4d.24xlarge", "P"),
        ("trn1.2xlarge", "Trn"),
        ("hpc7a.96xlarge", "HPC"),
        ("u-6tb1.metal", "High Memory"),
        ("q1.huge", ""),
        ("", ""),
    ],
)
def test_a_type_counts_against_the_quota_of_its_letters(instance_type: str, bucket: str) -> None:
    assert quota_bucket(instance_type) == bucket


@pytest.mark.parametrize(
    ("message", "value"),
    [
        (VCPU, "32"),
        ("more instances (21) than your current instance limit of 20 allows", "20"),
        ("limit of 1,024 allows", "1,024"),
        ("your maximum gp3 storage limit of 50.", "50"),
        ("Max spot instance count exceeded", ""),
    ],
)
def test_a_quotas_value_is_taken_from_the_message(message: str, value: str) -> None:
    assert quota_value(message) == value


def test_advice_and_links_are_left_out() -> None:
    assert first_sentence(VCPU).endswith("instance type belongs to")
    assert first_sentence("Not in zone (eu-west-1a). Ask. Again.") == "Not in zone (eu-west-1a)"
    assert first_sentence("Short.") == "Short"


def test_an_encoded_refusal_is_cut() -> None:
    text = "You are not authorized. Encoded authorization failure message: " + "x" * 900
    assert one_line(text) == "You are not authorized."
    assert one_line("a\n  b") == "a b"
    assert len(one_line("y" * 900)) == 300
