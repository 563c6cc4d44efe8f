"""The whole path on AWS, as far as this machine can play it: from `pulumi up` to a job, and on."""

import json
from collections.abc import Iterator

import boto3
import pytest

from ops.down import down
from ops.up import up
from tests.cluster.running_cluster import await_value
from tests.rehearsal.account import REGION
from tests.rehearsal.booted import BootedCluster, booted_cluster, try_to_connect
from tests.rehearsal.measured import WANTED, asked, asked_by_panels, await_all
from tests.rehearsal.stack import complaints

pytestmark = pytest.mark.timeout(900)
LIMIT = 77
ROOT_ASKS = "import urllib.request as u; u.urlopen('http://127.0.0.1:6830/credentials')"


@pytest.fixture(scope="module")
def cluster(nobody: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BootedCluster]:
    """A cluster that `pulumi up` says is there. The tests of this module follow each other."""
    with booted_cluster(tmp_path_factory.mktemp("booted")) as made:
        made.must_up()
        yield made


def another_image(cluster: BootedCluster) -> None:
    """Exchange the controller's machine image, by which it is replaced."""
    aws = cluster.stack.settings()["aws"]
    now = aws["amis"]["x86_64"]
    images = cluster.stack.account.client("ec2").describe_images(
        Filters=[{"Name": "architecture", "Values": ["x86_64"]}]
    )["Images"]
    other = next(one["ImageId"] for one in images if one["ImageId"] != now)
    cluster.stack.configure(aws={**aws, "amis": {**aws["amis"], "x86_64": other}})


def test_when_the_update_ends_the_controller_answers(cluster: BootedCluster) -> None:
    assert cluster.ada("sinfo --noheader -o %R,%D,%T") == "cpu,4,idle~"
    assert cluster.controller.run("findmnt", "-no", "FSTYPE", "/data") == "xfs"
    assert cluster.must_up().steps == []


def test_a_job_runs_on_a_node_that_was_launched_for_it_named_and_booted(
    cluster: BootedCluster,
) -> None:
    job = cluster.submit("--output=out.txt", script="hostname; id -un; sacct -n -X -o user")
    cluster.await_state(job, "COMPLETED")
    assert cluster.ada("cat out.txt").split() == ["cpu-1", "ada", "ada"]
    (instance,) = (one.instance for one in cluster.nodes().values())
    found = cluster.stack.account.client("ec2").describe_instances(InstanceIds=[instance])
    (launched,) = found["Reservations"][0]["Instances"]
    assert launched["InstanceType"] == "c7i.large"
    address = cluster.ada("scontrol show node cpu-1 | grep -o NodeAddr=[0-9.]*")
    assert address == f"NodeAddr={launched['PrivateIpAddress']}"


def test_a_job_on_several_nodes_knows_them_by_name(cluster: BootedCluster) -> None:
    """Whatever names stand in the node's table from another machine of that name."""
    node = cluster.nodes()["cpu-1"]
    stale = "echo 192.0.2.1 cpu-2 >> /etc/hosts"
    node.run("docker", "exec", "slurmd", "sh", "-c", stale)
    job = cluster.submit(
        "--nodes=2",
        "--ntasks-per-node=1",
        "--output=names.txt",
        script="getent ahostsv4 cpu-1 cpu-2 | grep STREAM; mpirun hostname | sort",
    )
    cluster.await_state(job, "COMPLETED", 180)
    told = cluster.ada("cat names.txt").splitlines()
    form = r"scontrol show node cpu-[1-2] | grep -o NodeAddr=[0-9.]* | cut -d= -f2"
    addresses = cluster.ada(form).split()
    assert [line.split()[0] for line in told[:2]] == addresses, told
    assert told[2:] == ["cpu-1", "cpu-2"]


def test_everything_is_measured_machines_in_other_networks_too(cluster: BootedCluster) -> None:
    ask = "http://127.0.0.1:9090/api/v1/query?query=up"

    def silent() -> set[str]:
        answer = cluster.service("prometheus", "wget", "-q", "-O", "-", ask)
        found = json.loads(answer)["data"]["result"]
        up = {one["metric"]["job"] for one in found if one["value"][1] == "1"}
        up |= {one["metric"].get("node", "") for one in found if one["value"][1] == "1"}
        services = {"host", "node-manager", "job-exporter", "mysql", "slurm-jobs", "alertmanager"}
        return (services | {"cpu-1"}) - up

    await_value("all of them to be measured", lambda: not silent(), 90)


