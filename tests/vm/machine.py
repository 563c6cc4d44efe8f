"""A running VM: boot it, run commands in it, copy files into it, and always stop it.

Everything that it starts on this machine ends with it, also after an error, Ctrl-C or a killed
Python: QEMU is a child that the kernel ends together with us, its disk overlays are unlinked files,
and the folder of a run is temporary.
"""

from __future__ import annotations

import os
import shlex
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.vm import host_tools, qemu
from tests.vm.disk import cache_folder, ensure_disk
from tests.vm.image_store import image_store
from tests.vm.progress import Progress
from tests.vm.recipe import DiskRecipe

# Emulated on a loaded machine with two cores; an idle one needs a tenth of it.
BOOT_SECONDS = 300
# What kills an emulated kernel while it patches its own code is rare, not gone: see `qemu.py`.
BOOT_ATTEMPTS = 3
COMMAND_SECONDS = 300
LOAD_SECONDS = 1800
LOG_LINES_SHOWN = 30
CONSOLE_LOGS_KEPT = 5

_ROOT = "root@127.0.0.1"

# Paths are relative to a run's folder, ssh's working directory: a socket's path may have 108 bytes.
_SSH_OPTIONS = (
    *("-F", "/dev/null"),
    *("-o", "IdentityFile=key", "-o", "IdentitiesOnly=yes"),
    # The VM lives for minutes behind a port of 127.0.0.1, and its host key is in the cached disk.
    *("-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"),
    *("-o", "LogLevel=ERROR", "-o", "BatchMode=yes", "-o", "ConnectTimeout=30"),
    *("-o", "ControlPath=ssh"),
)


class VmError(Exception):
    """The VM did not start, or a command in it failed; the text has what it printed."""


class VmEndedError(VmError):
    """QEMU ended by itself: it was refused something, or the kernel in it panicked."""


