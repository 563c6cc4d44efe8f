"""What is done to the cluster: act by act, those of one act at the same time; or throughout."""

import json
import subprocess
from collections.abc import Iterator
from typing import Any

from tests.alerts.recorded import LOW_LIMIT
from tests.cluster.running_cluster import await_value, docker
from tests.live_alerts.deed import deed
from tests.live_alerts.scene import FILLER, RECEIVER, VISITOR, Scene, setting, with_document

LEDGER = "/var/lib/hpc-stack/ledger"
BLOCK = "01HZZZZZZZZZZZZZZZZZZZZZZZ"
PATIENCE = 2400.0
"""Seconds until the scheduler works again."""


@deed(
    "NodeKeepsFailing",
    stay=frozenset({"NodeKeepsFailing"}),
    about={"node": "flaky-"},
    within=100 * 60,
)
def a_node_that_dies_whenever_it_is_tried(scene: Scene) -> Iterator[None]:
    with scene.killed_starts("flaky"):
        # Many: one whose nodes die too often is held.
        job = scene.submit("flaky", "true", "ada", "--array=1-50")
        yield
    scene.cluster.run("ada", f"scancel {job}")
    # It may be on its way, which is as good.
    scene.cluster.attempt("carol", "scontrol update nodename=flaky-1 state=resume")
    scene.cluster.finish(scene.submit("flaky"), seconds=PATIENCE)


@deed("PoolAtLimit", about={"pool": "wide"}, within=100 * 60)
def a_pool_for_which_no_memory_is_left(scene: Scene) -> Iterator[None]:
    scene.cluster.finish(scene.submit("cpu"))
    job = scene.submit("wide")
    yield
    scene.cluster.run("ada", f"scancel {job}")


@deed("JobsUnpriced", stay=frozenset({"JobsUnpriced"}))
def a_ledger_that_was_lost(scene: Scene) -> Iterator[None]:
    # Machines that still run would be noted again.
    scene.stop("job-exporter")
    scene.cluster.finish(scene.submit("brief"))
    _wait_until_gone(scene, "brief")
    each = "for f in lives-*.jsonl; do {} ; done"
    scene.inside("node-manager", f"cd {LEDGER}; " + each.format('cp "$f" "$f.kept"; : > "$f"'))
    scene.start("job-exporter")
    yield
    both = 'cat "$f.kept" "$f" > "$f.both"; cat "$f.both" > "$f"; rm "$f.kept" "$f.both"'
    scene.inside("node-manager", f"cd {LEDGER}; " + each.format(both))


@deed(
    *("BudgetNear", "BudgetReached", "CostAboveLimit"),
    # Prometheus is restarted at its end.
    until=("NothingScraped", "MetricsMissing", "RulesFailing", "PrometheusStorageFailing"),
)
def less_money_than_was_spent(scene: Scene) -> Iterator[None]:
    job = scene.submit("cpu", "sleep 90", "eve", "--time=2", "--exclusive", "--account=paid")
    scene.cluster.finish(scene.submit("cpu", "true", "ada", "--nodes=2"), seconds=180)
    scene.cluster.finish(job, seconds=240)
    lower_budget, lower_limit = (
        setting("budget_dollars", "0.01"),
        setting("max_cost_per_hour", f"{LOW_LIMIT}"),
    )
    scene.apply(lambda text: lower_limit(lower_budget(text)))
    yield
    more, higher = setting("budget_dollars", "9"), setting("max_cost_per_hour", "50")
    scene.apply(lambda text: higher(more(text)))


@deed("MysqlUnobserved")
def an_exporter_that_mysql_does_not_let_in(scene: Scene) -> Iterator[None]:
    _mysql(scene, "ALTER USER exporter@'%' ACCOUNT LOCK;")
    # It would go on with the connection that it has.
    docker("restart", scene.cluster.container("mysqld-exporter"))
    yield
    _mysql(scene, "ALTER USER exporter@'%' ACCOUNT UNLOCK;")


