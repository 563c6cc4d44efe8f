"""The machines' user data: small, compressed, without a secret; what it signs, AWS would take."""

import base64
import datetime
import fnmatch
import gzip
import io
import json
import subprocess
import sys
import urllib.error
from email.message import Message
from pathlib import Path
from typing import Any

import pytest
import yaml
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from components.aws.host import boot, calls, disks
from components.aws.policies.facts import node_log_streams
from components.aws.user_data import controller_user_data, encoded, node_user_data
from config.render.bundle import render_bundle
from config.render.gpu_exporter import GPU_METRICS_PORT
from config.render.prometheus import NODE_METRICS_PORT
from tests.host_agent.test_bundle import SETTINGS, SITE

KEYS = {
    "AccessKeyId": "AKIDEXAMPLE",
    "SecretAccessKey": "wJalrXUtnFEMI/K7MDENG",
    "Token": "tok/en+=",
}
NOW = datetime.datetime(2026, 11, 24, 10, 0, 0, tzinfo=datetime.UTC)
CONTROLLER: dict[str, Any] = {
    "region": "eu-central-1",
    "cluster": "dev",
    "bucket": "dev-system-1234567",
    "log_group": "/hpc-stack/dev/services",
    "registry": "123456789012.dkr.ecr.eu-central-1.amazonaws.com",
    "image": "123456789012.dkr.ecr.eu-central-1.amazonaws.com/hpc-stack/dev/host-agent:0-arm64",
    "volume": "vol-0123456789abcdef0",
    "homes": "fs-0123456789abcdef0",
    "homes_access_point": "fsap-0123456789abcdef0",
    "forwards": True,
    "cidr": "10.80.0.0/16",
    "dump_at": "03:00",
    "backstage": "192.168.241.0/24",
    "alertmanager_port": "9193",
}
NODE: dict[str, Any] = {
    **{key: CONTROLLER[key] for key in ("region", "cluster", "bucket", "log_group", "registry")},
    **{key: CONTROLLER[key] for key in ("homes", "homes_access_point")},
    "pool": "cpu",
    "image": "123456789012.dkr.ecr.eu-central-1.amazonaws.com/hpc-stack/dev/slurmd:0-x86_64",
    "controller": "10.80.0.4",
    "data_bucket": "dev-jobs-0",
    "jobs_role": "arn:aws:iam::123456789012:role/hpc-stack/dev/dev-jobs-0",
    "gpus": False,
    "spot_signal": "USR1",
    "gpu_exporter": "",
    "node_metrics": True,
}
MEASURED: dict[str, Any] = {
    "gpu_exporter": "123456789012.dkr.ecr.eu-central-1.amazonaws.com/hpc-stack/dev/dcgm-exporter:4"
}
"""What a node is told besides whose GPUs are measured."""


@pytest.mark.parametrize(
    ("service", "method", "path", "headers", "body"),
    [
        ("s3", "GET", "/names/cpu.json", {}, b""),
        ("s3", "PUT", "/status/controller.json", {}, b'{"state":"failed"}'),
        ("ssm", "POST", "/", {"content-type": "a/b", "x-amz-target": "AmazonSSM.X"}, b"{}"),
    ],
)
def test_a_request_is_signed_as_botocore_signs_it(
    service: str, method: str, path: str, headers: dict[str, str], body: bytes
) -> None:
    host = f"{service}.eu-central-1.amazonaws.com"
    ours = calls.sign(KEYS, "eu-central-1", service, method, host, path, headers, body, NOW)
    signer = S3SigV4Auth if service == "s3" else SigV4Auth
    keys = Credentials(KEYS["AccessKeyId"], KEYS["SecretAccessKey"], KEYS["Token"])
    theirs = signer(keys, service, "eu-central-1")
    asked = AWSRequest(
        method,
        f"https://{host}{path}",
        {name: value for name, value in ours.items() if name != "authorization"},
        body,
    )
    asked.context["timestamp"] = ours["x-amz-date"]
    canonical = theirs.canonical_request(asked)
    signature = theirs.signature(theirs.string_to_sign(asked, canonical), asked)
    assert ours["authorization"].endswith(f"Signature={signature}")


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What AWS answers, first to last: a text, or what goes wrong. No pause is made."""
    answers: list[Any] = []

    def answer(*_: object, **__: object) -> io.BytesIO:
        given = answers.pop(0)
        if isinstance(given, Exception):
            raise given
        return io.BytesIO(given.encode())

    monkeypatch.setattr("urllib.request.urlopen", answer)
    monkeypatch.setattr("time.sleep", lambda _: None)
    return answers


def refusal(url: str, code: int, said: str = "") -> urllib.error.HTTPError:
    return urllib.error.HTTPError(url, code, "", Message(), io.BytesIO(said.encode()))


GIVEN = ("token", "a-role", "token", json.dumps(KEYS))
"""How the machine's metadata gives the keys of its role."""


