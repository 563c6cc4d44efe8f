"""EC2's network: VPC, subnets, routes, gateways, security groups, flow logs."""

import hashlib
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from tests.rehearsal.aws_provider.kind import Aws, Create, Kind, Values, given, pairs, unpaired


def gone(error: ClientError) -> bool:
    """Whether an answer says that there is no such thing."""
    code = error.response["Error"]["Code"]
    return "NotFound" in code or "NoSuch" in code or "DoesNotExist" in code


def tag_specification(resource: str, inputs: Values) -> list[dict[str, Any]]:
    tags = pairs(inputs.get("tags"))
    return [{"ResourceType": resource, "Tags": tags}] if tags else []


def retag(aws: Aws, name: str, old: Values, new: Values) -> None:
    """Bring the tags of something of EC2's to what is wanted."""
    before, after = old.get("tags") or {}, new.get("tags") or {}
    if removed := [{"Key": key} for key in before if key not in after]:
        aws.ec2.delete_tags(Resources=[name], Tags=removed)
    if after and before != after:
        aws.ec2.create_tags(Resources=[name], Tags=pairs(after))


def described(call: str, argument: str, answer: str) -> Callable[[Aws, str, Values], Values | None]:
    """A reader by one of EC2's Describe calls: the tags as they are, or None."""

    def read(aws: Aws, name: str, inputs: Values) -> Values | None:
        try:
            found = getattr(aws.ec2, call)(**{argument: [name]})[answer]
        except ClientError as error:
            if gone(error):
                return None
            raise
        if not found or found[0].get("State") == "deleted":
            return None
        return {"tags": unpaired(found[0].get("Tags"))} if "tags" in inputs else {}

    return read


def _simple(
    token: str,
    call: str,
    answer: str,
    identity: str,
    resource: str,
    *,
    required: dict[str, str],
    delete: str,
    describe: tuple[str, str, str],
    optional: tuple[str, ...] = (),
    after: Callable[[Aws, str, Values], None] | None = None,
    before_delete: Callable[[Aws, str, Values], None] | None = None,
    outputs: Callable[[Aws, str, Any], Values] = lambda aws, name, made: {},
    names: tuple[str, ...] = (),
) -> Kind:
    """A thing that one call makes and another removes; its tags and extras change in place."""

    def create(aws: Aws, inputs: Values) -> tuple[str, Values]:
        made = getattr(aws.ec2, call)(
            **given(inputs, **{argument: name for name, argument in required.items()}),
            TagSpecifications=tag_specification(resource, inputs),
        )[answer]
        name = made[identity]
        if after:
            after(aws, name, inputs)
        return name, {"arn": aws.arn("ec2", f"{resource}/{name}"), **outputs(aws, name, made)}

    def update(aws: Aws, name: str, old: Values, new: Values) -> Values:
        retag(aws, name, old, new)
        if after:
            after(aws, name, new)
        return {}

    def remove(aws: Aws, name: str, inputs: Values) -> None:
        if before_delete:
            before_delete(aws, name, inputs)
        getattr(aws.ec2, delete)(**{identity: name})

    return Kind(
        token=token,
        required=tuple(required),
        optional=(*optional, "tags"),
        outputs=("arn", *names),
        replaces=tuple(required),
        create=create,
        update=update,
        delete=remove,
        read=described(*describe),
    )


def _vpc_outputs(aws: Aws, name: str, made: Any) -> Values:
    own: Any = [{"Name": "vpc-id", "Values": [name]}]
    groups = aws.ec2.describe_security_groups(Filters=own)["SecurityGroups"]
    return {"defaultSecurityGroupId": groups[0]["GroupId"]}


def _dns(aws: Aws, name: str, inputs: Values) -> None:
    for key, argument in (
        ("enableDnsSupport", "EnableDnsSupport"),
        ("enableDnsHostnames", "EnableDnsHostnames"),
    ):
        aws.ec2.modify_vpc_attribute(VpcId=name, **{argument: {"Value": inputs.get(key, False)}})