def test_what_alerts_and_panels_about_machines_ask_for_is_measured(
    cluster: BootedCluster,
) -> None:
    dump = cluster.agent("dump")
    assert dump in cluster.agent("dumps").splitlines()
    by_alerts, by_panels = asked(cluster), asked_by_panels(cluster)
    assert by_alerts.keys() == WANTED
    assert by_panels
    await_all(cluster, {**by_alerts, **by_panels}, 90)


def test_a_node_reaches_slurm_and_no_other_container(cluster: BootedCluster) -> None:
    node = cluster.nodes()["cpu-1"]
    form = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
    database = cluster.controller.run("docker", "inspect", "--format", form, "hpc-dev-mysql-1")
    host = cluster.controller.run("hostname", "-i")
    assert try_to_connect(node, host, 6817)
    # As the way out through the controller is for nodes: whatever is not of the VPC goes there.
    node.run("ip", "route", "add", "192.168.0.0/16", "via", host)
    assert not try_to_connect(node, database, 3306)
    assert not try_to_connect(node, host, 3306)


def test_what_is_backstage_a_user_reaches_neither_on_the_login_node_nor_in_a_job(
    cluster: BootedCluster,
) -> None:
    """Though the login node is in the host's network. Root, as who forwards ports by SSM, may."""
    form = "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}"
    backstage = [("127.0.0.1", 9093)]
    for service, port in (("alertmanager", 9093), ("mysql", 3306), ("mysqld-exporter", 9104)):
        inspect = ("docker", "inspect", "--format", form, f"hpc-dev-{service}-1")
        (address,) = cluster.controller.run(*inspect).split()
        backstage.append((address, port))
    knock = "timeout 3 bash -c 'exec 3<> /dev/tcp/{}/{}' 2>&1 || echo refused"
    for address, port in backstage:
        assert try_to_connect(cluster.controller, address, port)
        assert "refused" in cluster.ada(knock.format(address, port)), (address, port)
    # Two that are backstage, too, but have published a port: wherever the engine lets it end.
    host = cluster.controller.run("hostname", "-i")
    for address, port in (("127.0.0.1", 9090), (host, 6819)):
        assert "refused" not in cluster.ada(knock.format(address, port)), (address, port)
    # What nodes send to containers' addresses security groups keep out, which nobody plays here.
    for port in (9093, 9104):
        assert not try_to_connect(cluster.nodes()["cpu-1"], host, port)


def test_the_machines_role_is_roots_alone(cluster: BootedCluster) -> None:
    job = cluster.submit(
        "--output=role.txt",
        script='bash -c "exec 3<> /dev/tcp/169.254.169.254/80" 2>&1 | tail -1',
    )
    cluster.await_state(job, "COMPLETED")
    assert "refused" in cluster.ada("cat role.txt")
    assert try_to_connect(cluster.nodes()["cpu-1"], "169.254.169.254", 80)


def test_a_job_has_the_jobs_role_in_its_users_name(cluster: BootedCluster) -> None:
    program = (
        "import os, urllib.request as u; "
        'print(u.urlopen(os.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"]).read().decode())'
    )
    cluster.ada(f"echo '{program}' > keys.py")
    job = cluster.submit("--output=keys.txt", script="python3 keys.py; env")
    cluster.await_state(job, "COMPLETED")
    answer, *environment = cluster.ada("cat keys.txt").splitlines()
    keys = json.loads(answer)
    sts = boto3.client(
        "sts",
        region_name=REGION,
        endpoint_url=cluster.stack.account.endpoint,
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys["Token"],
    )
    role = cluster.stack.resource("dev-jobs", "Role")["id"]
    assert sts.get_caller_identity()["Arn"].endswith(f"assumed-role/{role}/ada")
    bucket = cluster.stack.resource("dev-jobs", "Bucket")["id"]
    assert {f"AWS_REGION={REGION}", f"HPC_STACK_DATA=s3://{bucket}"} <= set(environment)
    refused = cluster.nodes()["cpu-1"].try_run("python3", "-c", ROOT_ASKS)
    assert "403" in refused.stderr


def test_a_changed_limit_reaches_the_controller_that_runs(cluster: BootedCluster) -> None:
    cluster.stack.configure(accounts={"research": {"limits": {"grp_jobs": LIMIT}}})
    assert set(cluster.must_up().count) == {"update"}
    shown = cluster.ada("sacctmgr -n -P show assoc account=research user= format=grpjobs")
    assert str(LIMIT) in shown.split()