@pytest.mark.parametrize(
    "passing",
    [
        ("token", refusal(f"{calls.METADATA}/latest/meta-data/iam/", 404)),
        (TimeoutError(),),
        ("token", ""),
        ("token", "a-role", "token", '{"Code": "AssumeRoleUnauthorizedAccess"}'),
    ],
    ids=["no-role", "no-answer", "no-name", "no-keys"],
)
def test_a_machine_waits_for_the_keys_of_its_role(passing: Any, service: list[Any]) -> None:
    service += [*passing, *GIVEN, "content"]
    assert calls.read_object({"bucket": "b", "region": "eu-central-1"}, "key") == b"content"


def test_what_a_bucket_has_not_is_told_at_once(service: list[Any]) -> None:
    service += [*GIVEN, refusal("https://b.s3.eu-central-1.amazonaws.com/key", 404)]
    with pytest.raises(urllib.error.HTTPError, match="404"):
        calls.read_object({"bucket": "b", "region": "eu-central-1"}, "key")


# --- logs ----------------------------------------------------------------------------------------

STREAM = f"{node_log_streams('cpu-3')}slurmd"


def cloudwatch(code: int, kind: str) -> urllib.error.HTTPError:
    said = json.dumps({"__type": kind, "message": "of a group that exists, or of nobody's"})
    return refusal("https://logs.eu-central-1.amazonaws.com/", code, said)


