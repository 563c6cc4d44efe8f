"""S3, EFS, and the parameters of SSM."""

from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from tests.rehearsal.aws_provider.kind import Aws, Kind, Values, given, pairs
from tests.rehearsal.aws_provider.network import gone


def _exists(call: Any, **arguments: Any) -> bool:
    try:
        call(**arguments)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if gone(error) or code in ("404", "NoSuchBucket"):
            return False
        raise
    return True


# --- S3 ------------------------------------------------------------------------------------------


def _create_bucket(aws: Aws, inputs: Values) -> tuple[str, Values]:
    name = inputs["bucket"]
    aws.s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": aws.region})
    _tag_bucket(aws, name, {}, inputs)
    return name, {
        "arn": f"arn:aws:s3:::{name}",
        "bucketRegionalDomainName": f"{name}.s3.{aws.region}.amazonaws.com",
    }


def _tag_bucket(aws: Aws, name: str, old: Values, new: Values) -> Values:
    aws.s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": pairs(new.get("tags"))})
    return {}


def _delete_bucket(aws: Aws, name: str, inputs: Values) -> None:
    if inputs.get("forceDestroy"):
        found = aws.s3.list_object_versions(Bucket=name)
        for one in (*found.get("Versions", ()), *found.get("DeleteMarkers", ())):
            aws.s3.delete_object(Bucket=name, Key=one["Key"], VersionId=one["VersionId"])
    aws.s3.delete_bucket(Bucket=name)


def _of_bucket(kind: str, put: Callable[[Aws, Values], None], remove: str, *inputs: str) -> Kind:
    """A part of a bucket's configuration, whose id is the bucket's name."""

    def create(aws: Aws, values: Values) -> tuple[str, Values]:
        put(aws, values)
        return values["bucket"], {}

    def update(aws: Aws, name: str, old: Values, new: Values) -> Values:
        put(aws, new)
        return {}

    def delete(aws: Aws, name: str, values: Values) -> None:
        if remove:
            getattr(aws.s3, remove)(Bucket=name)

    return Kind(
        token=f"aws:s3/{kind[0].lower()}{kind[1:]}:{kind}",
        required=("bucket", *inputs),
        replaces=("bucket",),
        create=create,
        update=update,
        delete=delete,
        read=lambda aws, name, values: {} if _exists(aws.s3.head_bucket, Bucket=name) else None,
    )


def _put_encryption(aws: Aws, values: Values) -> None:
    rules = []
    for rule in values["rules"]:
        default = rule["applyServerSideEncryptionByDefault"]
        rules.append(
            {
                "ApplyServerSideEncryptionByDefault": given(
                    default, SSEAlgorithm="sseAlgorithm", KMSMasterKeyID="kmsMasterKeyId"
                ),
                "BucketKeyEnabled": rule["bucketKeyEnabled"],
            }
        )
    aws.s3.put_bucket_encryption(
        Bucket=values["bucket"], ServerSideEncryptionConfiguration={"Rules": rules}
    )


def _put_lifecycle(aws: Aws, values: Values) -> None:
    rules = []
    for rule in values["rules"]:
        made: dict[str, Any] = {
            "ID": rule["id"],
            "Status": rule["status"],
            "Filter": {"Prefix": rule["filter"]["prefix"]},
        }
        if old := rule.get("noncurrentVersionExpiration"):
            made["NoncurrentVersionExpiration"] = {"NoncurrentDays": int(old["noncurrentDays"])}
        if unfinished := rule.get("abortIncompleteMultipartUpload"):
            days = int(unfinished["daysAfterInitiation"])
            made["AbortIncompleteMultipartUpload"] = {"DaysAfterInitiation": days}
        if expiration := rule.get("expiration"):
            made["Expiration"] = {"Days": int(expiration["days"])}
        rules.append(made)
    aws.s3.put_bucket_lifecycle_configuration(
        Bucket=values["bucket"], LifecycleConfiguration={"Rules": rules}
    )


_BLOCKS = {
    "BlockPublicAcls": "blockPublicAcls",
    "BlockPublicPolicy": "blockPublicPolicy",
    "IgnorePublicAcls": "ignorePublicAcls",
    "RestrictPublicBuckets": "restrictPublicBuckets",
}


def _put_object(aws: Aws, inputs: Values) -> tuple[str, Values]:
    answer = aws.s3.put_object(
        Bucket=inputs["bucket"],
        Key=inputs["key"],
        Body=inputs["content"].encode(),
        **given(inputs, ContentType="contentType"),
    )
    return f"{inputs['bucket']}/{inputs['key']}", _object_outputs(answer)


def _object_outputs(answer: Any) -> Values:
    return {"etag": answer["ETag"].strip('"'), "versionId": answer.get("VersionId", "")}


# --- EFS -----------------------------------------------------------------------------------------


