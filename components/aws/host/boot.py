"""Boots a machine of the cluster: its user data, run as root by cloud-init, later by systemd.

It installs nothing and holds no secret. Whatever a step finds done already, it leaves as it is. For
the Python that Amazon Linux 2023 has, 3.9, and its standard library alone; user_data.py makes one
script of this package, and appends the call of `main` with what a cluster's machines are told.
"""

from __future__ import annotations

import base64
import datetime
import glob
import json
import os
import subprocess
import sys
import time
import traceback
import urllib.error
from pathlib import Path
from typing import Any

from components.aws.host.calls import METADATA, call_aws, metadata, read_object, request
from components.aws.host.disks import SCRATCH, mount_data, mount_homes, stripe_scratch
from components.aws.host.jobs_role import JOBS_URL, serve_jobs
from components.aws.host.machine import RUN, run, run_quietly, write_secret
from components.aws.host.network import forward, guard_backstage, guard_metadata

JOB_ENVIRONMENT = RUN / "job-environment"
"""What each job's environment has on top, read by Slurm's TaskProlog."""
GPU_JOBS = RUN / "gpu-jobs"
"""Which job has which GPU: written by Slurm's Prolog and Epilog, read by dcgm-exporter."""
GPU_FIELDS = RUN / "gpu-fields.csv"
LOG_HERE = ["--log-driver", "local"]
SCRIPT = Path("/usr/local/sbin/hpc-stack-boot")
NAME_SECONDS = 300
"""How long a node waits to be told its name: a launch of a thousand takes a minute."""
UNITS = Path("/etc/systemd/system")
GPU_SECONDS = 180
"""How long a node waits for NVIDIA's driver: the AMI installs the one that fits as it boots."""
GPU_FILES = (
    "/dev/nvidia[0-9]*",
    "/dev/nvidiactl",
    "/dev/nvidia-uvm",
    "/dev/nvidia-uvm-tools",
    "/dev/nvidia-modeset",
)
# Docker is wanted, not required: where it cannot start yet, for want of /home, systemd would not
# run this at all, not even later. https://github.com/systemd/systemd/issues/18856
AT_EACH_BOOT = f"""\
[Unit]
Description=What a machine of hpc-stack needs at each boot
After=network-online.target docker.service
Wants=network-online.target docker.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart={SCRIPT}
Restart=on-failure
RestartSec=30

[Install]
WantedBy=multi-user.target
"""
FOR_JOBS = f"""\
[Unit]
Description=Credentials of the jobs' role, for jobs
StartLimitIntervalSec=0

[Service]
ExecStart={SCRIPT} jobs-role
Restart=always
"""
GROW = """\
[Unit]
Description=Use all of a data volume that has grown
ConditionPathIsMountPoint=/data

[Service]
Type=oneshot
ExecStart=xfs_growfs /data
StandardOutput=null
"""
GROW_TIMER = """\
[Unit]
Description=Look whether the data volume has grown

[Timer]
OnCalendar=*:0/5

[Install]
WantedBy=timers.target
"""


def main(told: dict[str, Any]) -> None:
    """Boot as what we are told to be; a controller that cannot says so where `pulumi up` looks.

    What did not succeed is tried again by systemd, until it does.
    """
    if sys.argv[1:] == ["jobs-role"]:
        serve_jobs(told)
        return
    RUN.mkdir(mode=0o700, exist_ok=True)
    by_cloud_init = Path(__file__) != SCRIPT
    try:
        if by_cloud_init:
            again_at_each_boot(told)
        guard_metadata()
        run("systemctl", "start", "docker.service")
        if told["role"] == "controller":
            controller(told)
        else:
            node(told)
    except BaseException as failure:
        traceback.print_exc()
        try:
            if told["role"] == "controller":
                report_failure(told, f"{type(failure).__name__}: {failure}")
        finally:
            if by_cloud_init:
                run_quietly("systemctl", "start", "--no-block", "hpc-stack-boot.service")
        sys.exit(1)


