"""What an ordinary user cannot do, and where secrets are not."""

import json
import subprocess
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import quote

import pytest

from config.render.compose import SECRETS
from tests.cluster.running_cluster import RunningCluster, await_value, docker
from tests.cluster.watching import ask

VERSION = "v0.0.45"


def _rest(
    cluster: RunningCluster, path: str, token: str | None, body: dict[str, Any] | None = None
) -> Any:
    headers = {"Content-Type": "application/json"}
    if token:
        headers["X-SLURM-USER-TOKEN"] = token
    request = urllib.request.Request(  # noqa: S310 - the address is this cluster's own
        f"{cluster.rest}{path}", headers=headers, data=json.dumps(body).encode() if body else None
    )
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
        return json.load(answer)


def _token(cluster: RunningCluster, user: str) -> str:
    return cluster.run(user, "scontrol token lifespan=300").partition("=")[2]


def test_a_job_is_submitted_by_rest_with_a_users_token(cluster: RunningCluster) -> None:
    token = _token(cluster, "ada")
    job = _rest(
        cluster,
        "job/submit",
        token,
        {
            "script": "#!/bin/bash\nid -un\n",
            "job": {
                "name": "by-rest",
                "partition": "brief",
                "current_working_directory": "/home/ada",
                "environment": ["PATH=/usr/bin:/bin"],
                "memory_per_node": {"number": 100, "set": True, "infinite": False},
            },
        },
    )
    job_id = str(job["job_id"])
    cluster.finish(job_id)
    assert cluster.output(job_id) == "ada"
    assert _rest(cluster, f"job/{job_id}", token)["jobs"][0]["user_name"] == "ada"


@pytest.mark.parametrize("token", [None, "nonsense", "eyJhbGciOiJub25lIn0.e30."])
def test_rest_refuses_whoever_has_no_valid_token(
    cluster: RunningCluster, token: str | None
) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        _rest(cluster, "jobs", token)
    # slurmrestd answers a bad token with 511, and none with 401.
    assert refused.value.code in (401, 511)
    assert b"job_id" not in refused.value.read()


def test_a_user_can_neither_make_a_token_for_another_nor_administer(
    cluster: RunningCluster,
) -> None:
    for command in (
        "scontrol token username=carol",
        "scontrol update nodename=cpu-1 state=drain reason=mine",
        "scontrol update partitionname=cpu state=down",
        "scontrol reconfigure",
        "sacctmgr -i modify account where name=class set MaxJobs=100",
        "sacctmgr -i add user ben account=teaching",
    ):
        assert cluster.attempt("ben", command).returncode != 0, command
    # The same is granted to an admin.
    cluster.run("carol", "scontrol update partitionname=brief state=drain")
    cluster.run("carol", "scontrol update partitionname=brief state=up")


_BECOME_ROOT = """
su -c id 2>&1; sudo -n id 2>&1
cp /bin/bash mine && chmod u+s mine
cat /etc/slurm/slurm.key /etc/slurm/jwt_hs256.key /run/secrets/* 2>&1
cat /etc/shadow /var/lib/extrausers/shadow 2>&1
ls /var/run/docker.sock 2>&1
kill -9 1 2>&1
head -c1 /proc/1/environ 2>&1
id -u
"""


@pytest.mark.parametrize("where", ["login", "node"])
def test_an_ordinary_user_is_not_root_and_reads_no_key(cluster: RunningCluster, where: str) -> None:
    if where == "login":
        said = cluster.attempt("ada", _BECOME_ROOT).stdout
    else:
        job = cluster.submit("ada", _BECOME_ROOT)
        cluster.finish(job)
        said = cluster.output(job)
    assert said.splitlines()[-1] == "2001"
    assert "uid=0" not in said
    assert not any(secret in said for secret in _secrets(cluster))
    assert said.count("Permission denied") >= 3


_KNOCK = """
for place in {places}; do
    (timeout 3 bash -c "exec 3<> /dev/tcp/$place" 2> /dev/null && echo $place answers) &
done
wait
echo asked
"""
"""Which of some places, each an address and a port with a slash between them, take connections."""