def _attach_gateway(aws: Aws, name: str, inputs: Values) -> None:
    gateway = aws.ec2.describe_internet_gateways(InternetGatewayIds=[name])["InternetGateways"][0]
    if not gateway["Attachments"]:
        aws.ec2.attach_internet_gateway(InternetGatewayId=name, VpcId=inputs["vpcId"])


def _detach_gateway(aws: Aws, name: str, inputs: Values) -> None:
    aws.ec2.detach_internet_gateway(InternetGatewayId=name, VpcId=inputs["vpcId"])


def _no_public_addresses(aws: Aws, name: str, inputs: Values) -> None:
    wanted = {"Value": bool(inputs.get("mapPublicIpOnLaunch"))}
    aws.ec2.modify_subnet_attribute(SubnetId=name, MapPublicIpOnLaunch=wanted)


def _gateway_create() -> Create:
    def create(aws: Aws, inputs: Values) -> tuple[str, Values]:
        name = aws.ec2.create_internet_gateway(
            TagSpecifications=tag_specification("internet-gateway", inputs)
        )["InternetGateway"]["InternetGatewayId"]
        _attach_gateway(aws, name, inputs)
        return name, {"arn": aws.arn("ec2", f"internet-gateway/{name}")}

    return create


def _delete_gateway(aws: Aws, name: str, inputs: Values) -> None:
    _detach_gateway(aws, name, inputs)
    aws.ec2.delete_internet_gateway(InternetGatewayId=name)


def _only_tags(aws: Aws, name: str, old: Values, new: Values) -> Values:
    retag(aws, name, old, new)
    return {}


# --- routes --------------------------------------------------------------------------------------

_TARGETS = {
    "GatewayId": "gatewayId",
    "NatGatewayId": "natGatewayId",
    "NetworkInterfaceId": "networkInterfaceId",
}


def _route(aws: Aws, call: str, inputs: Values) -> None:
    getattr(aws.ec2, call)(
        RouteTableId=inputs["routeTableId"],
        DestinationCidrBlock=inputs["destinationCidrBlock"],
        **given(inputs, **_TARGETS),
    )


def _create_route(aws: Aws, inputs: Values) -> tuple[str, Values]:
    _route(aws, "create_route", inputs)
    tail = hashlib.sha256(inputs["destinationCidrBlock"].encode()).hexdigest()[:8]
    return f"r-{inputs['routeTableId']}{tail}", {"origin": "CreateRoute", "state": "active"}


def _update_route(aws: Aws, name: str, old: Values, new: Values) -> Values:
    _route(aws, "replace_route", new)
    return {}


def _delete_route(aws: Aws, name: str, inputs: Values) -> None:
    aws.ec2.delete_route(
        RouteTableId=inputs["routeTableId"], DestinationCidrBlock=inputs["destinationCidrBlock"]
    )


def _read_route(aws: Aws, name: str, inputs: Values) -> Values | None:
    try:
        tables = aws.ec2.describe_route_tables(RouteTableIds=[inputs["routeTableId"]])
    except ClientError as error:
        if gone(error):
            return None
        raise
    routes = tables["RouteTables"][0]["Routes"]
    wanted = inputs["destinationCidrBlock"]
    return {} if any(one.get("DestinationCidrBlock") == wanted for one in routes) else None


def _create_association(aws: Aws, inputs: Values) -> tuple[str, Values]:
    made = aws.ec2.associate_route_table(
        SubnetId=inputs["subnetId"], RouteTableId=inputs["routeTableId"]
    )
    return made["AssociationId"], {}


def _read_association(aws: Aws, name: str, inputs: Values) -> Values | None:
    own: Any = [{"Name": "association.route-table-association-id", "Values": [name]}]
    return {} if aws.ec2.describe_route_tables(Filters=own)["RouteTables"] else None