def controller(told: dict[str, Any]) -> None:
    """Data volume, homes, and the host agent, which does all the rest."""
    guard_backstage(told["backstage"], told["alertmanager_port"])
    mount_data(told["volume"])
    mount_homes(told)
    if told["forwards"]:
        forward(told["cidr"])
    # This AMI's engine has no proxy for published ports: who asks for one at the host's address, as
    # slurmrestd does for slurmctld, gets there by NAT, for which bridges need this module.
    run_quietly("modprobe", "br_netfilter")
    log_in(told)
    if run_quietly("docker", "start", "hpc-stack-agent"):
        return
    mounts = ("/var/run/docker.sock", "/data", "/home")
    start(
        "hpc-stack-agent",
        log_arguments(told, "host-agent"),
        "--restart", "always", "--network", "host", "--init",
        *(word for path in mounts for word in ("--volume", f"{path}:{path}")),
        *(word for pair in agent_environment(told) for word in ("--env", pair)),
        told["image"],
    )  # fmt: skip


def start(name: str, log: list[str], *words: str) -> None:
    """Start a container anew; where the engine refuses its log, with one here."""
    run_quietly("docker", "rm", "--force", name)
    try:
        run("docker", "run", "--detach", "--name", name, *log, *words)
    except subprocess.CalledProcessError as error:
        if log == LOG_HERE:
            raise
        print(f"docker run {name}: {error.returncode}; again, with a log here", file=sys.stderr)
        start(name, LOG_HERE, *words)


def log_arguments(told: dict[str, Any], stream: str) -> list[str]:
    """A log in CloudWatch and, for `docker logs`, here; here alone where CloudWatch takes none.

    That is asked before. Not blocking, the engine starts a container also without CloudWatch, but
    tries for ever, and once many lines wait it cannot end it: https://github.com/moby/moby/pull/53270
    """
    wanted = {"logGroupName": told["log_group"], "logStreamName": stream}
    try:
        call_aws(told["region"], "logs", "logs", "Logs_20140328.CreateLogStream", wanted, tries=1)
    except Exception as error:  # whatever it is, the machine comes without
        if "ResourceAlreadyExistsException" not in str(error):
            print(f"the log {stream} is on this machine alone: {error}", file=sys.stderr)
            return LOG_HERE
    options = {
        "awslogs-region": told["region"],
        "awslogs-group": told["log_group"],
        "awslogs-stream": stream,
        "mode": "non-blocking",
        "max-buffer-size": "4m",
        "cache-max-size": "10m",
        "cache-max-file": "3",
    }
    pairs = (("--log-opt", f"{key}={text}") for key, text in options.items())
    return ["--log-driver", "awslogs", *(word for pair in pairs for word in pair)]


def agent_environment(told: dict[str, Any]) -> list[str]:
    return [
        f"HPC_STACK_REGION={told['region']}",
        f"HPC_STACK_CLUSTER={told['cluster']}",
        f"HPC_STACK_BUCKET={told['bucket']}",
        f"HPC_STACK_INSTANCE={metadata('instance-id')}",
        f"HPC_STACK_DUMP_AT={told['dump_at']}",
    ]


def node(told: dict[str, Any]) -> None:
    """Scratch space, homes, the name and the key, and slurmd."""
    log_in(told)
    pull = subprocess.Popen(["docker", "pull", "--quiet", told["image"]])
    stripe_scratch()
    mount_homes(told)
    serve_credentials(told)
    key = RUN / "slurm.key"
    write_secret(key, read_parameter(told, "slurm_key").encode())
    name = await_name(told)
    log = log_arguments(told, f"nodes/{told['pool']}/{name}/slurmd")
    if pull.wait():
        raise RuntimeError(f"docker pull {told['image']} failed")
    if told["gpus"]:
        await_gpus()
    if told["gpu_exporter"]:
        forget_gpu_jobs()
    start("slurmd", log, *slurmd_arguments(told, name, key))
    if told["gpu_exporter"]:
        measure_gpus(told, name)


def await_gpus() -> None:
    """Wait for the driver: no container with GPUs starts before."""
    deadline = time.monotonic() + GPU_SECONDS
    while not run_quietly("nvidia-smi", "-L"):
        if time.monotonic() >= deadline:
            raise RuntimeError(f"NVIDIA's driver: nvidia-smi -L has failed for {GPU_SECONDS} s")
        time.sleep(1)
    # CUDA's own files, which else its first program makes: too late for the container's list.
    run_quietly("nvidia-modprobe", "-c0", "-u")


