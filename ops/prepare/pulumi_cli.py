"""Step 3: the Pulumi CLI: on PATH, else the vendor's release, else built from its Go module."""

import contextlib
import enum
import hashlib
import http.client
import os
import platform
import re
import shutil
import tarfile
import tempfile
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ops.prepare.debian_packages import go_packages, install
from ops.prepare.machine import Machine
from ops.prepare.steps import ProblemError, Step, ask, cache, only_one, run

VERSION = "3.259.0"  # for both ways; offline/pulumi-cli/go.mod names it too
MINIMUM = (3, 259, 0)  # older ones have not been tried with the SDK in requirements.txt
MINIMUM_GO = (1, 21)  # the first that fetches the toolchain that go.mod asks for
RELEASES = "https://get.pulumi.com/releases/sdk"
CHECKSUMS = "https://github.com/pulumi/pulumi/releases/download"
PROBE_SECONDS = 5.0
DOWNLOAD_SECONDS = 600.0
BUILD_SECONDS = 3600.0
DEBIAN_GO = Path("/usr/lib/go-1.24/bin/go")


class Way(enum.Enum):
    """How we come by the CLI."""

    PATH = "path"
    CACHE = "cache"
    PROBE = "probe"
    RELEASE = "release"
    MODULE = "module"
    INSTALL_GO = "install-go"
    TELL = "tell"


@dataclass(frozen=True)
class Cli:
    """The CLI chosen. `directory` is None when it is the user's own, on PATH."""

    how: str
    version: str
    executable: Path
    directory: Path | None

    def record(self) -> dict[str, Any]:
        """For .state/prepared.json; `seen` tells whether the executable is still the one we
        asked."""
        return {
            "how": self.how,
            "version": self.version,
            "directory": str(self.directory) if self.directory else None,
            "seen": fingerprint(self.executable),
        }


def choose_pulumi(
    on_path: str, cached: bool, site_reachable: bool | None, go: str, may_install_go: bool
) -> Way:
    """Which way to take. `on_path` and `go` are versions ("" if missing); a site of None has not
    been asked yet."""
    if at_least(on_path, MINIMUM):
        return Way.PATH
    if cached:
        return Way.CACHE
    if site_reachable is None:
        return Way.PROBE
    if site_reachable:
        return Way.RELEASE
    if at_least(go, MINIMUM_GO):
        return Way.MODULE
    return Way.INSTALL_GO if may_install_go else Way.TELL


def at_least(version: str, minimum: tuple[int, ...]) -> bool:
    """Whether the version is there and new enough."""
    found = re.search(r"\d+(\.\d+)+", version)
    return found is not None and tuple(map(int, found.group().split("."))) >= minimum


def ensure_pulumi(checkout: Path, machine: Machine, before: dict[str, Any]) -> Cli:
    """Makes sure of the CLI; `before` is its record from the last time. Raises ProblemError."""
    step = Step("pulumi")
    own = cache() / "pulumi" / VERSION / "bin"
    theirs = shutil.which("pulumi")
    if theirs and Path(theirs).parent == own:  # our own environment is set in this shell
        theirs = None
    on_path = version_of(Path(theirs), before) if theirs else ""
    site: bool | None = None
    go: str | None = None
    while True:
        cached = (own / "pulumi").exists()
        go_version = ask([go, "version"]).output if go else ""
        way = choose_pulumi(on_path, cached, site, go_version, may_install_go(machine))
        if way is Way.PATH and theirs:
            return Cli("path", on_path, Path(theirs), None)
        if way is Way.CACHE:
            how = "release" if (own / "pulumi-language-python").exists() else "module"
            return Cli(how, VERSION, own / "pulumi", own)
        why = f"{theirs} is {on_path}" if theirs else "pulumi is not on PATH"
        with only_one(cache() / "pulumi" / "lock", step):
            if (own / "pulumi").exists():
                continue
            if way is Way.PROBE:
                name = release_name(platform.system(), platform.machine())
                site, go = reachable(f"{RELEASES}/{name}"), find_go()
            elif way is Way.RELEASE:
                # A release that cannot be had after all is as good as a site that cannot be
                # reached.
                site = download(step, own, why)
            elif way is Way.MODULE and go:
                build(step, checkout, own, go, f"{why}; {host(RELEASES)} is not reachable")
            elif way is Way.INSTALL_GO:
                go = install_go(step, machine)
            else:
                raise ProblemError(no_way_message(go_version))


