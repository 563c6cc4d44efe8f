"""EC2's machines: instances, launch templates, volumes, placement groups."""

import base64
import hashlib
from typing import Any

from botocore.exceptions import ClientError

from tests.rehearsal.aws_provider.kind import Aws, Kind, Values, given, pairs
from tests.rehearsal.aws_provider.network import described, gone, retag, tag_specification


def _capital(values: Values, **renamed: str) -> dict[str, Any]:
    """camelCase keys as EC2's calls have them."""
    return {renamed.get(key, key[0].upper() + key[1:]): value for key, value in values.items()}


def _flag(value: Any) -> bool:
    return value in (True, "true")


def _disk(values: Values) -> dict[str, Any]:
    disk = _capital(values)
    for key in ("Encrypted", "DeleteOnTermination"):
        if key in disk:
            disk[key] = _flag(disk[key])
    if "VolumeSize" in disk:
        disk["VolumeSize"] = int(disk["VolumeSize"])
    return disk


# --- launch templates ----------------------------------------------------------------------------

_PLAIN = ("imageId", "instanceType", "userData", "instanceInitiatedShutdownBehavior")


def _template(inputs: Values) -> dict[str, Any]:
    data = _capital({key: inputs[key] for key in _PLAIN if key in inputs})
    if "vpcSecurityGroupIds" in inputs:
        data["SecurityGroupIds"] = inputs["vpcSecurityGroupIds"]
    if "iamInstanceProfile" in inputs:
        data["IamInstanceProfile"] = _capital(inputs["iamInstanceProfile"])
    if "metadataOptions" in inputs:
        data["MetadataOptions"] = _metadata(inputs["metadataOptions"])
    if inputs.get("placement"):
        data["Placement"] = _capital(inputs["placement"])
    data["BlockDeviceMappings"] = [
        {"DeviceName": one["deviceName"], "Ebs": _disk(one["ebs"])}
        for one in inputs.get("blockDeviceMappings", ())
    ]
    data["NetworkInterfaces"] = [_interface(one) for one in inputs.get("networkInterfaces", ())]
    data["TagSpecifications"] = [
        {"ResourceType": one["resourceType"], "Tags": pairs(one["tags"])}
        for one in inputs.get("tagSpecifications", ())
    ]
    return {key: value for key, value in data.items() if value != []}


def _metadata(values: Values) -> dict[str, Any]:
    options = _capital(values)
    if "HttpPutResponseHopLimit" in options:
        options["HttpPutResponseHopLimit"] = int(options["HttpPutResponseHopLimit"])
    return options


def _interface(values: Values) -> dict[str, Any]:
    card = _capital(values, securityGroups="Groups")
    card["DeviceIndex"] = int(card["DeviceIndex"])
    for key in ("AssociatePublicIpAddress", "DeleteOnTermination"):
        if key in card:
            card[key] = _flag(card[key])
    return card


def _create_template(aws: Aws, inputs: Values) -> tuple[str, Values]:
    name = aws.ec2.create_launch_template(
        LaunchTemplateName=inputs["name"],
        LaunchTemplateData=_template(inputs),
        TagSpecifications=tag_specification("launch-template", inputs),
    )["LaunchTemplate"]["LaunchTemplateId"]
    arn = aws.arn("ec2", f"launch-template/{name}")
    return name, {"arn": arn, "latestVersion": 1, "defaultVersion": 1}


def _update_template(aws: Aws, name: str, old: Values, new: Values) -> Values:
    retag(aws, name, old, new)
    if _template(old) == _template(new):
        latest = _read_template(aws, name, new)
        return latest or {}
    version = aws.ec2.create_launch_template_version(
        LaunchTemplateId=name, LaunchTemplateData=_template(new)
    )["LaunchTemplateVersion"]["VersionNumber"]
    default = 1
    if new.get("updateDefaultVersion"):
        aws.ec2.modify_launch_template(LaunchTemplateId=name, DefaultVersion=str(version))
        default = version
    return {"latestVersion": version, "defaultVersion": default}