def forget_gpu_jobs() -> None:
    """Make the directory, and have no job in it: none outlives slurmd's container."""
    GPU_JOBS.mkdir(mode=0o755, exist_ok=True)
    for file in GPU_JOBS.iterdir():
        file.unlink()


def measure_gpus(told: dict[str, Any], name: str) -> None:
    """Start dcgm-exporter. Jobs run without it, too, so that it does not start is only said."""
    GPU_FIELDS.write_text(told["gpu_fields"])
    log = log_arguments(told, f"nodes/{told['pool']}/{name}/dcgm-exporter")
    try:
        start("dcgm-exporter", log, *exporter_arguments(told, name))
    except subprocess.CalledProcessError as error:
        print(f"this node's GPUs are not measured: {error}", file=sys.stderr)


def exporter_arguments(told: dict[str, Any], name: str) -> list[str]:
    """dcgm-exporter without any privilege, and not in the host's network, which has its role.

    https://docs.nvidia.com/datacenter/dcgm/latest/reference/command-line-reference/dcgm-exporter.html
    """
    return [
        "--restart", "on-failure", "--hostname", name, "--publish", "9400:9400",
        "--cap-drop", "ALL", "--security-opt", "no-new-privileges:true", "--pids-limit", "1024",
        *gpu_arguments(),
        "--volume", f"{GPU_JOBS}:{GPU_JOBS}:ro",
        "--volume", f"{GPU_FIELDS}:{GPU_FIELDS}:ro",
        "--env", "DCGM_EXPORTER_LISTEN=:9400",
        "--env", f"DCGM_EXPORTER_COLLECTORS={GPU_FIELDS}",
        "--env", f"DCGM_HPC_JOB_MAPPING_DIR={GPU_JOBS}",
        told["gpu_exporter"],
    ]  # fmt: skip


def serve_credentials(told: dict[str, Any]) -> None:
    """Let jobs have their role, and tell them where."""
    run("systemctl", "start", "hpc-stack-jobs-role.service")
    variables = {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": JOBS_URL,
        "AWS_REGION": told["region"],
        "AWS_DEFAULT_REGION": told["region"],
        "HPC_STACK_DATA": f"s3://{told['data_bucket']}",
    }
    JOB_ENVIRONMENT.write_text("".join(f"{key}={text}\n" for key, text in variables.items()))


def slurmd_arguments(told: dict[str, Any], name: str, key: Path) -> list[str]:
    """slurmd without any privilege: its own control groups, and what it needs to filter devices."""
    arguments = [
        "--restart", "on-failure", "--init",
        "--hostname", name, "--network", "host", "--cgroupns", "host",
        "--add-host", f"slurmdbd:{told['controller']}",
        "--add-host", f"{name}:{metadata('local-ipv4')}",
        "--cap-add", "BPF", "--cap-add", "NET_ADMIN", "--cap-add", "SYS_NICE",
        "--cap-add", "SYS_PTRACE",
        "--security-opt", "no-new-privileges:true", "--ulimit", "memlock=-1",
        "--pids-limit", "32768",
        "--volume", "/sys/fs/cgroup:/sys/fs/cgroup:rw",
        "--volume", "/home:/home",
        "--volume", "/home/.hpc-stack/users:/var/lib/extrausers:ro",
        "--volume", f"{key}:/etc/slurm/slurm.key:ro",
        "--volume", f"{JOB_ENVIRONMENT}:/etc/hpc-stack/job-environment:ro",
        "--env", f"SLURM_NODE_NAME={name}",
        "--env", f"SLURM_CONTROLLER={told['controller']}:6817",
    ]  # fmt: skip
    if told["node_metrics"]:
        arguments += ["--env", "NODE_METRICS=--web.listen-address=:9100"]
    if os.path.ismount(SCRATCH):
        arguments += ["--volume", f"{SCRATCH}:{SCRATCH}"]
    if told["spot_signal"] and metadata("instance-life-cycle") == "spot":
        watched = f"AWS_EC2_METADATA_SERVICE_ENDPOINT={METADATA}"
        arguments += ["--env", f"SPOT_SIGNAL={told['spot_signal']}", "--env", watched]
    arguments += device_arguments("/dev/infiniband/*")
    if told["gpus"]:
        arguments += gpu_arguments()
    if told["gpu_exporter"]:
        arguments += ["--volume", f"{GPU_JOBS}:{GPU_JOBS}"]
    return [*arguments, told["image"]]