def _mysql(scene: Scene, statement: str) -> None:
    client = 'MYSQL_PWD="$(cat /run/secrets/database_root_password)" mysql --user=root'
    scene.inside("mysql", f'{client} -e "{statement}"')


@deed("LaunchesFailing", about={"pool": "taken"})
def names_that_somebody_has_taken(scene: Scene) -> Iterator[None]:
    names = [f"hpc-alerts-taken-{number}" for number in (1, 2)]
    image = docker("inspect", "--format", "{{.Image}}", scene.cluster.container("login"))
    for name in names:
        docker("create", "--name", name, "--label", VISITOR, image)
    try:
        job = scene.submit("taken")
        yield
    finally:
        docker("rm", *names)
    scene.manager("resume", "taken")
    scene.cluster.finish(job, seconds=PATIENCE)


@deed("NodesNotRegistering", about={"pool": "mute"})
def nodes_that_hang_while_they_start(scene: Scene) -> Iterator[None]:
    with scene.frozen_starts("mute"):
        job = scene.submit("mute")
        yield
    scene.manager("resume", "mute")
    scene.cluster.finish(job, seconds=PATIENCE)


@deed("NodeStartsSlow", about={"pool": "slow"})
def nodes_that_take_long_to_start(scene: Scene) -> Iterator[None]:
    with scene.frozen_starts("slow", 46):
        scene.cluster.finish(scene.submit("slow"), seconds=180)
        yield
    for _ in range(3):
        scene.cluster.finish(scene.submit("slow"), seconds=PATIENCE)
        _wait_until_gone(scene, "slow")


def _wait_until_gone(scene: Scene, pool: str) -> None:
    def gone() -> bool:
        return not [node for node in scene.cluster.node_containers() if node.startswith(pool)]

    await_value(f"nodes of {pool} to go", gone, PATIENCE, 1)


@deed("TerminationsFailing", stay=frozenset({"TerminationsFailing"}), about={"pool": "stuck"})
def a_container_that_cannot_be_removed(scene: Scene) -> Iterator[None]:
    job = scene.submit("stuck", "sleep 20")
    container = await_value("the node", lambda: scene.cluster.node_containers().get("stuck-1"), 60)
    upper = docker("inspect", "--format", "{{.GraphDriver.Data.UpperDir}}", container)
    subprocess.run(("touch", f"{upper}/kept"), check=True)
    subprocess.run(("chattr", "+i", f"{upper}/kept"), check=True)
    try:
        scene.cluster.finish(job)
        yield
    finally:
        subprocess.run(("chattr", "-i", f"{upper}/kept"), check=True)
    _wait_until_gone(scene, "stuck")


@deed("NodeOutOfService", begin=("NodeDrainedLong",), about={"node": "kept-"})
def nodes_that_were_taken_out(scene: Scene) -> Iterator[None]:
    script = "srun true && touch kept-runs; sleep 3000"
    running = scene.submit("kept", script, "ada", "--nodes=2", "--exclusive")
    runs = "test -e kept-runs"
    await_value("the job", lambda: scene.cluster.attempt("ada", runs).returncode == 0, 120)
    drain = "scontrol update nodename={} state=drain reason='{}'"
    scene.cluster.run("carol", drain.format("kept-1", "Kill task failed"))
    scene.cluster.run("carol", drain.format("kept-2", "fan is loud"))
    yield
    scene.cluster.run("carol", "scontrol update nodename=kept-[1-2] state=resume")
    scene.cluster.run("carol", f"scancel {running}")


@deed("PoolBraked", about={"pool": "braked"})
def a_pool_that_was_stopped(scene: Scene) -> Iterator[None]:
    scene.inside("node-manager", "echo 'tests want it' > /run/fleet/brake/braked")
    yield
    scene.manager("resume", "braked")