# --- gateways ------------------------------------------------------------------------------------


def _create_address(aws: Aws, inputs: Values) -> tuple[str, Values]:
    made = aws.ec2.allocate_address(
        Domain="vpc", TagSpecifications=tag_specification("elastic-ip", inputs)
    )
    name = made["AllocationId"]
    return name, {
        "arn": aws.arn("ec2", f"elastic-ip/{name}"),
        "allocationId": name,
        "publicIp": made["PublicIp"],
    }


def _create_endpoint(aws: Aws, inputs: Values) -> tuple[str, Values]:
    made = aws.ec2.create_vpc_endpoint(
        VpcEndpointType=inputs["vpcEndpointType"],
        VpcId=inputs["vpcId"],
        ServiceName=inputs["serviceName"],
        RouteTableIds=inputs["routeTableIds"],
        TagSpecifications=tag_specification("vpc-endpoint", inputs),
    )["VpcEndpoint"]["VpcEndpointId"]
    return made, {"arn": aws.arn("ec2", f"vpc-endpoint/{made}"), "state": "available"}


def _update_endpoint(aws: Aws, name: str, old: Values, new: Values) -> Values:
    before, after = set(old["routeTableIds"]), set(new["routeTableIds"])
    if before != after:
        aws.ec2.modify_vpc_endpoint(
            VpcEndpointId=name,
            AddRouteTableIds=sorted(after - before),
            RemoveRouteTableIds=sorted(before - after),
        )
    return _only_tags(aws, name, old, new)


# --- security groups -----------------------------------------------------------------------------


def _create_group(aws: Aws, inputs: Values) -> tuple[str, Values]:
    name = aws.ec2.create_security_group(
        GroupName=inputs["name"],
        Description=inputs.get("description", "Managed by Pulumi"),
        VpcId=inputs["vpcId"],
        TagSpecifications=tag_specification("security-group", inputs),
    )["GroupId"]
    _revoke_all(aws, name)  # as the provider does with the rule that AWS gives every new group
    return name, {"arn": aws.arn("ec2", f"security-group/{name}"), "ownerId": "123456789012"}


def _revoke_all(aws: Aws, name: str) -> None:
    group = aws.ec2.describe_security_groups(GroupIds=[name])["SecurityGroups"][0]
    for call, key in (
        (aws.ec2.revoke_security_group_ingress, "IpPermissions"),
        (aws.ec2.revoke_security_group_egress, "IpPermissionsEgress"),
    ):
        if group[key]:
            call(GroupId=name, IpPermissions=group[key])


def _adopt_default_group(aws: Aws, inputs: Values) -> tuple[str, Values]:
    own: Any = [
        {"Name": "vpc-id", "Values": [inputs["vpcId"]]},
        {"Name": "group-name", "Values": ["default"]},
    ]
    name = aws.ec2.describe_security_groups(Filters=own)["SecurityGroups"][0]["GroupId"]
    _revoke_all(aws, name)
    retag(aws, name, {}, inputs)
    return name, {"arn": aws.arn("ec2", f"security-group/{name}")}