def no_way_message(go_version: str) -> str:
    """What a person can do when nothing works."""
    have = f"; {go_version.strip()} is too old" if go_version else ""
    return (
        f"The Pulumi CLI is missing, and {host(RELEASES)} is not reachable. Either install it "
        "(https://www.pulumi.com/docs/install/), or install Go "
        f"{'.'.join(map(str, MINIMUM_GO))} or newer, with which it is then built from its Go "
        f"module{have}."
    )


def may_install_go(machine: Machine) -> bool:
    """Whether the distribution has a Go that will do, and we may install it."""
    return machine.installs_packages and bool(go_packages(machine))


def find_go() -> str | None:
    """Go on PATH, or where Debian's versioned package puts it."""
    return shutil.which("go") or (str(DEBIAN_GO) if DEBIAN_GO.exists() else None)


def install_go(step: Step, machine: Machine) -> str:
    """Installs the distribution's Go."""
    step.begin("installing Go from the distribution, to build Pulumi with")
    install(step, go_packages(machine) or [], machine)
    go = str(DEBIAN_GO) if DEBIAN_GO.exists() else shutil.which("go")
    if not go or not at_least(ask([go, "version"]).output, MINIMUM_GO):
        raise ProblemError(f"Go was installed, but is not new enough: {go}")
    return go


def version_of(executable: Path, before: dict[str, Any]) -> str:
    """The CLI's version; asked again (150 ms) only if the executable changed."""
    if before.get("how") == "path" and before.get("seen") == fingerprint(executable):
        return str(before["version"])
    return ask([str(executable), "version"]).output.strip().removeprefix("v")


def fingerprint(executable: Path) -> list[str | int]:
    """Tells one installation from another."""
    status = executable.resolve().stat()
    return [str(executable.resolve()), status.st_size, status.st_mtime_ns]


def host(url: str) -> str:
    """The host in an address, for messages."""
    return url.split("/")[2]


def reachable(url: str) -> bool:
    """Whether the file is there to be downloaded, within seconds."""
    try:
        request = urllib.request.Request(url, method="HEAD")  # noqa: S310  # an address of ours
        with urllib.request.urlopen(request, timeout=PROBE_SECONDS):  # noqa: S310
            return True
    except (OSError, http.client.HTTPException):  # HTTPError is an OSError
        return False


def build(step: Step, checkout: Path, own: Path, go: str, why: str) -> None:
    """Builds the CLI from its Go module, into place in one move."""
    step.begin(f"building {VERSION} from its Go module, some minutes once")
    with tempfile.TemporaryDirectory(dir=own_parent(own), prefix="building-") as scratch:
        target = Path(scratch) / "bin" / "pulumi"
        environment = {**os.environ, "GOTOOLCHAIN": "auto", "CGO_ENABLED": "0"}
        if not shutil.which("go"):
            # Go came only for this: leave no gigabytes of its caches behind.
            environment |= {"GOPATH": f"{scratch}/path", "GOCACHE": f"{scratch}/cache"}
            environment["GOFLAGS"] = f"{os.environ.get('GOFLAGS', '')} -modcacherw".strip()
        flag = f"-X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v{VERSION}"
        command = [go, "build", "-v", "-trimpath", "-buildvcs=false", "-o", str(target)]
        command += ["-ldflags", f"-s -w {flag}", "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"]
        module = checkout / "offline" / "pulumi-cli"
        ended = run(step, command, timeout=BUILD_SECONDS, env=environment, cwd=module)
        if ended.status != 0:
            raise ProblemError(f"Pulumi could not be built from its Go module:\n{ended.tail()}")
        put(target.parent, own)
    step.end("built from its Go module", why)


