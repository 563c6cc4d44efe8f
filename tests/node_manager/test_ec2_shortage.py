"""What is left out after a refusal, and what people are told."""

import pytest
from node_manager.ec2_fleet_request import Override, Refusal
from node_manager.ec2_shortage import UNSUPPORTED_SECONDS, Finding, LeftOut, failure, find, merge
from node_manager.fleet import Capacity

from tests.node_manager.builders import NOW
from tests.node_manager.test_ec2_errors import VCPU

SPOT, ON_DEMAND = Capacity.SPOT, Capacity.ON_DEMAND
LARGE_A, LARGE_B = Override("c7i.large", "subnet-a"), Override("c7i.large", "subnet-b")
XLARGE_A, XLARGE_B = Override("c7i.xlarge", "subnet-a"), Override("c7i.xlarge", "subnet-b")
EVERY = (LARGE_A, LARGE_B, XLARGE_A, XLARGE_B)
SHORT = "InsufficientInstanceCapacity"


@pytest.mark.parametrize(
    ("refusal", "about"),
    [
        (Refusal(code=SHORT, message="", instance_type="c7i.large", subnet="subnet-b"), {LARGE_B}),
        (Refusal(code=SHORT, message="", instance_type="c7i.large"), {LARGE_A, LARGE_B}),
        (Refusal(code=SHORT, message="", subnet="subnet-a"), {LARGE_A, XLARGE_A}),
        (Refusal(code="UnfulfillableCapacity", message=""), set(EVERY)),
        (
            Refusal(
                code="InsufficientFreeAddressesInSubnet",
                message="",
                instance_type="c7i.large",
                subnet="subnet-a",
            ),
            {LARGE_A, XLARGE_A},
        ),
        (Refusal(code=SHORT, message="", instance_type="m7i.large", subnet="subnet-a"), set()),
    ],
)
def test_a_refusal_is_about_what_it_names(refusal: Refusal, about: set[Override]) -> None:
    (finding,) = find([refusal], EVERY)
    assert set(finding.overrides) == about


def test_refusals_with_the_same_code_are_one_finding() -> None:
    findings = merge(
        [
            Finding(code=SHORT, message="first", overrides=(LARGE_A,)),
            Finding(code="Unsupported", message="no", overrides=(XLARGE_A,)),
            Finding(code=SHORT, message="second", overrides=(LARGE_B, LARGE_A)),
        ]
    )
    assert findings == [
        Finding(code=SHORT, message="first", overrides=(LARGE_A, LARGE_B)),
        Finding(code="Unsupported", message="no", overrides=(XLARGE_A,)),
    ]


