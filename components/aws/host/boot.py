#!/usr/bin/python3
"""Boots a machine of the cluster: its user data, run as root by cloud-init, later by systemd.

It installs nothing and holds no secret. Whatever a step finds done already, it leaves as it is. For
the Python that Amazon Linux 2023 has, 3.9, and its standard library alone; user_data.py appends the
call of `main`, with what a cluster's machines are told.
"""

from __future__ import annotations

import base64
import datetime
import glob
import hashlib
import hmac
import json
import os
import subprocess
import sys
import time
import traceback
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

METADATA = "http://169.254.169.254"
BLANK = 1 << 20
TRIES = 7
NAME_SECONDS = 300
"""How long a node waits to be told its name: a launch of a thousand takes a minute."""
MOUNT_SECONDS = 180
RUN = Path("/run/hpc-stack")
UNIT = """\
[Unit]
Description=What a machine of hpc-stack needs at each boot
After=network-online.target docker.service
Wants=network-online.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart={script}

[Install]
WantedBy=multi-user.target
"""


def main(told: dict[str, Any]) -> None:
    """Boot as what we are told to be; a controller that cannot says so where `pulumi up` looks."""
    RUN.mkdir(mode=0o700, exist_ok=True)
    try:
        again_at_each_boot()
        guard_metadata()
        if told["role"] == "controller":
            controller(told)
        else:
            node(told)
    except BaseException as failure:
        traceback.print_exc()
        if told["role"] == "controller":
            report_failure(told, f"{type(failure).__name__}: {failure}")
        sys.exit(1)


# --- the two roles -----------------------------------------------------------------------------


def controller(told: dict[str, Any]) -> None:
    """Data volume, homes, and the host agent, which does all the rest."""
    mount_data(told["volume"])
    mount_homes(told)
    if told["forwards"]:
        forward(told["cidr"])
    log_in(told)
    if run_quietly("docker", "start", "hpc-stack-agent"):
        return
    mounts = ("/var/run/docker.sock", "/data", "/home")
    run(
        "docker", "run", "--detach", "--name", "hpc-stack-agent", "--restart", "always",
        "--network", "host", "--init", "--log-driver", "local",
        *(word for path in mounts for word in ("--volume", f"{path}:{path}")),
        *(word for pair in agent_environment(told) for word in ("--env", pair)),
        told["image"],
    )  # fmt: skip


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
    key = RUN / "slurm.key"
    write_secret(key, read_parameter(told, "slurm_key").encode())
    name = await_name(told)
    if pull.wait():
        raise RuntimeError(f"docker pull {told['image']} failed")
    run_quietly("docker", "rm", "--force", "slurmd")
    run("docker", "run", *slurmd_arguments(told, name, key))


def slurmd_arguments(told: dict[str, Any], name: str, key: Path) -> list[str]:
    """slurmd without any privilege: its own control groups, and what it needs to filter devices."""
    arguments = [
        "--detach", "--name", "slurmd", "--restart", "on-failure", "--init",
        "--hostname", name, "--network", "host", "--cgroupns", "host",
        "--add-host", f"slurmdbd:{told['controller']}",
        "--cap-add", "BPF", "--cap-add", "NET_ADMIN", "--cap-add", "SYS_NICE",
        "--security-opt", "no-new-privileges:true", "--ulimit", "memlock=-1",
        "--pids-limit", "32768", "--log-driver", "local",
        "--volume", "/sys/fs/cgroup:/sys/fs/cgroup:rw",
        "--volume", "/home:/home",
        "--volume", "/home/.hpc-stack/users:/var/lib/extrausers:ro",
        "--volume", f"{key}:/etc/slurm/slurm.key:ro",
        "--env", f"SLURM_NODE_NAME={name}",
        "--env", f"SLURM_CONTROLLER={told['controller']}:6817",
    ]  # fmt: skip
    if Path("/scratch").is_dir():
        arguments += ["--volume", "/scratch:/scratch"]
    if told["spot_signal"] and metadata("instance-life-cycle") == "spot":
        watched = f"AWS_EC2_METADATA_SERVICE_ENDPOINT={METADATA}"
        arguments += ["--env", f"SPOT_SIGNAL={told['spot_signal']}", "--env", watched]
    if told["gpus"]:
        arguments += ["--gpus", "all"]
    for device in glob.glob("/dev/infiniband/*"):
        arguments += ["--device", device]
    return [*arguments, told["image"]]


# --- steps ---------------------------------------------------------------------------------------


def again_at_each_boot() -> None:
    """A unit that runs this very file: cloud-init does so only once in a machine's life."""
    script = Path("/usr/local/sbin/hpc-stack-boot")
    unit = Path("/etc/systemd/system/hpc-stack-boot.service")
    if unit.exists():
        return
    script.write_bytes(Path(__file__).read_bytes())
    script.chmod(0o700)
    unit.write_text(UNIT.format(script=script))
    run("systemctl", "daemon-reload")
    run("systemctl", "enable", unit.name)