class Vm:
    """A VM. Made by `boot`; every command runs as root."""

    def __init__(self, *, ssh_port: int, folder: Path, process: subprocess.Popen[bytes]) -> None:
        self._ssh_port = ssh_port
        self._folder = folder
        self._process = process

    def run(
        self,
        command: str | Sequence[str],
        *,
        stdin: str = "",
        environment: Mapping[str, str] | None = None,
        check: bool = True,
        timeout: float = COMMAND_SECONDS,
    ) -> subprocess.CompletedProcess[str]:
        """Runs a command: a string in a shell, or a list of arguments exactly as they are.

        `environment` reaches it by ssh and is in nobody's arguments. `timeout` is in seconds.
        Raises VmError when it takes longer or, with `check`, when its status is not 0.
        """
        line = command if isinstance(command, str) else shlex.join(command)
        extra = dict(environment or {})
        send = [word for name in extra for word in ("-o", f"SendEnv={name}")]
        arguments = ["ssh", *_SSH_OPTIONS, "-p", str(self._ssh_port), *send, _ROOT, line]
        try:
            result = subprocess.run(
                arguments,
                cwd=self._folder,
                env={**os.environ, **extra},
                input=stdin,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=timeout,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise VmError(f"`{line}` in the VM took longer than {timeout:.0f} s") from error
        self._raise_if_ended(result.returncode)
        if check and result.returncode != 0:
            output = f"{result.stdout}{result.stderr}"
            raise VmError(f"`{line}` in the VM ended with {result.returncode}\n{output}")
        return result

    def copy_in(self, source: Path, target: str) -> None:
        """Copies a file or a folder to `target` in the VM, as scp -r does. Raises VmError."""
        result = subprocess.run(
            [
                *("scp", "-q", "-r", *_SSH_OPTIONS, "-P", str(self._ssh_port)),
                *(str(source.resolve()), f"{_ROOT}:{target}"),
            ],
            cwd=self._folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        self._raise_if_ended(result.returncode)
        if result.returncode != 0:
            raise VmError(f"copying {source} to {target} in the VM failed: {result.stderr}")

    def wait_until_reachable(self) -> None:
        """Returns when ssh works; one connection stays open for later commands. Raises VmError."""
        deadline = time.monotonic() + BOOT_SECONDS
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise VmEndedError(self._end())
            if self._ssh_banner() and self._open_shared_connection():
                return
        console = self._last_lines("console.log")
        raise VmError(f"ssh in the VM did not answer in {BOOT_SECONDS} s; its console:\n{console}")

    def keep_console(self) -> Path:
        """Copies the console's log to the cache, beside those of the last few failures."""
        logs = cache_folder() / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        kept = logs / f"console-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.log"
        shutil.copy(self._folder / "console.log", kept)
        for old in sorted(logs.glob("console-*.log"))[:-CONSOLE_LOGS_KEPT]:
            old.unlink(missing_ok=True)
        return kept

    def close_shared_connection(self) -> None:
        """Ends the ssh process in the background that `wait_until_reachable` left there."""
        subprocess.run(
            ["ssh", *_SSH_OPTIONS, "-O", "exit", _ROOT],
            cwd=self._folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )

    def _ssh_banner(self) -> bool:
        """QEMU accepts a connection at once and the guest answers later, so this mostly waits."""
        try:
            with socket.create_connection(("127.0.0.1", self._ssh_port), timeout=5) as connection:
                if connection.recv(4) == b"SSH-":
                    return True
        except OSError:
            pass
        time.sleep(0.2)  # QEMU is starting, or the guest refused: there is nothing to wait on
        return False

    def _open_shared_connection(self) -> bool:
        """An emulated handshake takes a second, so all commands share the first connection."""
        # What later commands may send is decided here; what they do send, by each of them.
        shared = ["-o", "ControlMaster=yes", "-o", "ControlPersist=yes", "-o", "SendEnv=*"]
        result = subprocess.run(
            ["ssh", *_SSH_OPTIONS, "-p", str(self._ssh_port), *shared, _ROOT, "true"],
            cwd=self._folder,
            env={"PATH": os.environ["PATH"]},
            stdin=subprocess.DEVNULL,
            # The connection stays in the background and would hold a pipe open for ever.
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=60,
            check=False,
        )
        return result.returncode == 0

    def _raise_if_ended(self, ssh_status: int) -> None:
        if ssh_status != 255:  # ssh's own failures; commands may end with it too
            return
        try:
            self._process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            return
        raise VmEndedError(self._end())

    def _end(self) -> str:
        said = self._last_lines("qemu.log") or self._last_lines("console.log")
        return f"the VM ended by itself (QEMU's status {self._process.returncode}):\n{said}"

    def _last_lines(self, log: str) -> str:
        path = self._folder / log
        text = path.read_text(errors="replace") if path.exists() else ""
        return "\n".join(text.splitlines()[-LOG_LINES_SHOWN:])


@contextmanager
def boot(
    *,
    progress: Progress,
    images: Sequence[str] = (),
    disks: Mapping[str, Path] | None = None,
    shape: qemu.Shape | None = None,
    recipe: DiskRecipe | None = None,
) -> Iterator[Vm]:
    """A VM in which Docker runs and has `images` of this machine's engine, while the block runs.

    `disks` are raw files: one named `data` is /dev/disk/by-id/virtio-data there. The console's log
    is kept when the block raises. Raises MissingToolError, DiskError, ImageError or VmError.
    """
    host_tools.ensure(host_tools.TO_RUN, progress)
    disk = ensure_disk(recipe or DiskRecipe(), progress)
    with (
        tempfile.TemporaryDirectory(prefix="run-", dir=cache_folder()) as folder_name,
        ExitStack() as stack,
    ):
        folder = Path(folder_name)
        extra_disks = [qemu.ExtraDisk(serial=s, file=file) for s, file in (disks or {}).items()]
        store = image_store(images, disk, folder, progress) if images else None
        if store:
            mount_at = None if store.is_archive else "/var/lib/docker"
            extra = qemu.ExtraDisk(serial="images", file=store.file, mount_at=mount_at)
            extra_disks.append(extra)
        wiring = qemu.Wiring(
            console=folder / "console.log",
            ssh_port=_free_port(),
            authorized_key=_make_key(folder),
            extra_disks=tuple(extra_disks),
        )
        accelerator = qemu.usable_accelerator(disk)
        arguments = qemu.command(disk, shape or qemu.Shape(), accelerator, wiring)
        with progress.step(f"booting the VM ({accelerator})"):
            vm = _booted(arguments, wiring.ssh_port, folder, stack, progress)
        try:
            with progress.step("waiting for Docker in the VM"):
                vm.run("systemctl start docker.service")  # returns once it is active
            if store and store.is_archive:
                with progress.step("loading images in the VM"):
                    vm.run("docker load -q < /dev/disk/by-id/virtio-images", timeout=LOAD_SECONDS)
            yield vm
        except BaseException:
            progress.line(f"the VM's console log is kept: {vm.keep_console()}")
            raise


def _booted(
    arguments: Sequence[str], ssh_port: int, folder: Path, stack: ExitStack, progress: Progress
) -> Vm:
    """Starts QEMU, which `stack` then stops, until a VM answers."""
    for attempt in range(1, BOOT_ATTEMPTS + 1):
        process = stack.enter_context(_running(arguments, folder))
        vm = Vm(ssh_port=ssh_port, folder=folder, process=process)
        try:
            vm.wait_until_reachable()
        except VmError as error:
            progress.line(f"the VM's console log is kept: {vm.keep_console()}")
            if attempt == BOOT_ATTEMPTS or not isinstance(error, VmEndedError):
                raise
            progress.line("the VM died while booting, trying again")
        else:
            stack.callback(vm.close_shared_connection)
            return vm
    raise AssertionError("unreachable")


@contextmanager
def _running(arguments: Sequence[str], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    with (folder / "qemu.log").open("wb") as log:
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *arguments],
            env={**os.environ, "TMPDIR": str(folder)},  # where QEMU puts the overlays
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        yield process
    finally:
        process.terminate()  # nothing in the VM is worth a clean shutdown
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _make_key(folder: Path) -> str:
    """Makes this run's key; the public part, which the VM learns at boot."""
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "vm", "-f", str(folder / "key")]
    subprocess.run(command, check=True, capture_output=True, stdin=subprocess.DEVNULL)
    return (folder / "key.pub").read_text().strip()


def _free_port() -> int:
    """A port that nothing uses now. Should a program take it first, QEMU says so and ends."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