def download(step: Step, own: Path, why: str, releases: str = RELEASES) -> bool:
    """Fetches the vendor's release, language hosts included; False if it cannot be had."""
    name = release_name(platform.system(), platform.machine())
    step.begin(f"downloading {VERSION} from {host(releases)}")
    with tempfile.TemporaryDirectory(dir=own_parent(own), prefix="downloading-") as scratch:
        archive = Path(scratch) / name
        try:
            fetch(step, f"{releases}/{name}", archive)
        except (OSError, http.client.HTTPException) as error:
            step.note(f"{releases}/{name} could not be had: {error}")
            return False
        checked = verify(archive, name)
        unpack(archive, Path(scratch) / "bin")
        put(Path(scratch) / "bin", own)
    step.end(f"{VERSION} from {host(releases)}, {checked}", why)
    return True


def release_name(system: str, architecture: str) -> str:
    """The release's file for this machine."""
    short = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}
    return (
        f"pulumi-v{VERSION}-{system.lower()}-{short.get(architecture.lower(), architecture)}.tar.gz"
    )


def fetch(step: Step, url: str, target: Path) -> None:
    """Downloads a file and shows how far it is."""
    began = shown = time.monotonic()
    request = urllib.request.Request(url)  # noqa: S310  # an address of ours
    source = urllib.request.urlopen(request, timeout=PROBE_SECONDS * 4)  # noqa: S310
    with source, target.open("wb") as file:
        total = int(source.headers.get("Content-Length") or 0)
        while chunk := source.read(1 << 20):
            file.write(chunk)
            now = time.monotonic()
            if now - began > DOWNLOAD_SECONDS:
                raise TimeoutError(f"not finished after {DOWNLOAD_SECONDS:.0f} s")
            if now - shown > 10:
                shown = now
                step.note(f"{now - began:.0f} s: {file.tell() >> 20} of {total >> 20} MiB")
        if total and file.tell() != total:
            raise ConnectionError(f"ended after {file.tell()} of {total} bytes")


def read(url: str) -> bytes:
    """A small file's content."""
    with urllib.request.urlopen(url, timeout=PROBE_SECONDS) as source:  # noqa: S310
        return bytes(source.read())


def verify(archive: Path, name: str, checksums: str = CHECKSUMS) -> str:
    """Compares with the checksum that the vendor publishes elsewhere; says what was verified."""
    url = f"{checksums}/v{VERSION}/pulumi-{VERSION}-checksums.txt"
    text = ""
    with contextlib.suppress(OSError, http.client.HTTPException):
        text = read(url).decode(errors="replace")
    published = {
        line.split()[-1].lstrip("*"): line.split()[0] for line in text.splitlines() if line
    }
    if name not in published:
        return f"over https ({host(checksums)} has no checksum for us)"
    if hashlib.sha256(archive.read_bytes()).hexdigest() != published[name]:
        raise ProblemError(f"{name} is not what {url} says it should be; not used.")
    return "checksum verified"


def unpack(archive: Path, target: Path) -> None:
    """Takes the executables out of the release; nothing else in it can name a path."""
    target.mkdir()
    with tarfile.open(archive) as contents:
        for member in contents:
            file = contents.extractfile(member) if member.isfile() else None
            name = Path(member.name).name
            if file and name.startswith("pulumi"):
                (target / name).write_bytes(file.read())
                (target / name).chmod(0o755)


def own_parent(own: Path) -> Path:
    """Where to build so that the result can be moved into place at once."""
    own.parent.mkdir(parents=True, exist_ok=True)
    return own.parent


def put(finished: Path, own: Path) -> None:
    """Moves the finished directory into place; there is never half of one."""
    shutil.rmtree(own, ignore_errors=True)
    finished.rename(own)