def guard_metadata() -> None:
    """The machine's role is root's: no user, in a container or not, gets its credentials."""
    rule = (
        "OUTPUT",
        "-d",
        "169.254.169.254",
        "-m",
        "owner",
        "!",
        "--uid-owner",
        "0",
        "-j",
        "REJECT",
    )
    if not run_quietly("iptables", "-C", *rule):
        run("iptables", "-I", *rule)


def forward(cidr: str) -> None:
    """Forward what nodes send to the internet, and nothing that comes from there."""
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1\n")
    # What comes and goes by one interface would be answered with "go there yourself".
    for switch in glob.glob("/proc/sys/net/ipv4/conf/*/send_redirects"):
        Path(switch).write_text("0\n")
    # By this one interface alone: Docker's networks are neither reached nor disguised by it.
    card = own_interface()
    outside = ("-s", cidr, "!", "-d", cidr)
    answers = ("-d", cidr, "-m", "conntrack", "--ctstate", "RELATED,ESTABLISHED")
    for table, rule in (
        ("nat", ("POSTROUTING", "-o", card, *outside, "-j", "MASQUERADE")),
        # Docker's own chain, which it asks before it drops what is not its containers'.
        ("filter", ("DOCKER-USER", "-i", card, "-o", card, *outside, "-j", "ACCEPT")),
        ("filter", ("DOCKER-USER", "-i", card, "-o", card, *answers, "-j", "ACCEPT")),
    ):
        if not run_quietly("iptables", "-t", table, "-C", *rule):
            run("iptables", "-t", table, "-I", *rule)


def own_interface() -> str:
    """The machine's interface in the VPC."""
    address = metadata("mac")
    for place in glob.glob("/sys/class/net/*/address"):
        if Path(place).read_text().strip() == address:
            return Path(place).parent.name
    raise RuntimeError(f"no network interface has the address {address}")


def mount_data(volume: str) -> None:
    """The volume with Slurm's state and the database. One that has data is never formatted."""
    device = Path(f"/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_{volume.replace('-', '')}")
    await_path(device)
    if not has_file_system(device):
        with device.open("rb") as disk:
            if any(disk.read(BLANK)):
                raise RuntimeError(f"{device} has no known file system, but it is not empty either")
        run("mkfs.xfs", "-q", str(device))
    mount(f"{device} /data xfs defaults,noatime,nofail 0 2")
    before_docker("/data")


def has_file_system(device: Path) -> bool:
    found = subprocess.run(["blkid", "--probe", str(device)], stdout=subprocess.DEVNULL)
    if found.returncode not in (0, 2):
        raise RuntimeError(f"blkid {device} ended with status {found.returncode}")
    return found.returncode == 0


def mount_homes(told: dict[str, Any]) -> None:
    """The homes, encrypted on their way, by this machine's role."""
    options = f"_netdev,nofail,noresvport,tls,iam,accesspoint={told['homes_access_point']}"
    # A file system that has just been made may not have its name, nor a role its rights, yet.
    mount(f"{told['homes']}:/ /home efs {options} 0 0", MOUNT_SECONDS)
    before_docker("/home")


def mount(line: str, seconds: float = 0) -> None:
    """Mount as a line of /etc/fstab says, now and at each boot; try for some seconds.

    Every line has `nofail`: a machine without its disk still boots, and says what it lacks.
    """
    place = line.split()[1]
    table = Path("/etc/fstab")
    if line not in table.read_text().splitlines():
        with table.open("a") as file:
            file.write(line + "\n")
    Path(place).mkdir(exist_ok=True)
    deadline = time.monotonic() + seconds
    while not os.path.ismount(place):
        tried = subprocess.run(("mount", place), stdout=sys.stderr)
        if tried.returncode and time.monotonic() >= deadline:
            raise RuntimeError(f"mount {place} ended with status {tried.returncode}")
        if tried.returncode:
            time.sleep(5)


def before_docker(place: str) -> None:
    """No container starts before the place is mounted: it would see the directory below it."""
    folder = Path("/etc/systemd/system/docker.service.d")
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"hpc-stack{place.replace('/', '-')}.conf"
    if not file.exists():
        file.write_text(f"[Unit]\nRequiresMountsFor={place}\n")
        run("systemctl", "daemon-reload")


def stripe_scratch() -> None:
    """/scratch on the machine's own NVMe disks, where it has any: empty at each launch."""
    disks = sorted(glob.glob("/dev/disk/by-id/nvme-Amazon_EC2_NVMe_Instance_Storage_*[0-9A-F]"))
    if not disks or os.path.ismount("/scratch"):
        return
    device = disks[0]
    if len(disks) > 1:
        device = "/dev/md/scratch"
        run(
            "mdadm",
            "--create",
            device,
            "--run",
            "--level=0",
            f"--raid-devices={len(disks)}",
            *disks,
        )
    run("mkfs.xfs", "-f", "-q", device)
    Path("/scratch").mkdir(exist_ok=True)
    run("mount", "-o", "noatime,discard", device, "/scratch")
    Path("/scratch").chmod(0o1777)


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
        {},
        json.dumps(status).encode(),
    )