@deed("NothingScraped", "MetricsMissing", last=True)
def a_configuration_that_lacks_targets_and_metrics(scene: Scene) -> Iterator[None]:
    def change(document: dict[str, Any]) -> None:
        jobs = document["scrape_configs"]
        document["scrape_configs"] = [one for one in jobs if one["job_name"] != "slurm-accounts"]
        (host,) = (one for one in jobs if one["job_name"] == "host")
        dropped = {"source_labels": ["__name__"], "regex": "node_vmstat_pswpin", "action": "drop"}
        host["metric_relabel_configs"] = [dropped]

    with scene.edited("prometheus", "/etc/prometheus/prometheus.yml", with_document(change)):
        yield


@deed("RulesFailing", last=True)
def a_rule_that_cannot_be_evaluated(scene: Scene) -> Iterator[None]:
    def change(document: dict[str, Any]) -> None:
        rule = {"record": "same", "expr": 'label_replace(up, "job", "same", "", "") * 0'}
        broken = "sum without (instance, node, pool) (up) * on () group_left () up"
        rules = [rule, {"record": "many", "expr": broken}]
        document["groups"].append({"name": "broken", "rules": rules})

    with scene.edited("prometheus", "/etc/prometheus/alerts.yml", with_document(change)):
        yield


@deed("ConfigurationRefused", last=True)
def a_configuration_that_is_none(scene: Scene) -> Iterator[None]:
    path = "/etc/alertmanager/alertmanager.yml"
    with scene.edited("alertmanager", path, lambda text: f"{text}\nnothing: here\n"):
        yield


@deed("PrometheusStorageFailing", last=True)
def a_damaged_block_of_measurements(scene: Scene) -> Iterator[None]:
    meta = {"ulid": BLOCK, "minTime": 0, "maxTime": 7_200_000, "version": 1, "stats": {},
            "compaction": {"level": 1, "sources": [BLOCK]}}  # fmt: skip
    path = f"/prometheus/{BLOCK}"
    prometheus = scene.cluster.container("prometheus")
    docker("exec", prometheus, "mkdir", path)
    scene.write("prometheus", f"{path}/meta.json", json.dumps(meta))
    yield
    docker("exec", prometheus, "rm", "-rf", path)


@deed("AlertsNotSent")
def a_receiver_that_does_not_answer(scene: Scene) -> Iterator[None]:
    yield
    # From here on it does, and keeps what it is told.
    image = docker("inspect", "--format", "{{.Image}}", scene.cluster.container("login"))
    (network,) = docker(
        *(
            "inspect",
            "--format",
            "{{range $name, $_ := .NetworkSettings.Networks}}{{$name}}{{end}}",
        ),
        scene.cluster.container("alertmanager"),
    ).split()
    docker(
        *("run", "--detach", "--rm", "--name", RECEIVER, "--label", VISITOR, "--network", network),
        *("--entrypoint", "python3", image, "-c", _RECEIVER),
    )


_RECEIVER = """
from http.server import BaseHTTPRequestHandler, HTTPServer
class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        print(self.rfile.read(int(self.headers["Content-Length"])).decode(), flush=True)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"ok")  # as Slack does
    def log_message(self, *_):
        pass
HTTPServer(("", 8080), Receiver).serve_forever()
"""


@deed("NativeMetricsMissing", last=True)
def metrics_that_slurmctld_does_not_show(scene: Scene) -> Iterator[None]:
    with scene.slurm_conf(lambda text: text + "PrivateData=jobs\n"):
        yield


@deed("SchedulerStopped", "QueueStuck", last=True)
def a_scheduler_that_stands_still(scene: Scene) -> Iterator[None]:
    def stopped(text: str) -> str:
        text = text.replace("SchedulerParameters=", "SchedulerParameters=sched_interval=-1,")
        return text.replace("bf_interval=30", "bf_interval=-1")

    with scene.slurm_conf(stopped):
        jobs = [scene.submit("brief", "true", "ada", "--exclusive") for _ in range(3)]
        yield
    for job in jobs:
        scene.cluster.finish(job, seconds=300)