def gpu_arguments() -> list[str]:
    """All GPUs.

    By name too: what --gpus adds, Docker does not know, and `systemctl daemon-reload` takes it
    from a container that runs. https://github.com/NVIDIA/nvidia-container-toolkit/issues/48
    """
    return ["--gpus", "all", *device_arguments(*GPU_FILES)]


def device_arguments(*patterns: str) -> list[str]:
    devices = [device for pattern in patterns for device in sorted(glob.glob(pattern))]
    return [word for device in devices for word in ("--device", device)]


def again_at_each_boot(told: dict[str, Any]) -> None:
    """A unit that runs this very file: cloud-init does so only once in a machine's life."""
    SCRIPT.write_bytes(Path(__file__).read_bytes())
    SCRIPT.chmod(0o700)
    (UNITS / "hpc-stack-boot.service").write_text(AT_EACH_BOOT)
    (UNITS / "hpc-stack-jobs-role.service").write_text(FOR_JOBS)
    run("systemctl", "daemon-reload")
    # In this AMI Docker is started for the agent of ECS alone, which has no cluster to join here.
    # Its start waits until cloud-init, that is until we, have ended: nothing may wait for it.
    run("systemctl", "enable", "docker.service", "hpc-stack-boot.service")
    run_quietly("systemctl", "mask", "--now", "--no-block", "ecs.service")
    if told["role"] == "controller":
        (UNITS / "hpc-stack-grow.service").write_text(GROW)
        (UNITS / "hpc-stack-grow.timer").write_text(GROW_TIMER)
        run("systemctl", "enable", "--now", "--no-block", "hpc-stack-grow.timer")


def log_in(told: dict[str, Any]) -> None:
    """Log Docker in at the account's registry, for as long as a pull takes."""
    answer = json.loads(
        call_aws(
            told["region"],
            "ecr",
            "api.ecr",
            "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken",
            {},
        )
    )
    token = base64.b64decode(answer["authorizationData"][0]["authorizationToken"]).decode()
    run(
        "docker", "login", "--username", "AWS", "--password-stdin", told["registry"],
        stdin=token.partition(":")[2],
    )  # fmt: skip


def read_parameter(told: dict[str, Any], secret: str) -> str:
    """A secret of the cluster that this machine's role may read."""
    wanted = {"Name": f"/hpc-stack/{told['cluster']}/{secret}", "WithDecryption": True}
    answer = call_aws(told["region"], "ssm", "ssm", "AmazonSSM.GetParameter", wanted)
    return str(json.loads(answer)["Parameter"]["Value"])


def await_name(told: dict[str, Any]) -> str:
    """The node's name, which the node manager writes down when it has launched the machine."""
    own = metadata("instance-id")
    deadline = time.monotonic() + NAME_SECONDS
    while time.monotonic() < deadline:
        try:
            text = read_object(told, f"names/{told['pool']}.json")
            name = json.loads(text)["names"].get(own)
            if name:
                return str(name)
        except urllib.error.HTTPError as error:
            if error.code not in (403, 404, 500, 503):
                raise
        time.sleep(1)
    raise RuntimeError(f"nobody has told {own} which node of pool {told['pool']} it is")


def report_failure(told: dict[str, Any], why: str) -> None:
    """Best effort: the machine's console has it as well."""
    status = {
        "version": 1,
        "digest": "",
        "state": "failed",
        "detail": f"the host did not boot: {why}"[:500],
        "log": traceback.format_exc()[-8192:],
        "instance_id": metadata("instance-id"),
        "at": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    host = f"{told['bucket']}.s3.{told['region']}.amazonaws.com"
    request(
        told["region"],
        "s3",
        "PUT",
        host,
        "/status/controller.json",
        {"content-type": "application/json"},
        json.dumps(status).encode(),
    )
