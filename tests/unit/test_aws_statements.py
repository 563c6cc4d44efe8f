"""What a statement of a policy refuses to be."""

import json
from typing import Any

import pytest

from components.aws.policies.statement import Statement, TooWide, document
from tests.unit.iam_decisions import ACCOUNT, DATA, REGION

GOOD: dict[str, Any] = {"sid": "Good", "actions": ["s3:GetObject"], "resources": [f"{DATA}/*"]}


@pytest.mark.parametrize(
    ("parts", "why"),
    [
        ({"actions": ["*"]}, r"\*; name the actions"),
        ({"actions": ["ec2:*"]}, r"ec2:\*; name the actions"),
        ({"actions": ["ec2:Describe*"]}, r"ec2:Describe\*; name the actions"),
        ({"actions": ["s3:GetObject", "s3:Put?bject"]}, "name the actions"),
        ({"actions": ["GetObject"]}, "name the actions"),
        ({"resources": ["*"]}, "say why with any_resource"),
        ({"resources": ["arn:aws:s3:::*"]}, "say why with any_resource"),
        ({"resources": [f"arn:aws:ec2:*:{ACCOUNT}:instance/*"]}, "say why with any_resource"),
        ({"resources": [f"arn:aws:ec2:{REGION}:*:instance/*"]}, "say why with any_resource"),
        ({"resources": ["arn:aws:*"]}, "say why with any_resource"),
        ({"principals": {"AWS": "*"}}, "everybody"),
        ({"principals": {"AWS": ["x", "*"]}}, "everybody"),
    ],
)
def test_a_statement_that_is_too_wide_is_refused(parts: dict[str, Any], why: str) -> None:
    with pytest.raises(TooWide, match=f"Good: .*{why}"):
        Statement(**{**GOOD, **parts})


@pytest.mark.parametrize(
    ("parts", "why"),
    [
        ({"actions": []}, "no action"),
        ({"resources": []}, "no resource"),
        ({"actions": "s3:GetObject"}, "are lists"),
        ({"resources": DATA}, "are lists"),
        ({"any_resource": "there is no other way"}, "which of the two"),
        ({"conditions": {"StringEquals": {"s3:prefix": []}}}, "without a value"),
        ({"conditions": {"StringEquals": {}}}, "without a value"),
        ({"sid": "Not good"}, "letters and digits"),
        ({"sid": "Für"}, "letters and digits"),
        ({"sid": ""}, "letters and digits"),
    ],
)
def test_a_statement_that_says_nothing_or_two_things_is_refused(
    parts: dict[str, Any], why: str
) -> None:
    with pytest.raises(ValueError, match=why):
        Statement(**{**GOOD, **parts})


def test_every_resource_is_allowed_to_whoever_says_why() -> None:
    statement = Statement(sid="All", actions=["s3:ListAllMyBuckets"], any_resource="there is no")
    assert json.loads(document(statement))["Statement"][0]["Resource"] == "*"


def test_a_denial_may_be_as_wide_as_it_likes() -> None:
    wide = {**GOOD, "actions": ["s3:*"], "effect": "Deny", "principals": {"AWS": "*"}}
    assert Statement(**wide).document()["Principal"] == {"AWS": "*"}


def test_a_policy_has_statements_each_with_an_id_of_its_own() -> None:
    with pytest.raises(ValueError, match="id of its own"):
        document(Statement(**GOOD), Statement(**GOOD))
    with pytest.raises(ValueError, match="has statements"):
        document()


def test_the_order_in_which_actions_and_resources_are_named_does_not_matter() -> None:
    one = {**GOOD, "actions": ["s3:GetObject", "s3:PutObject"], "resources": [DATA, f"{DATA}/*"]}
    other = {**one, "actions": one["actions"][::-1], "resources": one["resources"][::-1]}
    assert document(Statement(**one)) == document(Statement(**other))
