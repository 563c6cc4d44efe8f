"""ECR, CloudWatch, DLM, and what else is kept as it was declared."""

from botocore.exceptions import ClientError

from tests.rehearsal.aws_provider.kind import Aws, Kind, Values, given, pairs
from tests.rehearsal.aws_provider.network import gone


def _create_repository(aws: Aws, inputs: Values) -> tuple[str, Values]:
    encryption = inputs["encryptionConfigurations"][0]
    made = aws.ecr.create_repository(
        repositoryName=inputs["name"],
        imageTagMutability=inputs["imageTagMutability"],
        imageScanningConfiguration={
            "scanOnPush": inputs["imageScanningConfiguration"]["scanOnPush"]
        },
        encryptionConfiguration=given(encryption, encryptionType="encryptionType", kmsKey="kmsKey"),
        tags=pairs(inputs.get("tags")),
    )["repository"]
    return inputs["name"], {
        "arn": made["repositoryArn"],
        "registryId": made["registryId"],
        "repositoryUrl": made["repositoryUri"],
    }


def _update_repository(aws: Aws, name: str, old: Values, new: Values) -> Values:
    arn = aws.arn("ecr", f"repository/{name}")
    aws.ecr.tag_resource(resourceArn=arn, tags=pairs(new.get("tags")))
    aws.ecr.put_image_tag_mutability(
        repositoryName=name, imageTagMutability=new["imageTagMutability"]
    )
    return {}


def _read_repository(aws: Aws, name: str, inputs: Values) -> Values | None:
    try:
        aws.ecr.describe_repositories(repositoryNames=[name])
    except ClientError as error:
        if gone(error):
            return None
        raise
    return {}


def _put_image_policy(aws: Aws, inputs: Values) -> tuple[str, Values]:
    aws.ecr.put_lifecycle_policy(
        repositoryName=inputs["repository"], lifecyclePolicyText=inputs["policy"]
    )
    return inputs["repository"], {}


def _create_log_group(aws: Aws, inputs: Values) -> tuple[str, Values]:
    name = inputs["name"]
    aws.logs.create_log_group(logGroupName=name, tags=dict(inputs.get("tags") or {}))
    _retain(aws, name, {}, inputs)
    return name, {"arn": aws.arn("logs", f"log-group:{name}")}


def _retain(aws: Aws, name: str, old: Values, new: Values) -> Values:
    if days := new.get("retentionInDays"):
        aws.logs.put_retention_policy(logGroupName=name, retentionInDays=int(days))
    aws.logs.tag_log_group(logGroupName=name, tags=dict(new.get("tags") or {}))
    return {}


def _read_log_group(aws: Aws, name: str, inputs: Values) -> Values | None:
    groups = aws.logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    return {} if any(one["logGroupName"] == name for one in groups) else None


def _put_alarm(aws: Aws, inputs: Values) -> tuple[str, Values]:
    name = inputs["name"]
    aws.cloudwatch.put_metric_alarm(
        AlarmName=name,
        Dimensions=pairs(inputs.get("dimensions"), "Name", "Value"),
        Period=int(inputs["period"]),
        EvaluationPeriods=int(inputs["evaluationPeriods"]),
        Threshold=float(inputs["threshold"]),
        **given(
            inputs,
            AlarmDescription="alarmDescription",
            Namespace="namespace",
            MetricName="metricName",
            Statistic="statistic",
            ComparisonOperator="comparisonOperator",
            TreatMissingData="treatMissingData",
            AlarmActions="alarmActions",
        ),
        Tags=pairs(inputs.get("tags")),
    )
    return name, {"arn": aws.arn("cloudwatch", f"alarm:{name}")}


def _read_alarm(aws: Aws, name: str, inputs: Values) -> Values | None:
    return {} if aws.cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"] else None


def _stored(token: str, service: str, *, named: str = "", **kind: tuple[str, ...]) -> Kind:
    """A resource that moto does not know, kept as it was declared."""

    def create(aws: Aws, inputs: Values) -> tuple[str, Values]:
        name = inputs[named] if named else f"{service}-{len(aws.store.all()):08x}"
        aws.store.put(f"{service}/{name}", dict(inputs))
        return name, {"arn": aws.arn(service, f"{token.rpartition(':')[2]}/{name}")}

    def update(aws: Aws, name: str, old: Values, new: Values) -> Values:
        aws.store.put(f"{service}/{name}", dict(new))
        return {}

    return Kind(
        token=token,
        required=kind["required"],
        optional=kind["optional"],
        outputs=("arn",),
        replaces=kind.get("replaces", ()),
        named=named,
        create=create,
        update=update,
        delete=lambda aws, name, inputs: aws.store.drop(f"{service}/{name}"),
        read=lambda aws, name, inputs: (
            {} if aws.store.get(f"{service}/{name}") is not None else None
        ),
    )


KINDS = (
    Kind(
        token="aws:ecr/repository:Repository",
        required=("name",),
        optional=(
            "imageTagMutability", "imageScanningConfiguration", "encryptionConfigurations",
            "forceDelete", "tags",
        ),
        outputs=("arn", "registryId", "repositoryUrl"),
        replaces=("name", "encryptionConfigurations"),
        create=_create_repository,
        update=_update_repository,
        delete=lambda aws, name, inputs: aws.ecr.delete_repository(
            repositoryName=name, force=bool(inputs.get("forceDelete"))
        ),
        read=_read_repository,
    ),
    Kind(
        token="aws:ecr/lifecyclePolicy:LifecyclePolicy",
        required=("repository", "policy"),
        replaces=("repository",),
        create=_put_image_policy,
        update=lambda aws, name, old, new: _put_image_policy(aws, new)[1],
        delete=lambda aws, name, inputs: aws.ecr.delete_lifecycle_policy(repositoryName=name),
        read=_read_repository,
    ),
    Kind(
        token="aws:cloudwatch/logGroup:LogGroup",
        optional=("name", "retentionInDays", "tags"),
        outputs=("arn",),
        replaces=("name",),
        named="name",
        create=_create_log_group,
        update=_retain,
        delete=lambda aws, name, inputs: aws.logs.delete_log_group(logGroupName=name),
        read=_read_log_group,
    ),
    Kind(
        token="aws:cloudwatch/metricAlarm:MetricAlarm",
        required=("comparisonOperator", "evaluationPeriods"),
        optional=(
            "name", "alarmDescription", "namespace", "metricName", "dimensions", "statistic",
            "period", "threshold", "treatMissingData", "alarmActions", "tags",
        ),
        outputs=("arn",),
        replaces=("name",),
        named="name",
        create=_put_alarm,
        update=lambda aws, name, old, new: _put_alarm(aws, new)[1],
        delete=lambda aws, name, inputs: aws.cloudwatch.delete_alarms(AlarmNames=[name]),
        read=_read_alarm,
    ),
    _stored(
        "aws:dlm/lifecyclePolicy:LifecyclePolicy",
        "dlm",
        required=("description", "executionRoleArn", "policyDetails"),
        optional=("state", "tags"),
    ),
    _stored(
        "aws:ec2/placementGroup:PlacementGroup",
        "placement",
        named="name",
        required=("strategy",),
        optional=("name", "tags"),
        replaces=("name", "strategy"),
    ),
)  # fmt: skip