def _rule(direction: str) -> Kind:
    title = direction.capitalize()

    def create(aws: Aws, inputs: Values) -> tuple[str, Values]:
        everything = inputs["ipProtocol"] == "-1"
        permission: dict[str, Any] = {
            "IpProtocol": inputs["ipProtocol"],
            # Moto wants ports here, too.
            "FromPort": -1 if everything else int(inputs["fromPort"]),
            "ToPort": -1 if everything else int(inputs["toPort"]),
        }
        why = inputs.get("description", "")
        if cidr := inputs.get("cidrIpv4"):
            permission["IpRanges"] = [{"CidrIp": cidr, "Description": why}]
        else:
            peer = inputs["referencedSecurityGroupId"]
            permission["UserIdGroupPairs"] = [{"GroupId": peer, "Description": why}]
        made = getattr(aws.ec2, f"authorize_security_group_{direction}")(
            GroupId=inputs["securityGroupId"], IpPermissions=[permission]
        )
        name = made["SecurityGroupRules"][0]["SecurityGroupRuleId"]
        retag(aws, name, {}, inputs)
        return name, {
            "arn": aws.arn("ec2", f"security-group-rule/{name}"),
            "securityGroupRuleId": name,
        }

    def delete(aws: Aws, name: str, inputs: Values) -> None:
        getattr(aws.ec2, f"revoke_security_group_{direction}")(
            GroupId=inputs["securityGroupId"], SecurityGroupRuleIds=[name]
        )

    def read(aws: Aws, name: str, inputs: Values) -> Values | None:
        own: Any = [{"Name": "group-id", "Values": [inputs["securityGroupId"]]}]
        rules = aws.ec2.describe_security_group_rules(Filters=own)["SecurityGroupRules"]
        return {} if any(one["SecurityGroupRuleId"] == name for one in rules) else None

    range_and_peer = ("referencedSecurityGroupId", "cidrIpv4", "fromPort", "toPort", "description")
    return Kind(
        token=f"aws:vpc/securityGroup{title}Rule:SecurityGroup{title}Rule",
        required=("securityGroupId", "ipProtocol"),
        optional=(*range_and_peer, "tags"),
        outputs=("arn", "securityGroupRuleId"),
        # AWS can change more in place; moto cannot.
        replaces=("securityGroupId", "ipProtocol", *range_and_peer),
        create=create,
        update=_only_tags,
        delete=delete,
        read=read,
    )


def _create_flow_log(aws: Aws, inputs: Values) -> tuple[str, Values]:
    name = aws.ec2.create_flow_logs(
        ResourceIds=[inputs["vpcId"]],
        ResourceType="VPC",
        TrafficType=inputs["trafficType"],
        LogDestinationType=inputs["logDestinationType"],
        LogGroupName=inputs["logDestination"].split(":")[6],
        DeliverLogsPermissionArn=inputs["iamRoleArn"],
        MaxAggregationInterval=int(inputs["maxAggregationInterval"]),
        TagSpecifications=tag_specification("vpc-flow-log", inputs),
    )["FlowLogIds"][0]
    return name, {"arn": aws.arn("ec2", f"vpc-flow-log/{name}")}


def _delete_address(aws: Aws, name: str, inputs: Values) -> None:
    aws.ec2.release_address(AllocationId=name)


