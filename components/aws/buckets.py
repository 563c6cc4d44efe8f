"""Two buckets, both closed to the public: one for jobs, one for the cluster's own objects."""

from dataclasses import dataclass

import pulumi
from pulumi_aws import s3

from components.aws.policies.services import bucket_policy
from components.aws.tags import named
from config.render.aws_bundle import DUMPS_PREFIX

UNFINISHED_UPLOAD_DAYS = 7


@dataclass(frozen=True, kw_only=True)
class BucketArgs:
    """How long what is gone can be brought back, and who guards it."""

    old_version_days: int
    expire: dict[str, int]
    """Prefix to days after which its objects go by themselves."""
    kms_key: str | None
    protect: bool
    tags: dict[str, str]


class Bucket(pulumi.ComponentResource):
    """A private, versioned, encrypted bucket that answers over TLS only."""

    name: pulumi.Output[str]
    arn: pulumi.Output[str]

    def __init__(
        self, name: str, args: BucketArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("hpcstack:aws:Bucket", name, None, opts)
        # What makes a bucket private and safe stays with one that stays.
        own = pulumi.ResourceOptions(parent=self, retain_on_delete=args.protect)
        bucket = s3.Bucket(
            name,
            # A bucket that is not protected goes with its objects, as its owner has chosen.
            force_destroy=not args.protect,
            tags=named(args.tags, name),
            opts=pulumi.ResourceOptions(
                parent=self, protect=args.protect, retain_on_delete=args.protect
            ),
        )
        s3.BucketPublicAccessBlock(
            name,
            bucket=bucket.id,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            opts=own,
        )
        s3.BucketOwnershipControls(
            name,
            bucket=bucket.id,
            rule=s3.BucketOwnershipControlsRuleArgs(object_ownership="BucketOwnerEnforced"),
            opts=own,
        )
        s3.BucketVersioning(
            name,
            bucket=bucket.id,
            versioning_configuration=s3.BucketVersioningVersioningConfigurationArgs(
                status="Enabled"
            ),
            opts=own,
        )
        s3.BucketServerSideEncryptionConfiguration(
            name, bucket=bucket.id, rules=[_encryption(args.kms_key)], opts=own
        )
        s3.BucketLifecycleConfiguration(name, bucket=bucket.id, rules=_lifecycle(args), opts=own)
        s3.BucketPolicy(name, bucket=bucket.id, policy=bucket.arn.apply(bucket_policy), opts=own)
        self.name, self.arn = bucket.id, bucket.arn
        self.register_outputs({"name": self.name, "arn": self.arn})


def system_bucket_expiry(dump_days: int) -> dict[str, int]:
    """What of the system bucket goes by itself."""
    return {DUMPS_PREFIX: dump_days}


def _encryption(key: str | None) -> s3.BucketServerSideEncryptionConfigurationRuleArgs:
    return s3.BucketServerSideEncryptionConfigurationRuleArgs(
        apply_server_side_encryption_by_default=(
            s3.BucketServerSideEncryptionConfigurationRuleApplyServerSideEncryptionByDefaultArgs(
                sse_algorithm="aws:kms" if key else "AES256", kms_master_key_id=key
            )
        ),
        # One request to KMS for many objects.
        bucket_key_enabled=bool(key),
    )


def _lifecycle(args: BucketArgs) -> list[s3.BucketLifecycleConfigurationRuleArgs]:
    rules = [
        s3.BucketLifecycleConfigurationRuleArgs(
            id="old-versions",
            status="Enabled",
            filter=s3.BucketLifecycleConfigurationRuleFilterArgs(prefix=""),
            noncurrent_version_expiration=(
                s3.BucketLifecycleConfigurationRuleNoncurrentVersionExpirationArgs(
                    noncurrent_days=args.old_version_days
                )
            ),
            abort_incomplete_multipart_upload=(
                s3.BucketLifecycleConfigurationRuleAbortIncompleteMultipartUploadArgs(
                    days_after_initiation=UNFINISHED_UPLOAD_DAYS
                )
            ),
        )
    ]
    rules += [
        s3.BucketLifecycleConfigurationRuleArgs(
            id=f"expire-{prefix.strip('/')}",
            status="Enabled",
            filter=s3.BucketLifecycleConfigurationRuleFilterArgs(prefix=prefix),
            expiration=s3.BucketLifecycleConfigurationRuleExpirationArgs(days=days),
        )
        for prefix, days in sorted(args.expire.items())
    ]
    return rules