def _read_template(aws: Aws, name: str, inputs: Values) -> Values | None:
    try:
        found = aws.ec2.describe_launch_templates(LaunchTemplateIds=[name])["LaunchTemplates"]
    except ClientError as error:
        if gone(error):
            return None
        raise
    if not found:
        return None
    numbers = ("latestVersion", "LatestVersionNumber"), ("defaultVersion", "DefaultVersionNumber")
    return {key: found[0][answer] for key, answer in numbers}


# --- instances -----------------------------------------------------------------------------------


def _create_instance(aws: Aws, inputs: Values) -> tuple[str, Values]:
    card: dict[str, Any] = {
        "DeviceIndex": 0,
        "SubnetId": inputs["subnetId"],
        "Groups": inputs["vpcSecurityGroupIds"],
        "AssociatePublicIpAddress": bool(inputs.get("associatePublicIpAddress")),
        **given(inputs, PrivateIpAddress="privateIp"),
    }
    root = {k: v for k, v in inputs["rootBlockDevice"].items() if k != "tags"}
    made = aws.ec2.run_instances(
        ImageId=inputs["ami"],
        InstanceType=inputs["instanceType"],
        MinCount=1,
        MaxCount=1,
        NetworkInterfaces=[card],
        # boto3 encodes it again.
        UserData=base64.b64decode(inputs["userDataBase64"]),
        IamInstanceProfile={"Name": inputs["iamInstanceProfile"]},
        MetadataOptions=_metadata(inputs["metadataOptions"]),
        BlockDeviceMappings=[{"DeviceName": "/dev/xvda", "Ebs": _disk(root)}],
        TagSpecifications=tag_specification("instance", inputs),
    )["Instances"][0]
    name = made["InstanceId"]
    _source_check(aws, name, inputs)
    return name, {
        "arn": aws.arn("ec2", f"instance/{name}"),
        "privateIp": made["PrivateIpAddress"],
        "primaryNetworkInterfaceId": made["NetworkInterfaces"][0]["NetworkInterfaceId"],
        "instanceState": "running",
    }


def _source_check(aws: Aws, name: str, inputs: Values) -> None:
    wanted = {"Value": bool(inputs.get("sourceDestCheck", True))}
    aws.ec2.modify_instance_attribute(InstanceId=name, SourceDestCheck=wanted)


def _update_instance(aws: Aws, name: str, old: Values, new: Values) -> Values:
    retag(aws, name, old, new)
    _source_check(aws, name, new)
    if old["instanceType"] != new["instanceType"]:
        aws.ec2.stop_instances(InstanceIds=[name])
        kind = {"Value": new["instanceType"]}
        aws.ec2.modify_instance_attribute(InstanceId=name, InstanceType=kind)
        aws.ec2.start_instances(InstanceIds=[name])
    return {}


def _read_instance(aws: Aws, name: str, inputs: Values) -> Values | None:
    try:
        found = aws.ec2.describe_instances(InstanceIds=[name])["Reservations"]
    except ClientError as error:
        if gone(error):
            return None
        raise
    instance = found[0]["Instances"][0] if found else None
    if instance is None or instance["State"]["Name"] in ("terminated", "shutting-down"):
        return None
    return {"instanceType": instance["InstanceType"]}


# --- volumes -------------------------------------------------------------------------------------


def _create_volume(aws: Aws, inputs: Values) -> tuple[str, Values]:
    name = aws.ec2.create_volume(
        AvailabilityZone=inputs["availabilityZone"],
        Size=int(inputs["size"]),
        **given(inputs, VolumeType="type", Encrypted="encrypted", KmsKeyId="kmsKeyId"),
        TagSpecifications=tag_specification("volume", inputs),
    )["VolumeId"]
    return name, {"arn": aws.arn("ec2", f"volume/{name}")}