def _create_files(aws: Aws, inputs: Values) -> tuple[str, Values]:
    made = aws.efs.create_file_system(
        CreationToken=f"rehearsal-{len(aws.store.all())}-{inputs['tags']['Name']}",
        **given(
            inputs, Encrypted="encrypted", KmsKeyId="kmsKeyId", ThroughputMode="throughputMode"
        ),
        Tags=pairs(inputs.get("tags")),
    )
    name = made["FileSystemId"]
    aws.store.put(f"efs-lifecycle/{name}", inputs.get("lifecyclePolicies"))
    return name, {
        "arn": made["FileSystemArn"],
        "dnsName": f"{name}.efs.{aws.region}.amazonaws.com",
    }


def _update_files(aws: Aws, name: str, old: Values, new: Values) -> Values:
    aws.efs.tag_resource(ResourceId=name, Tags=pairs(new.get("tags")))
    aws.store.put(f"efs-lifecycle/{name}", new.get("lifecyclePolicies"))
    return {}


def _delete_files(aws: Aws, name: str, inputs: Values) -> None:
    aws.store.drop(f"efs-lifecycle/{name}")
    aws.efs.delete_file_system(FileSystemId=name)


def _create_access_point(aws: Aws, inputs: Values) -> tuple[str, Values]:
    root = inputs["rootDirectory"]
    made = aws.efs.create_access_point(
        ClientToken=inputs["tags"]["Name"],
        FileSystemId=inputs["fileSystemId"],
        RootDirectory={
            "Path": root["path"],
            "CreationInfo": {
                "OwnerUid": int(root["creationInfo"]["ownerUid"]),
                "OwnerGid": int(root["creationInfo"]["ownerGid"]),
                "Permissions": root["creationInfo"]["permissions"],
            },
        },
        Tags=pairs(inputs.get("tags")),
    )
    return made["AccessPointId"], {"arn": made["AccessPointArn"]}


def _tag_access_point(aws: Aws, name: str, old: Values, new: Values) -> Values:
    aws.efs.tag_resource(ResourceId=name, Tags=pairs(new.get("tags")))
    return {}


def _create_door(aws: Aws, inputs: Values) -> tuple[str, Values]:
    made = aws.efs.create_mount_target(
        FileSystemId=inputs["fileSystemId"],
        SubnetId=inputs["subnetId"],
        SecurityGroups=inputs["securityGroups"],
    )
    return made["MountTargetId"], {"ipAddress": made["IpAddress"]}


def _update_door(aws: Aws, name: str, old: Values, new: Values) -> Values:
    aws.efs.modify_mount_target_security_groups(
        MountTargetId=name, SecurityGroups=new["securityGroups"]
    )
    return {}


def _of_the_homes(token: str, what: str, place: str) -> Kind:
    """Something that moto has not of a file system, by whose id it is known; kept as declared."""

    def keep(aws: Aws, name: str, inputs: Values) -> None:
        aws.store.put(f"{place}/{name}", inputs[what])

    def create(aws: Aws, inputs: Values) -> tuple[str, Values]:
        keep(aws, inputs["fileSystemId"], inputs)
        return inputs["fileSystemId"], {}

    def update(aws: Aws, name: str, old: Values, new: Values) -> Values:
        keep(aws, name, new)
        return {}

    return Kind(
        token=token,
        required=("fileSystemId", what),
        replaces=("fileSystemId",),
        create=create,
        update=update,
        delete=lambda aws, name, inputs: aws.store.drop(f"{place}/{name}"),
        read=lambda aws, name, inputs: {} if aws.store.get(f"{place}/{name}") is not None else None,
    )


# --- SSM -----------------------------------------------------------------------------------------


def _create_parameter(aws: Aws, inputs: Values) -> tuple[str, Values]:
    answer = aws.ssm.put_parameter(
        Name=inputs["name"],
        Type=inputs["type"],
        Value=inputs["value"],
        **given(inputs, KeyId="keyId"),
        Tags=pairs(inputs.get("tags")),
    )
    arn = aws.arn("ssm", f"parameter{inputs['name']}")
    return inputs["name"], {"arn": arn, "version": answer["Version"]}


def _update_parameter(aws: Aws, name: str, old: Values, new: Values) -> Values:
    outputs: Values = {}
    if old["value"] != new["value"]:
        answer = aws.ssm.put_parameter(
            Name=name, Type=new["type"], Value=new["value"], Overwrite=True
        )
        outputs = {"version": answer["Version"]}
    aws.ssm.add_tags_to_resource(
        ResourceType="Parameter", ResourceId=name, Tags=pairs(new.get("tags"))
    )
    return outputs


def _put_bucket_policy(aws: Aws, inputs: Values) -> tuple[str, Values]:
    aws.store.put(f"bucket-policy/{inputs['bucket']}", inputs["policy"])
    return inputs["bucket"], {}


_BUCKET_POLICY = Kind(
    token="aws:s3/bucketPolicy:BucketPolicy",
    required=("bucket", "policy"),
    replaces=("bucket",),
    create=_put_bucket_policy,
    update=lambda aws, name, old, new: _put_bucket_policy(aws, new)[1],
    delete=lambda aws, name, inputs: aws.store.drop(f"bucket-policy/{name}"),
    read=lambda aws, name, inputs: (
        {"policy": policy} if (policy := aws.store.get(f"bucket-policy/{name}")) else None
    ),
)