@pytest.mark.parametrize(
    "answer", ["", cloudwatch(400, "ResourceAlreadyExistsException")], ids=["new", "had before"]
)
def test_a_log_goes_to_cloudwatch_as_those_of_the_controllers_services_do(
    answer: Any, service: list[Any]
) -> None:
    service += [*GIVEN, answer]
    driver, *options = boot.log_arguments(NODE, STREAM)[1:]
    document = yaml.safe_load(render_bundle(SETTINGS, SITE).compose)
    theirs = document["services"]["slurmctld"]["logging"]
    assert driver == theirs["driver"]
    assert options[::2] == ["--log-opt"] * (len(options) // 2)
    ours = dict(word.split("=", 1) for word in options[1::2])
    assert ours == {**theirs["options"], "awslogs-stream": STREAM}


@pytest.mark.parametrize(
    "answers",
    [
        [TimeoutError()],
        [*GIVEN, urllib.error.URLError("no route to host")],
        [*GIVEN, cloudwatch(400, "AccessDeniedException")],
        [*GIVEN, cloudwatch(400, "ResourceNotFoundException")],
        [*GIVEN, cloudwatch(503, "ServiceUnavailableException")],
    ],
    ids=["no role", "no way", "not allowed", "no group", "ill"],
)
def test_a_log_that_cloudwatch_does_not_take_stays_on_the_machine_which_is_said_once(
    answers: list[Any], service: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    service += answers
    assert boot.log_arguments(NODE, STREAM) == ["--log-driver", "local"]
    assert service == [], "asked more than once, a node would come late"
    assert f"the log {STREAM} is on this machine alone" in capsys.readouterr().err


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An engine that knows no driver for CloudWatch, nor an image `bad`: what it is asked for."""
    asked = tmp_path / "asked"
    docker = tmp_path / "docker"
    docker.write_text(
        f'#!/bin/sh\necho "$@" >> {asked}\ncase "$*" in *awslogs*|*bad) exit 125;; esac\n'
    )
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return asked


def test_a_container_starts_although_the_engine_refuses_its_log(engine: Path) -> None:
    boot.start("slurmd", ["--log-driver", "awslogs"], "--init", "image")
    assert engine.read_text().splitlines() == [
        "rm --force slurmd",
        "run --detach --name slurmd --log-driver awslogs --init image",
        "rm --force slurmd",
        "run --detach --name slurmd --log-driver local --init image",
    ]


def test_a_container_that_does_not_start_for_another_reason_fails_the_boot(engine: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError):
        boot.start("slurmd", ["--log-driver", "awslogs"], "bad")
    assert len(engine.read_text().splitlines()) == 4


@pytest.mark.parametrize(
    "text",
    [
        controller_user_data(**CONTROLLER),
        node_user_data(**NODE),
        node_user_data(**{**NODE, **MEASURED, "gpus": True}),
    ],
    ids=["controller", "node", "GPUs"],
)
def test_user_data_is_small_and_the_same_each_time(text: str) -> None:
    packed = encoded(text)
    assert gzip.decompress(base64.b64decode(packed)).decode() == text
    assert len(base64.b64decode(packed)) < 12_288
    assert packed == encoded(text)


@pytest.mark.parametrize("text", [controller_user_data(**CONTROLLER), node_user_data(**NODE)])
def test_user_data_is_a_program_for_amazon_linux(text: str, tmp_path: Path) -> None:
    assert text.startswith("#!/usr/bin/python3\n")
    script = tmp_path / "boot"
    script.write_text(text)
    # Amazon Linux 2023 has Python 3.9: what that grammar lacks must not be used.
    check = f"import ast; ast.parse(open({str(script)!r}).read(), feature_version=(3, 9))"
    subprocess.run((sys.executable, "-c", check), check=True)


def test_the_program_is_told_every_fact_and_no_other() -> None:
    told: dict[str, object] = {}
    text = controller_user_data(**CONTROLLER)
    exec(text[text.rindex("main({") :], {"main": told.update})  # noqa: S102 - our own text
    assert told == {"role": "controller", **CONTROLLER}


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The machine's metadata, as far as a test sets it."""
    items = {
        "instance-id": "i-0123",
        "instance-life-cycle": "on-demand",
        "local-ipv4": "10.80.16.7",
    }
    monkeypatch.setattr(boot, "metadata", items.__getitem__)
    return items


def slurmd(machine: dict[str, str], **told: Any) -> list[str]:
    return boot.slurmd_arguments({**NODE, **told}, "cpu-3", Path("/run/hpc-stack/slurm.key"))


def test_slurmd_runs_without_privilege(machine: dict[str, str]) -> None:
    words = slurmd(machine)
    assert "--privileged" not in words
    added = [words[index + 1] for index, word in enumerate(words) if word == "--cap-add"]
    assert added == ["BPF", "NET_ADMIN", "SYS_NICE", "SYS_PTRACE"]
    assert "no-new-privileges:true" in words


def test_slurmd_gets_its_name_its_controller_and_its_key(machine: dict[str, str]) -> None:
    words = slurmd(machine)
    assert "SLURM_NODE_NAME=cpu-3" in words
    assert "SLURM_CONTROLLER=10.80.0.4:6817" in words
    assert "cpu-3:10.80.16.7" in words
    assert "/run/hpc-stack/slurm.key:/etc/slurm/slurm.key:ro" in words
    assert words[-1] == NODE["image"]


@pytest.mark.parametrize(
    ("life", "signal", "watched"),
    [("spot", "USR1", True), ("on-demand", "USR1", False), ("spot", "", False)],
)
def test_only_a_spot_machine_of_a_spot_pool_watches_for_its_end(
    machine: dict[str, str], life: str, signal: str, watched: bool
) -> None:
    machine["instance-life-cycle"] = life
    words = slurmd(machine, spot_signal=signal)
    assert ("SPOT_SIGNAL=USR1" in words) is watched
    # Without it the watcher does not start.
    assert ("AWS_EC2_METADATA_SERVICE_ENDPOINT=http://169.254.169.254" in words) is watched


def test_a_node_is_measured_where_it_is_looked_for(machine: dict[str, str]) -> None:
    listens = f"NODE_METRICS=--web.listen-address=:{NODE_METRICS_PORT}"
    assert listens in slurmd(machine)
    assert listens not in slurmd(machine, node_metrics=False)


def test_only_nodes_of_gpu_pools_ask_for_gpus(machine: dict[str, str]) -> None:
    assert "--gpus" in slurmd(machine, gpus=True)
    assert "--gpus" not in slurmd(machine)


def test_a_container_has_its_gpus_by_name_too(
    machine: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What Docker does not know of, `systemctl daemon-reload` on the host takes from it."""
    gpus = [f"/dev/nvidia{end}" for end in ("0", "1", "-uvm", "-uvm-tools", "ctl")]
    there = ["/dev/infiniband/uverbs0", "/dev/nvidia-caps", "/dev/nvme0n1", *gpus]
    monkeypatch.setattr("glob.glob", lambda pattern: fnmatch.filter(there, pattern))

    def devices(words: list[str]) -> list[str]:
        return sorted(words[index + 1] for index, word in enumerate(words) if word == "--device")

    assert devices(slurmd(machine, gpus=True)) == sorted(["/dev/infiniband/uverbs0", *gpus])
    assert devices(slurmd(machine)) == ["/dev/infiniband/uverbs0"]


def test_the_exporter_of_gpus_has_no_privilege_and_not_the_hosts_network(
    machine: dict[str, str],
) -> None:
    words = boot.exporter_arguments({**NODE, **MEASURED}, "gpu-1")
    assert not {"--privileged", "--network", "--cap-add"} & set(words)
    assert words[words.index("--cap-drop") + 1] == "ALL"
    assert "no-new-privileges:true" in words
    assert words[words.index("--publish") + 1] == f"{GPU_METRICS_PORT}:9400"
    assert words[-1] == MEASURED["gpu_exporter"]


def test_slurmd_writes_and_the_exporter_reads_which_job_has_which_gpu(
    machine: dict[str, str],
) -> None:
    jobs = "/run/hpc-stack/gpu-jobs"
    assert f"{jobs}:{jobs}" in slurmd(machine, gpus=True, **MEASURED)
    assert not [word for word in slurmd(machine, gpus=True) if jobs in word]
    words = boot.exporter_arguments({**NODE, **MEASURED}, "gpu-1")
    assert f"{jobs}:{jobs}:ro" in words
    assert f"DCGM_HPC_JOB_MAPPING_DIR={jobs}" in words


def disk(tmp_path: Path, content: bytes, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """A device by its name, and the commands that were run on it."""
    device = tmp_path / "disk"
    device.write_bytes(content)
    real = Path
    name = "/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_vol0123"
    monkeypatch.setattr(disks, "Path", lambda text: device if text == name else real(text))
    ran: list[tuple[str, ...]] = []
    for runs in ("run", "run_quietly"):  # what the second is asked fails, as it may
        monkeypatch.setattr(disks, runs, lambda *words, **_: ran.append(words))
    monkeypatch.setattr(disks, "mount", lambda line: ran.append(("mount", line.split()[1])))
    monkeypatch.setattr(disks, "before_docker", lambda place: None)
    return ran


def test_an_empty_volume_is_formatted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = disk(tmp_path, bytes(4 << 20), monkeypatch)
    disks.mount_data("vol-0123")
    assert [words[0] for words in ran] == ["mkfs.xfs", "mount", "xfs_growfs"]


def test_a_volume_with_a_file_system_is_only_mounted_and_used_in_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = tmp_path / "made"
    made.write_bytes(bytes(16 << 20))
    subprocess.run(("mkfs.ext4", "-q", "-F", str(made)), check=True)
    ran = disk(tmp_path, made.read_bytes(), monkeypatch)
    disks.mount_data("vol-0123")
    assert ran == [("mount", "/data"), ("xfs_growfs", "/data")]


def test_a_volume_with_unknown_content_is_never_formatted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = disk(tmp_path, b"somebody's data".ljust(4 << 20, b"x"), monkeypatch)
    with pytest.raises(RuntimeError, match="not empty"):
        disks.mount_data("vol-0123")
    assert ran == []