# --- AWS -----------------------------------------------------------------------------------------


def metadata(item: str) -> str:
    """An item of the machine's metadata, by a token (version 2)."""
    ask = urllib.request.Request(
        f"{METADATA}/latest/api/token",
        method="PUT",
        headers={"X-aws-ec2-metadata-token-ttl-seconds": "300"},
    )
    with urllib.request.urlopen(ask, timeout=5) as answer:
        token = answer.read().decode()
    path = f"{METADATA}/latest/meta-data/{item}"
    with urllib.request.urlopen(
        urllib.request.Request(path, headers={"X-aws-ec2-metadata-token": token}), timeout=5
    ) as answer:
        return str(answer.read().decode())


def credentials() -> dict[str, Any]:
    """Those of the machine's role."""
    role = metadata("iam/security-credentials/").split()[0]
    found: dict[str, Any] = json.loads(metadata(f"iam/security-credentials/{role}"))
    return found


def call_aws(region: str, service: str, endpoint: str, target: str, body: dict[str, Any]) -> bytes:
    """One call of a service that speaks JSON 1.1."""
    headers = {"content-type": "application/x-amz-json-1.1", "x-amz-target": target}
    host = f"{endpoint}.{region}.amazonaws.com"
    return request(region, service, "POST", host, "/", headers, json.dumps(body).encode())


def read_object(told: dict[str, Any], key: str) -> bytes:
    """An object of the system bucket."""
    host = f"{told['bucket']}.s3.{told['region']}.amazonaws.com"
    return request(told["region"], "s3", "GET", host, f"/{key}", {}, b"")


def request(
    region: str,
    service: str,
    method: str,
    host: str,
    path: str,
    headers: dict[str, str],
    body: bytes,
) -> bytes:
    """A signed request; a passing failure is tried again, half a minute in all.

    So is a service's refusal: a role that has just been made is not known everywhere at once.
    """
    for tries in range(TRIES):
        signed = sign(
            credentials(), region, service, method, host, path, headers, body,
            datetime.datetime.now(datetime.timezone.utc),
        )  # fmt: skip
        ask = urllib.request.Request(
            f"https://{host}{urllib.parse.quote(path)}", body or None, signed, method=method
        )
        try:
            with urllib.request.urlopen(ask, timeout=10) as answer:
                return bytes(answer.read())
        except urllib.error.HTTPError as error:
            said = error.read()[:300]
            print(f"{method} {host}{path}: {error.code} {said!r}", file=sys.stderr)
            passes = error.code >= 500 or b"AccessDeniedException" in said
            if not passes or tries == TRIES - 1:
                raise
        except OSError:
            if tries == TRIES - 1:
                raise
        time.sleep(2**tries / 2)
    raise AssertionError


def sign(
    keys: dict[str, Any], region: str, service: str, method: str, host: str, path: str,
    headers: dict[str, str], body: bytes, now: datetime.datetime,
) -> dict[str, Any]:  # fmt: skip
    """The request's headers with Signature Version 4.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
    """
    stamp = now.strftime("%Y%m%dT%H%M%SZ")
    content = hashlib.sha256(body).hexdigest()
    signed = {
        **headers,
        "host": host,
        "x-amz-content-sha256": content,
        "x-amz-date": stamp,
        "x-amz-security-token": keys["Token"],
    }
    names = ";".join(sorted(signed))
    lines = "".join(f"{name}:{signed[name]}\n" for name in sorted(signed))
    canonical = f"{method}\n{urllib.parse.quote(path)}\n\n{lines}\n{names}\n{content}"
    scope = f"{stamp[:8]}/{region}/{service}/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = b"AWS4" + keys["SecretAccessKey"].encode()
    for part in (*scope.split("/"), text):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signed["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={keys['AccessKeyId']}/{scope}, "
        f"SignedHeaders={names}, Signature={key.hex()}"
    )
    return signed


# --- the machine ---------------------------------------------------------------------------------


def await_path(path: Path, seconds: int = 300) -> None:
    """A volume is attached a while after the machine has started."""
    deadline = time.monotonic() + seconds
    while not path.exists():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{path} did not appear within {seconds} s")
        time.sleep(0.5)


def write_secret(path: Path, content: bytes) -> None:
    """In memory (/run), for root alone."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o400)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)


def run(*command: str, stdin: str = "") -> None:
    """Run a command that must succeed."""
    subprocess.run(command, input=stdin.encode(), check=True, stdout=sys.stderr)


def run_quietly(*command: str) -> bool:
    """Whether a command succeeds."""
    return subprocess.run(command, capture_output=True).returncode == 0