KINDS = (
    _simple(
        "aws:ec2/vpc:Vpc", "create_vpc", "Vpc", "VpcId", "vpc",
        required={"cidrBlock": "CidrBlock"},
        optional=("enableDnsSupport", "enableDnsHostnames"),
        delete="delete_vpc",
        describe=("describe_vpcs", "VpcIds", "Vpcs"),
        after=_dns,
        outputs=_vpc_outputs,
        names=("defaultSecurityGroupId",),
    ),
    _simple(
        "aws:ec2/subnet:Subnet", "create_subnet", "Subnet", "SubnetId", "subnet",
        required={
            "vpcId": "VpcId",
            "cidrBlock": "CidrBlock",
            "availabilityZone": "AvailabilityZone",
        },
        optional=("mapPublicIpOnLaunch",),
        delete="delete_subnet",
        describe=("describe_subnets", "SubnetIds", "Subnets"),
        after=_no_public_addresses,
    ),
    _simple(
        "aws:ec2/routeTable:RouteTable", "create_route_table", "RouteTable", "RouteTableId",
        "route-table",
        required={"vpcId": "VpcId"},
        delete="delete_route_table",
        describe=("describe_route_tables", "RouteTableIds", "RouteTables"),
    ),
    _simple(
        "aws:ec2/natGateway:NatGateway", "create_nat_gateway", "NatGateway", "NatGatewayId",
        "natgateway",
        required={"subnetId": "SubnetId", "allocationId": "AllocationId"},
        delete="delete_nat_gateway",
        describe=("describe_nat_gateways", "NatGatewayIds", "NatGateways"),
    ),
    Kind(
        token="aws:ec2/internetGateway:InternetGateway",
        required=("vpcId",),
        optional=("tags",),
        outputs=("arn",),
        replaces=("vpcId",),
        create=_gateway_create(),
        update=_only_tags,
        delete=_delete_gateway,
        read=described("describe_internet_gateways", "InternetGatewayIds", "InternetGateways"),
    ),
    Kind(
        token="aws:ec2/route:Route",
        required=("routeTableId", "destinationCidrBlock"),
        optional=tuple(_TARGETS.values()),
        outputs=("origin", "state"),
        replaces=("routeTableId", "destinationCidrBlock"),
        create=_create_route,
        update=_update_route,
        delete=_delete_route,
        read=_read_route,
    ),
    Kind(
        token="aws:ec2/routeTableAssociation:RouteTableAssociation",
        required=("subnetId", "routeTableId"),
        replaces=("subnetId", "routeTableId"),
        create=_create_association,
        delete=lambda aws, name, inputs: aws.ec2.disassociate_route_table(AssociationId=name),
        read=_read_association,
    ),
    Kind(
        token="aws:ec2/eip:Eip",
        required=("domain",),
        optional=("tags",),
        outputs=("arn", "allocationId", "publicIp"),
        replaces=("domain",),
        create=_create_address,
        update=_only_tags,
        delete=_delete_address,
        read=described("describe_addresses", "AllocationIds", "Addresses"),
    ),
    Kind(
        token="aws:ec2/vpcEndpoint:VpcEndpoint",
        required=("vpcId", "serviceName", "vpcEndpointType", "routeTableIds"),
        optional=("tags",),
        outputs=("arn", "state"),
        replaces=("vpcId", "serviceName", "vpcEndpointType"),
        create=_create_endpoint,
        update=_update_endpoint,
        delete=lambda aws, name, inputs: aws.ec2.delete_vpc_endpoints(VpcEndpointIds=[name]),
        read=described("describe_vpc_endpoints", "VpcEndpointIds", "VpcEndpoints"),
    ),
    Kind(
        token="aws:ec2/securityGroup:SecurityGroup",
        required=("vpcId",),
        optional=("name", "description", "tags", "revokeRulesOnDelete"),
        outputs=("arn", "ownerId"),
        replaces=("vpcId", "name", "description"),
        named="name",
        create=_create_group,
        update=_only_tags,
        delete=lambda aws, name, inputs: aws.ec2.delete_security_group(GroupId=name),
        read=described("describe_security_groups", "GroupIds", "SecurityGroups"),
    ),
    Kind(
        token="aws:ec2/defaultSecurityGroup:DefaultSecurityGroup",
        required=("vpcId",),
        optional=("ingress", "egress", "tags"),
        outputs=("arn",),
        replaces=("vpcId",),
        create=_adopt_default_group,
        update=_only_tags,
        delete=lambda aws, name, inputs: None,  # it goes with its VPC
        read=described("describe_security_groups", "GroupIds", "SecurityGroups"),
    ),
    _rule("ingress"),
    _rule("egress"),
    Kind(
        token="aws:ec2/flowLog:FlowLog",
        required=("vpcId", "trafficType", "logDestinationType", "logDestination", "iamRoleArn"),
        optional=("maxAggregationInterval", "tags"),
        outputs=("arn",),
        replaces=(
            "vpcId", "trafficType", "logDestinationType", "logDestination", "iamRoleArn",
            "maxAggregationInterval",
        ),
        create=_create_flow_log,
        update=_only_tags,
        delete=lambda aws, name, inputs: aws.ec2.delete_flow_logs(FlowLogIds=[name]),
        read=described("describe_flow_logs", "FlowLogIds", "FlowLogs"),
    ),
)  # fmt: skip
