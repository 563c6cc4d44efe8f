"""slurmdbd.conf, without its password: slurmdbd's container adds that from a secret at start."""

from config.settings import ClusterSettings

DATABASE = "slurm_acct_db"
DATABASE_USER = "slurm"


def slurmdbd_conf(settings: ClusterSettings) -> str:
    """The file's text."""
    lines = [
        "DbdHost=slurmdbd",
        "DbdPort=6819",
        "SlurmUser=slurm",
        "PidFile=/run/slurmdbd/slurmdbd.pid",
        "AuthType=auth/slurm",
        "AuthInfo=use_client_ids",
        "AuthAltTypes=auth/jwt",
        "AuthAltParameters=jwt_key=/etc/slurm/jwt_hs256.key",
        "StorageType=accounting_storage/mysql",
        "StorageHost=mysql",
        f"StorageLoc={DATABASE}",
        f"StorageUser={DATABASE_USER}",
        f"DebugLevel={settings.slurm.debug}",
    ]
    if months := settings.database.purge_jobs_after_months:
        lines += [f"PurgeJobAfter={months}months", f"PurgeStepAfter={months}months"]
    if settings.monitoring.job_comments:
        # Each comment is a transaction, of which Slurm keeps a record for ever otherwise.
        lines.append("PurgeTXNAfter=1months")
    return "\n".join(lines) + "\n"