@pytest.mark.parametrize(
    ("capacity", "findings", "code", "message", "retryable", "shortage"),
    [
        (
            SPOT,
            [Finding(code=SHORT, message="We have none.", overrides=(LARGE_A,))],
            SHORT,
            "no spot capacity: c7i.large in subnet-a (InsufficientInstanceCapacity)",
            False,
            True,
        ),
        (
            ON_DEMAND,
            [Finding(code="UnfulfillableCapacity", message="Unable to fulfill.")],
            "UnfulfillableCapacity",
            "no on-demand capacity: Unable to fulfill (UnfulfillableCapacity)",
            False,
            True,
        ),
        (
            SPOT,
            [
                Finding(
                    code="InsufficientFreeAddressesInSubnet",
                    message="The specified subnet does not have enough free addresses.",
                    overrides=(LARGE_A, XLARGE_A),
                )
            ],
            "InsufficientFreeAddressesInSubnet",
            "no free addresses: subnet-a (InsufficientFreeAddressesInSubnet)",
            False,
            True,
        ),
        (
            ON_DEMAND,
            [Finding(code="VcpuLimitExceeded", message=VCPU, overrides=(LARGE_A,))],
            "VcpuLimitExceeded",
            "the account's quota of 32 vCPUs for on-demand Standard (A, C, D, H, I, M, R, T, Z) "
            "instances is used up: c7i.large in subnet-a (VcpuLimitExceeded)",
            False,
            True,
        ),
        (
            SPOT,
            [Finding(code="MaxSpotInstanceCountExceeded", message="Max spot instance count.")],
            "MaxSpotInstanceCountExceeded",
            "the account's quota for spot instances is used up (MaxSpotInstanceCountExceeded)",
            False,
            True,
        ),
        (
            ON_DEMAND,
            [
                Finding(
                    code="InstanceLimitExceeded",
                    message="more instances (21) than your current instance limit of 20 allows",
                    overrides=(LARGE_A,),
                )
            ],
            "InstanceLimitExceeded",
            "the account's quota of 20 instances for on-demand Standard (A, C, D, H, I, M, R, T, "
            "Z) instances is used up: c7i.large in subnet-a (InstanceLimitExceeded)",
            False,
            True,
        ),
        (
            SPOT,
            [Finding(code="MaxIOPSLimitExceeded", message="Over the limit of 40000 IOPS. Ask.")],
            "MaxIOPSLimitExceeded",
            "a quota of the account is used up: Over the limit of 40000 IOPS "
            "(MaxIOPSLimitExceeded)",
            False,
            True,
        ),
        (
            SPOT,
            [Finding(code="Unsupported", message="Not in this zone.", overrides=(LARGE_A,))],
            "Unsupported",
            "not available: c7i.large in subnet-a (Unsupported: Not in this zone)",
            False,
            False,
        ),
        (
            SPOT,
            [Finding(code="UnauthorizedOperation", message="You are not authorized.")],
            "UnauthorizedOperation",
            "You are not authorized. (UnauthorizedOperation)",
            False,
            False,
        ),
        (
            SPOT,
            [Finding(code="RequestLimitExceeded", message="Too many.")],
            "RequestLimitExceeded",
            "Too many. (RequestLimitExceeded)",
            True,
            False,
        ),
        (
            SPOT,
            [Finding(code="no_answer", message="timed out", passing=True)],
            "no_answer",
            "timed out (no_answer)",
            True,
            False,
        ),
        (
            SPOT,
            [
                Finding(code="Unsupported", message="Not there.", overrides=(XLARGE_A,)),
                Finding(code=SHORT, message="", overrides=EVERY[:2]),
            ],
            SHORT,
            "not available: c7i.xlarge in subnet-a (Unsupported: Not there); no spot capacity: "
            "c7i.large in subnet-a, c7i.large in subnet-b (InsufficientInstanceCapacity)",
            False,
            True,
        ),
    ],
)
def test_a_failure_says_what_a_person_can_do_about_it(
    capacity: Capacity,
    findings: list[Finding],
    code: str,
    message: str,
    retryable: bool,
    shortage: bool,
) -> None:
    found = failure(capacity, findings)
    assert (found.code, found.message) == (code, message)
    assert (found.retryable, found.shortage) == (retryable, shortage)


def test_a_long_list_is_cut() -> None:
    many = tuple(Override("c7i.large", f"subnet-{number}") for number in range(9))
    assert failure(SPOT, [Finding(code=SHORT, message="", overrides=many)]).message.endswith(
        "c7i.large in subnet-3 and 5 more (InsufficientInstanceCapacity)"
    )


@pytest.mark.parametrize(
    ("code", "seconds"),
    [(SHORT, 300), ("VcpuLimitExceeded", 300), ("Unsupported", UNSUPPORTED_SECONDS)],
)
def test_what_was_refused_is_left_out_for_a_while(code: str, seconds: int) -> None:
    left_out = LeftOut(300)
    finding = Finding(code=code, message="why", overrides=(LARGE_A,))
    assert left_out.add(SPOT, finding, NOW) == {LARGE_A}
    assert left_out.covers(SPOT, LARGE_A, NOW)
    assert left_out.covers(SPOT, LARGE_A, NOW + seconds - 1)
    assert not left_out.covers(SPOT, LARGE_A, NOW + seconds)
    assert not left_out.covers(SPOT, LARGE_A, NOW - 1), "the clock was set back"
    assert not left_out.covers(SPOT, LARGE_B, NOW)
    assert not left_out.covers(ON_DEMAND, LARGE_A, NOW)
    assert left_out.findings(SPOT, EVERY, NOW) == ([finding], NOW + seconds)


@pytest.mark.parametrize("code", ["RequestLimitExceeded", "UnauthorizedOperation"])
def test_nothing_is_left_out_for_other_reasons(code: str) -> None:
    left_out = LeftOut(300)
    assert left_out.add(SPOT, Finding(code=code, message="", overrides=EVERY), NOW) == frozenset()
    assert left_out.findings(SPOT, EVERY, NOW) == ([], NOW)
