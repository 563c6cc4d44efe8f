"""A cluster with a long history and a long queue, made quickly: records by SQL, jobs held."""

from tests.bench.bench_cluster import USER, say
from tests.cluster.running_cluster import RunningCluster, docker

FINISHED = 100_000
WAITING = 2_000

# slurmdbd's own tables: the newest record, again and again, with ends from now backwards.
_COPY = """
SET SESSION cte_max_recursion_depth = {count};
CREATE TEMPORARY TABLE one AS SELECT * FROM {cluster}_job_table ORDER BY job_db_inx DESC LIMIT 1;
CREATE TEMPORARY TABLE its_step AS SELECT s.* FROM {cluster}_step_table s JOIN one
  ON s.job_db_inx = one.job_db_inx AND s.id_step >= 0 LIMIT 1;
CREATE TEMPORARY TABLE numbers AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n
  WHERE i < {count}) SELECT i FROM n;
SET @first = (SELECT MAX(job_db_inx) FROM {cluster}_job_table);
SET @end = (SELECT MAX(time_end) FROM one);
SET @each = 86400 / {count};
UPDATE one SET state = 3;
"""


def finish_many(cluster: RunningCluster) -> None:
    """Give accounting the records of FINISHED jobs that ended in the last 24 hours."""
    cluster.run(USER, "srun true")
    columns = _columns(cluster, "job_table")
    changed = {
        "job_db_inx": "@first + i",
        "id_job": "1000000 + i",
        "time_submit": "FLOOR(@end - i * @each) - 30",
        "time_eligible": "FLOOR(@end - i * @each) - 30",
        "time_start": "FLOOR(@end - i * @each) - 20",
        "time_end": "FLOOR(@end - i * @each)",
    }
    picked = ", ".join(changed.get(name, f"`{name}`") for name in columns)
    names = ", ".join(f"`{name}`" for name in columns)
    step_columns = _columns(cluster, "step_table")
    step_changed = {
        "job_db_inx": "@first + i",
        "time_start": "FLOOR(@end - i * @each) - 20",
        "time_end": "FLOOR(@end - i * @each)",
    }
    step_picked = ", ".join(step_changed.get(name, f"`{name}`") for name in step_columns)
    step_names = ", ".join(f"`{name}`" for name in step_columns)
    prefix = cluster.name
    _sql(
        cluster,
        _COPY.format(count=FINISHED, cluster=prefix)
        + f"INSERT INTO {prefix}_job_table ({names}) SELECT {picked} FROM one, numbers;"
        + f"INSERT INTO {prefix}_step_table ({step_names})"
        f" SELECT {step_picked} FROM its_step, numbers;",
    )
    say(f"{FINISHED} records of jobs of a day are in accounting")


def queue_many(cluster: RunningCluster) -> None:
    """WAITING jobs that nobody starts."""
    script = f"for n in $(seq {WAITING}); do sbatch --hold --quiet --wrap=true; done"
    cluster.run(USER, script, timeout=600)
    say(f"{WAITING} jobs are in the queue")


def unqueue(cluster: RunningCluster) -> None:
    """Take them away again."""
    cluster.run(USER, f"scancel --user={USER}", timeout=300)


def _columns(cluster: RunningCluster, table: str) -> list[str]:
    listed = (
        "SELECT column_name FROM information_schema.columns WHERE table_schema = 'slurm_acct_db' "
        f"AND table_name = '{cluster.name}_{table}' ORDER BY ordinal_position"
    )
    return _sql(cluster, listed).split()


def _sql(cluster: RunningCluster, statements: str) -> str:
    client = (
        'MYSQL_PWD="$(cat /run/secrets/database_root_password)" '
        f"mysql --user=root --skip-column-names slurm_acct_db <<'SQL'\n{statements}\nSQL"
    )
    return docker("exec", cluster.container("mysql"), "sh", "-c", client)