@pytest.mark.parametrize("where", ["login", "node"])
def test_what_is_backstage_is_out_of_a_users_reach(cluster: RunningCluster, where: str) -> None:
    """Neither by name nor by address. Who is in both networks still reaches what is there."""
    form = "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}"
    places = ["prometheus/9090", "slurmdbd/6819"]
    for service, port in (("alertmanager", 9093), ("mysql", 3306), ("mysqld-exporter", 9104)):
        (address,) = docker("inspect", "--format", form, cluster.container(service)).split()
        places += [f"{service}/{port}", f"{address}/{port}"]
    script = _KNOCK.format(places=" ".join(places))
    if where == "login":
        said = cluster.run("ada", script)
    else:
        job = cluster.submit("ada", script)
        cluster.finish(job)
        said = cluster.output(job)
    assert sorted(said.splitlines()) == [
        "asked",
        "prometheus/9090 answers",
        "slurmdbd/6819 answers",
    ]
    outputs = cluster.stack.outputs()
    # Whose machine it is reaches it as before.
    assert ask(f"{outputs['alertmanager']}api/v2/status")["config"]
    api = f"{outputs['prometheus']}api/v1"
    up = quote('up{job="alertmanager"} == 1 and on () up{job="mysql"} == 1 and on () mysql_up == 1')
    await_value(
        "Alertmanager and MySQL to be measured",
        lambda: ask(f"{api}/query?query={up}")["data"]["result"],
        60,
        1,
    )
    (known,) = ask(f"{api}/alertmanagers")["data"]["activeAlertmanagers"]
    assert known["url"] == "http://alertmanager:9093/api/v2/alerts"


def _secrets(cluster: RunningCluster) -> list[str]:
    state = json.loads(cluster.stack.pulumi("stack", "export", "--show-secrets"))
    found = [
        row["outputs"]["stdout"]["plaintext"]
        for row in state["deployment"]["resources"]
        if row["urn"].endswith(("-key", "-password"))
    ]
    secrets = [json.loads(text) for text in found]
    assert len(secrets) == len(SECRETS)
    assert all(len(secret) == 64 for secret in secrets)
    return secrets


def test_no_secret_is_in_plain_state_in_inspect_in_arguments_or_in_logs(
    cluster: RunningCluster,
) -> None:
    secrets = _secrets(cluster)
    ids = docker(
        "ps", "--all", "--quiet", "--filter", f"label=hpc-stack.cluster={cluster.name}"
    ).split()
    places = {
        "the state": cluster.stack.pulumi("stack", "export"),
        "the processes": subprocess.run(
            ["ps", "-eo", "args"], capture_output=True, text=True, check=True
        ).stdout,
    }
    seen = 0
    for container in ids:
        for what in ("inspect", "logs"):
            done = subprocess.run(["docker", what, container], capture_output=True, text=True)
            places[f"docker {what} {container}"] = done.stdout + done.stderr
            # A node may have gone since it was listed; services stay.
            seen += done.returncode == 0
    assert seen >= 2 * 7
    leaks = [place for place, text in places.items() if any(s in text for s in secrets)]
    assert leaks == []


def test_no_container_is_privileged_and_one_alone_has_the_engines_socket(
    cluster: RunningCluster,
) -> None:
    job = cluster.submit("ada", "sleep 30")
    cluster.await_state(job, "RUNNING")
    ids = docker("ps", "--quiet", "--filter", f"label=hpc-stack.cluster={cluster.name}").split()
    inspected = json.loads(docker("inspect", *ids))
    nodes = [c for c in inspected if "hpc-stack.node" in c["Config"]["Labels"]]
    with_socket = [c["Name"] for c in inspected if "docker.sock" in json.dumps(c["HostConfig"])]
    assert nodes
    assert with_socket == ["/hpc-test-node-manager-1"]
    for container in inspected:
        host = container["HostConfig"]
        assert host["Privileged"] is False
        assert "no-new-privileges:true" in (host["SecurityOpt"] or [])
        assert not {"SYS_ADMIN", "ALL"} & {c.removeprefix("CAP_") for c in host["CapAdd"] or []}
        for published in (host["PortBindings"] or {}).values():
            assert {binding["HostIp"] for binding in published} == {"127.0.0.1"}
    cluster.run("ada", f"scancel {job}")