def _update_volume(aws: Aws, name: str, old: Values, new: Values) -> Values:
    retag(aws, name, old, new)
    if int(new["size"]) < int(old["size"]):
        raise ValueError(f"{name}: a volume cannot shrink")
    if new["size"] != old["size"] or new.get("type") != old.get("type"):
        aws.ec2.modify_volume(
            VolumeId=name, Size=int(new["size"]), VolumeType=new.get("type", "gp3")
        )
    return {}


def _attach(aws: Aws, inputs: Values) -> tuple[str, Values]:
    device, instance, volume = (inputs[key] for key in ("deviceName", "instanceId", "volumeId"))
    aws.ec2.attach_volume(Device=device, InstanceId=instance, VolumeId=volume)
    return f"vai-{hashlib.sha256(f'{device}{instance}{volume}'.encode()).hexdigest()[:10]}", {}


def _detach(aws: Aws, name: str, inputs: Values) -> None:
    aws.ec2.detach_volume(VolumeId=inputs["volumeId"], InstanceId=inputs["instanceId"])


def _read_attachment(aws: Aws, name: str, inputs: Values) -> Values | None:
    try:
        found = aws.ec2.describe_volumes(VolumeIds=[inputs["volumeId"]])["Volumes"]
    except ClientError as error:
        if gone(error):
            return None
        raise
    holders = {one["InstanceId"] for volume in found for one in volume["Attachments"]}
    return {} if inputs["instanceId"] in holders else None


KINDS = (
    Kind(
        token="aws:ec2/launchTemplate:LaunchTemplate",
        optional=(
            *_PLAIN, "name", "description", "updateDefaultVersion", "iamInstanceProfile",
            "metadataOptions", "blockDeviceMappings", "placement", "tagSpecifications",
            "vpcSecurityGroupIds", "networkInterfaces", "tags",
        ),
        outputs=("arn", "latestVersion", "defaultVersion"),
        volatile=("latestVersion", "defaultVersion"),
        replaces=("name",),
        named="name",
        create=_create_template,
        update=_update_template,
        delete=lambda aws, name, inputs: aws.ec2.delete_launch_template(LaunchTemplateId=name),
        read=_read_template,
    ),
    Kind(
        token="aws:ec2/instance:Instance",
        required=(
            "ami", "instanceType", "subnetId", "vpcSecurityGroupIds", "iamInstanceProfile",
            "userDataBase64", "metadataOptions", "rootBlockDevice",
        ),
        optional=(
            "privateIp", "associatePublicIpAddress", "sourceDestCheck", "userDataReplaceOnChange",
            "maintenanceOptions", "tags",
        ),
        outputs=("arn", "privateIp", "primaryNetworkInterfaceId", "instanceState"),
        # With userDataReplaceOnChange, which the program always sets.
        replaces=(
            "ami", "subnetId", "privateIp", "associatePublicIpAddress", "userDataBase64",
        ),
        create=_create_instance,
        update=_update_instance,
        delete=lambda aws, name, inputs: aws.ec2.terminate_instances(InstanceIds=[name]),
        read=_read_instance,
    ),
    Kind(
        token="aws:ebs/volume:Volume",
        required=("availabilityZone", "size"),
        optional=("type", "encrypted", "kmsKeyId", "tags"),
        outputs=("arn",),
        replaces=("availabilityZone", "encrypted", "kmsKeyId"),
        create=_create_volume,
        update=_update_volume,
        delete=lambda aws, name, inputs: aws.ec2.delete_volume(VolumeId=name),
        read=described("describe_volumes", "VolumeIds", "Volumes"),
    ),
    Kind(
        token="aws:ec2/volumeAttachment:VolumeAttachment",
        required=("deviceName", "instanceId", "volumeId"),
        optional=("stopInstanceBeforeDetaching",),
        replaces=("deviceName", "instanceId", "volumeId"),
        create=_attach,
        update=lambda aws, name, old, new: {},
        delete=_detach,
        read=_read_attachment,
    ),
)  # fmt: skip