@deed(
    *("MysqlDown", "SlurmdbdDown", "JobExporterStale", "SlurmdbdQueueGrowing", "BudgetUnobserved"),
    after=("NativeMetricsMissing",),
)
def a_database_that_is_away(scene: Scene) -> Iterator[None]:
    scene.stop("mysql")
    # What it had counted is lost as well.
    exporter = scene.cluster.container("job-exporter")
    docker("exec", exporter, "rm", "-f", "/var/lib/hpc-stack/exporter/state.json")
    docker("restart", exporter)
    many = "for n in $(seq 150); do sbatch --quiet --job-name=many --hold --wrap=true; done"
    scene.cluster.run("ada", f"{many}; scancel --name=many", timeout=300)
    yield
    scene.start("mysql")


@deed("AlertmanagerDown", "AlertmanagerUnreachable", last=True)
def an_alertmanager_that_is_away(scene: Scene) -> Iterator[None]:
    scene.stop("alertmanager")
    yield
    scene.start("alertmanager")


@deed("DiskFullIn4Hours", "DiskNearlyFull")
def a_disk_that_fills(scene: Scene) -> Iterator[None]:
    # Space is taken and not written: of the disk with the engine's data, until little is free.
    image = docker("inspect", "--format", "{{.Image}}", scene.cluster.container("login"))
    docker(
        *("run", "--detach", "--rm", "--name", FILLER, "--label", VISITOR, "--network", "none"),
        *("--entrypoint", "python3", image, "-c", _FILLER),
    )
    yield
    docker("rm", "--force", "--volumes", FILLER)


_FILLER = """
import os, time
def free():
    found = os.statvfs("/")
    return found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize
def take(file, share):
    left, size = free()
    more = min(int(left * share), int(left - 0.046 * size))
    if more > 0:
        os.posix_fallocate(file.fileno(), os.fstat(file.fileno()).st_size, more)
begun = time.time()
with open("/tmp/filler", "wb") as file:
    while time.time() < begun + 14 * 60:
        take(file, 15 / 7200)
        time.sleep(15)
    take(file, 1)
    time.sleep(3600)
"""


@deed(
    *("SlurmctldDown", "NodeManagerStuck", "JobQueueUnobserved"),
)
def a_slurmctld_that_is_away(scene: Scene) -> Iterator[None]:
    scene.stop("slurmctld")
    yield
    scene.start("slurmctld")


@deed("HostExporterDown", "MysqlExporterDown")
def exporters_that_are_away(scene: Scene) -> Iterator[None]:
    scene.stop("node-exporter", "mysqld-exporter")
    yield
    scene.start("node-exporter", "mysqld-exporter")


@deed("NodeManagerDown", "JobExporterDown")
def a_node_manager_that_is_away(scene: Scene) -> Iterator[None]:
    scene.stop("node-manager", "job-exporter")
    yield
    scene.start("node-manager", "job-exporter")


THROUGHOUT = (a_node_that_dies_whenever_it_is_tried, a_pool_for_which_no_memory_is_left)
"""What must last for an hour until somebody is told."""

ACTS = (
    (a_ledger_that_was_lost,),
    (
        less_money_than_was_spent,
        an_exporter_that_mysql_does_not_let_in,
        a_configuration_that_lacks_targets_and_metrics,
        a_rule_that_cannot_be_evaluated,
        a_configuration_that_is_none,
        a_damaged_block_of_measurements,
        a_receiver_that_does_not_answer,
    ),
    (
        names_that_somebody_has_taken,
        nodes_that_hang_while_they_start,
        nodes_that_take_long_to_start,
        a_container_that_cannot_be_removed,
        nodes_that_were_taken_out,
        a_pool_that_was_stopped,
        metrics_that_slurmctld_does_not_show,
        a_scheduler_that_stands_still,
        a_database_that_is_away,
        an_alertmanager_that_is_away,
        a_disk_that_fills,
    ),
    (a_slurmctld_that_is_away, exporters_that_are_away),
    (a_node_manager_that_is_away,),
)