def test_a_restarted_controller_takes_up_where_it_was(cluster: BootedCluster) -> None:
    waiting = cluster.submit("--begin=now+1hour", script="true")
    before = cluster.controller.instance
    cluster.controller.restart()
    await_value(
        "slurmctld",
        lambda: (
            cluster.controller.try_run(
                "docker", "exec", "hpc-dev-slurmctld-1", "scontrol", "ping"
            ).returncode
            == 0
        ),
        120,
    )
    assert cluster.controller.instance == before
    cluster.await_state("1", "COMPLETED")
    assert cluster.ada(f"squeue -h -o %T -j {waiting}") == "PENDING"
    assert cluster.controller.run("findmnt", "-no", "FSTYPE", "/data") == "xfs"


def test_a_cluster_that_was_stopped_comes_back_with_its_queue(
    cluster: BootedCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By `make down` and `make up`; a job that ran begins again on another node."""
    for name, value in cluster.stack.account.environment().items():
        monkeypatch.setenv(name, value)
    waiting = cluster.submit("--begin=now+1hour", script="true")
    script = "echo begun >> stopped.txt; until test -e on; do sleep 0.2; done"
    running = cluster.submit(script=script)
    await_value("the job", lambda: cluster.ada("cat stopped.txt || true") == "begun", 90)
    before = cluster.controller.instance
    down(cluster.here())
    await_value("nodes have ended", lambda: list(cluster.player.machines) == [before], 60)
    await_value(
        "the controller is off", lambda: cluster.controller.try_run("true").returncode != 0, 120
    )
    up(cluster.here())
    cluster.ada("touch on")
    cluster.await_state(running, "COMPLETED", 180)
    assert cluster.ada("cat stopped.txt").split() == ["begun", "begun"]
    assert cluster.ada(f"squeue -h -o %T -j {waiting}") == "PENDING"
    assert cluster.controller.instance == before


def test_a_replaced_controller_keeps_queue_accounting_and_what_runs(cluster: BootedCluster) -> None:
    running = cluster.submit("--output=done.txt", script="until test -e go; do sleep 0.2; done")
    cluster.await_state(running, "RUNNING")
    waiting = cluster.submit(f"--dependency=afterok:{running}", script="true")
    before = cluster.controller.instance
    another_image(cluster)
    cluster.must_up()
    assert cluster.controller.instance != before
    cluster.await_state("1", "COMPLETED")
    assert cluster.ada(f"squeue -h -o %T -j {running},{waiting}").split() == ["PENDING", "RUNNING"]
    cluster.ada("touch go")
    cluster.await_state(waiting, "COMPLETED")
    cluster.await_state(running, "COMPLETED")


def test_a_volume_with_something_else_on_it_is_not_formatted(cluster: BootedCluster) -> None:
    """And a host that does not boot ends the update with its reason."""
    (file,) = cluster.player.volumes_of(cluster.controller.instance).values()
    store = cluster.player.place.store
    another_image(cluster)
    with cluster.player.before_boot(
        lambda: store.run("sh", "-c", f"cp --sparse=always {file} {file}.good; "
                          f"dd if=/dev/urandom of={file} bs=64K count=1 conv=notrunc")
    ):  # fmt: skip
        done = cluster.up()
    assert done.status != 0
    told = complaints(done.output)
    assert "has no known file system, but it is not empty either" in told
    assert "Traceback" in told.partition("The end of its log:")[2]
    assert cluster.controller.try_run("findmnt", "/data").returncode != 0


def test_once_repaired_everything_is_as_it_was(cluster: BootedCluster) -> None:
    (file,) = cluster.player.volumes_of(cluster.controller.instance).values()
    another_image(cluster)
    store = cluster.player.place.store
    with cluster.player.before_boot(lambda: store.run("mv", f"{file}.good", file)):
        cluster.must_up()
    cluster.await_state("1", "COMPLETED")
    assert cluster.ada("sinfo --noheader -o %R") == "cpu"


def test_the_end_stops_every_machine(cluster: BootedCluster) -> None:
    cluster.stack.must("destroy", "--yes", "--skip-preview")
    assert cluster.stack.resources() == []
    await_value("machines have ended", lambda: not cluster.player.machines, 120)