KINDS = (
    Kind(
        token="aws:s3/bucket:Bucket",
        optional=("bucket", "forceDestroy", "tags"),
        outputs=("arn", "bucketRegionalDomainName"),
        replaces=("bucket",),
        named="bucket",
        create=_create_bucket,
        update=_tag_bucket,
        delete=_delete_bucket,
        read=lambda aws, name, inputs: {} if _exists(aws.s3.head_bucket, Bucket=name) else None,
    ),
    _of_bucket(
        "BucketVersioning",
        lambda aws, v: aws.s3.put_bucket_versioning(
            Bucket=v["bucket"],
            VersioningConfiguration={"Status": v["versioningConfiguration"]["status"]},
        ),
        "",
        "versioningConfiguration",
    ),
    _of_bucket(
        "BucketPublicAccessBlock",
        lambda aws, v: aws.s3.put_public_access_block(
            Bucket=v["bucket"], PublicAccessBlockConfiguration=given(v, **_BLOCKS)
        ),
        "delete_public_access_block",
        *_BLOCKS.values(),
    ),
    _BUCKET_POLICY,
    _of_bucket("BucketLifecycleConfiguration", _put_lifecycle, "delete_bucket_lifecycle", "rules"),
    _of_bucket(
        "BucketServerSideEncryptionConfiguration",
        _put_encryption,
        "delete_bucket_encryption",
        "rules",
    ),
    _of_bucket(
        "BucketOwnershipControls",
        lambda aws, v: aws.s3.put_bucket_ownership_controls(
            Bucket=v["bucket"],
            OwnershipControls={"Rules": [{"ObjectOwnership": v["rule"]["objectOwnership"]}]},
        ),
        "delete_bucket_ownership_controls",
        "rule",
    ),
    Kind(
        token="aws:s3/bucketObjectv2:BucketObjectv2",
        required=("bucket", "key", "content"),
        optional=("contentType", "tags"),
        outputs=("etag", "versionId"),
        volatile=("etag", "versionId"),
        replaces=("bucket", "key"),
        create=_put_object,
        update=lambda aws, name, old, new: _put_object(aws, new)[1],
        delete=lambda aws, name, inputs: aws.s3.delete_object(
            Bucket=inputs["bucket"], Key=inputs["key"]
        ),
        read=lambda aws, name, inputs: (
            {} if _exists(aws.s3.head_object, Bucket=inputs["bucket"], Key=inputs["key"]) else None
        ),
    ),
    Kind(
        token="aws:efs/fileSystem:FileSystem",
        optional=("encrypted", "kmsKeyId", "throughputMode", "lifecyclePolicies", "tags"),
        outputs=("arn", "dnsName"),
        replaces=("encrypted", "kmsKeyId"),
        create=_create_files,
        update=_update_files,
        delete=_delete_files,
        read=lambda aws, name, inputs: (
            {} if _exists(aws.efs.describe_file_systems, FileSystemId=name) else None
        ),
    ),
    Kind(
        token="aws:efs/accessPoint:AccessPoint",
        required=("fileSystemId",),
        optional=("rootDirectory", "tags"),
        outputs=("arn",),
        replaces=("fileSystemId", "rootDirectory"),
        create=_create_access_point,
        update=_tag_access_point,
        delete=lambda aws, name, inputs: aws.efs.delete_access_point(AccessPointId=name),
        read=lambda aws, name, inputs: (
            {} if _exists(aws.efs.describe_access_points, AccessPointId=name) else None
        ),
    ),
    Kind(
        token="aws:efs/mountTarget:MountTarget",
        required=("fileSystemId", "subnetId"),
        optional=("securityGroups",),
        outputs=("ipAddress",),
        replaces=("fileSystemId", "subnetId"),
        create=_create_door,
        update=_update_door,
        delete=lambda aws, name, inputs: aws.efs.delete_mount_target(MountTargetId=name),
        read=lambda aws, name, inputs: (
            {} if _exists(aws.efs.describe_mount_targets, MountTargetId=name) else None
        ),
    ),
    _of_the_homes("aws:efs/fileSystemPolicy:FileSystemPolicy", "policy", "efs-policy"),
    _of_the_homes("aws:efs/backupPolicy:BackupPolicy", "backupPolicy", "efs-backups"),
    Kind(
        token="aws:ssm/parameter:Parameter",
        required=("name", "type", "value"),
        optional=("keyId", "tags"),
        outputs=("arn", "version"),
        volatile=("version",),
        replaces=("name", "type"),
        create=_create_parameter,
        update=_update_parameter,
        delete=lambda aws, name, inputs: aws.ssm.delete_parameter(Name=name),
        read=lambda aws, name, inputs: {} if _exists(aws.ssm.get_parameter, Name=name) else None,
    ),
)
