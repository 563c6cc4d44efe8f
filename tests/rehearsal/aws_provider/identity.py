"""IAM: roles, their policies, instance profiles."""

from typing import Any

from botocore.exceptions import ClientError

from tests.rehearsal.aws_provider.kind import Aws, Kind, Values, given, pairs
from tests.rehearsal.aws_provider.network import gone


def _there(call: Any, **arguments: str) -> Any:
    try:
        return call(**arguments)
    except ClientError as error:
        if gone(error):
            return None
        raise


def _create_role(aws: Aws, inputs: Values) -> tuple[str, Values]:
    role = aws.iam.create_role(
        RoleName=inputs["name"],
        AssumeRolePolicyDocument=inputs["assumeRolePolicy"],
        **given(inputs, Path="path", PermissionsBoundary="permissionsBoundary"),
        Tags=pairs(inputs.get("tags")),
    )["Role"]
    return inputs["name"], {"arn": role["Arn"], "uniqueId": role["RoleId"]}


def _update_role(aws: Aws, name: str, old: Values, new: Values) -> Values:
    aws.iam.update_assume_role_policy(RoleName=name, PolicyDocument=new["assumeRolePolicy"])
    if removed := sorted((old.get("tags") or {}).keys() - (new.get("tags") or {}).keys()):
        aws.iam.untag_role(RoleName=name, TagKeys=removed)
    aws.iam.tag_role(RoleName=name, Tags=pairs(new.get("tags")))
    boundary = new.get("permissionsBoundary")
    if boundary:
        aws.iam.put_role_permissions_boundary(RoleName=name, PermissionsBoundary=boundary)
    elif old.get("permissionsBoundary"):
        aws.iam.delete_role_permissions_boundary(RoleName=name)
    return {}


def _put_policy(aws: Aws, inputs: Values) -> tuple[str, Values]:
    aws.iam.put_role_policy(
        RoleName=inputs["role"], PolicyName=inputs["name"], PolicyDocument=inputs["policy"]
    )
    return f"{inputs['role']}:{inputs['name']}", {}


def _update_policy(aws: Aws, name: str, old: Values, new: Values) -> Values:
    _put_policy(aws, new)
    return {}


def _delete_policy(aws: Aws, name: str, inputs: Values) -> None:
    aws.iam.delete_role_policy(RoleName=inputs["role"], PolicyName=inputs["name"])


def _read_policy(aws: Aws, name: str, inputs: Values) -> Values | None:
    role, _, policy = name.partition(":")
    return {} if _there(aws.iam.get_role_policy, RoleName=role, PolicyName=policy) else None


def _create_profile(aws: Aws, inputs: Values) -> tuple[str, Values]:
    profile = aws.iam.create_instance_profile(
        InstanceProfileName=inputs["name"], Tags=pairs(inputs.get("tags"))
    )["InstanceProfile"]
    aws.iam.add_role_to_instance_profile(
        InstanceProfileName=inputs["name"], RoleName=inputs["role"]
    )
    return inputs["name"], {"arn": profile["Arn"], "uniqueId": profile["InstanceProfileId"]}


def _update_profile(aws: Aws, name: str, old: Values, new: Values) -> Values:
    if old["role"] != new["role"]:
        aws.iam.remove_role_from_instance_profile(InstanceProfileName=name, RoleName=old["role"])
        aws.iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=new["role"])
    aws.iam.tag_instance_profile(InstanceProfileName=name, Tags=pairs(new.get("tags")))
    return {}


def _delete_profile(aws: Aws, name: str, inputs: Values) -> None:
    aws.iam.remove_role_from_instance_profile(InstanceProfileName=name, RoleName=inputs["role"])
    aws.iam.delete_instance_profile(InstanceProfileName=name)


KINDS = (
    Kind(
        token="aws:iam/role:Role",
        required=("assumeRolePolicy",),
        optional=("name", "path", "permissionsBoundary", "tags"),
        outputs=("arn", "uniqueId"),
        replaces=("name", "path"),
        named="name",
        create=_create_role,
        update=_update_role,
        delete=lambda aws, name, inputs: aws.iam.delete_role(RoleName=name),
        read=lambda aws, name, inputs: {} if _there(aws.iam.get_role, RoleName=name) else None,
    ),
    Kind(
        token="aws:iam/rolePolicy:RolePolicy",
        required=("role", "policy"),
        optional=("name",),
        replaces=("role", "name"),
        named="name",
        create=_put_policy,
        update=_update_policy,
        delete=_delete_policy,
        read=_read_policy,
    ),
    Kind(
        token="aws:iam/instanceProfile:InstanceProfile",
        required=("role",),
        optional=("name", "tags"),
        outputs=("arn", "uniqueId"),
        replaces=("name",),
        named="name",
        create=_create_profile,
        update=_update_profile,
        delete=_delete_profile,
        read=lambda aws, name, inputs: (
            {} if _there(aws.iam.get_instance_profile, InstanceProfileName=name) else None
        ),
    ),
)
