"""A running VM: boot it, run commands in it, copy files into it, and always stop it.

Everything that it starts on this machine ends with it, also after an error, Ctrl-C or a killed Python: QEMU is a child
that the kernel ends together with us, its disk overlay is an unlinked file, and the folder of a run is temporary.
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
from contextlib import contextmanager
from pathlib import Path

from tests.vm import host_tools, qemu
from tests.vm.disk import cache_folder, ensure_disk
from tests.vm.progress import Progress
from tests.vm.recipe import DiskRecipe

# Emulated on a loaded machine with two cores; an idle one needs a fifth of it.
BOOT_SECONDS = 300
COMMAND_SECONDS = 300
LOG_LINES_SHOWN = 30
CONSOLE_LOGS_KEPT = 5


class VmError(Exception):
    """The VM did not start, or a command in it failed; the text has what it printed."""


class Vm:
    """A booted VM. Made by `boot`; `root` is the user of every command."""

    def __init__(self, *, ssh_port: int, folder: Path, process: subprocess.Popen[bytes]) -> None:
        self.ssh_port = ssh_port
        self._folder = folder
        self._process = process
        self._options = _ssh_options(folder)

    def run(
        self,
        command: str | Sequence[str],
        *,
        stdin: str | None = None,
        environment: Mapping[str, str] | None = None,
        check: bool = True,
        timeout: float = COMMAND_SECONDS,
    ) -> subprocess.CompletedProcess[str]:
        """Runs a command: a string in a shell, or a list of arguments exactly as they are.

        `environment` reaches it by ssh and is in nobody's arguments. `timeout` is in seconds. Raises VmError when it
        takes longer or, with `check`, when it ends with another status than 0.
        """
        line = command if isinstance(command, str) else shlex.join(command)
        extra = dict(environment or {})
        send = [word for name in extra for word in ("-o", f"SendEnv={name}")]
        arguments = ["ssh", *self._options, "-p", str(self.ssh_port), *send, "root@127.0.0.1", line]
        try:
            result = subprocess.run(
                arguments,
                env={**os.environ, **extra},
                input=stdin if stdin is not None else "",
                capture_output=True,
                text=True,
                errors="replace",
                timeout=timeout,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise VmError(f"`{line}` in the VM took longer than {timeout:.0f} s") from error
        if check and result.returncode != 0:
            raise VmError(
                f"`{line}` in the VM ended with {result.returncode}\n{result.stdout}{result.stderr}"
            )
        return result

    def copy_in(self, source: Path, target: str) -> None:
        """Copies a file or a folder to `target` in the VM, as scp -r does. Raises VmError."""
        arguments = ["scp", "-q", "-r", *self._options, "-P", str(self.ssh_port)]
        result = subprocess.run(
            [*arguments, str(source), f"root@127.0.0.1:{target}"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        if result.returncode != 0:
            raise VmError(f"copying {source} to {target} in the VM failed: {result.stderr}")

    def wait_until_reachable(self) -> None:
        """Returns when ssh works, and keeps one connection open for later commands. Raises VmError."""
        deadline = time.monotonic() + BOOT_SECONDS
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise VmError(
                    f"QEMU ended with {self._process.returncode}: {self._said('qemu.log')}"
                )
            if self._ssh_banner() and self._open_shared_connection():
                return
        raise VmError(
            f"ssh in the VM did not answer within {BOOT_SECONDS} s; its console ends with\n"
            + self._said("console.log")
        )

    def keep_console(self) -> Path:
        """Copies the console's log to the cache, where the last few failures' are, and returns its path."""
        logs = cache_folder() / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        kept = logs / f"console-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.log"
        shutil.copy(self._folder / "console.log", kept)
        for old in sorted(logs.glob("console-*.log"))[:-CONSOLE_LOGS_KEPT]:
            old.unlink(missing_ok=True)
        return kept

    def close_shared_connection(self) -> None:
        """Ends the ssh process in the background that `wait_until_reachable` left there."""
        command = ["ssh", *self._options, "-O", "exit", "root@127.0.0.1"]
        subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, check=False)

    def _said(self, log: str) -> str:
        path = self._folder / log
        text = path.read_text(errors="replace") if path.exists() else ""
        return "\n".join(text.splitlines()[-LOG_LINES_SHOWN:])

    def _ssh_banner(self) -> bool:
        """QEMU accepts a connection at once and the guest answers later, so this waits rather than spins."""
        try:
            with socket.create_connection(("127.0.0.1", self.ssh_port), timeout=5) as connection:
                if connection.recv(4) == b"SSH-":
                    return True
        except OSError:
            pass
        time.sleep(0.2)  # QEMU is still starting, or the guest refused; there is nothing to wait on
        return False

    def _open_shared_connection(self) -> bool:
        """A handshake takes a second or more when emulated, so all commands share the first one's connection."""
        result = subprocess.run(
            [
                *("ssh", *self._options, "-p", str(self.ssh_port)),
                *("-o", "ControlMaster=yes", "-o", "ControlPersist=yes", "root@127.0.0.1", "true"),
            ],
            stdin=subprocess.DEVNULL,
            # The connection stays in the background and would hold a pipe open for ever.
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=60,
            check=False,
        )
        return result.returncode == 0


@contextmanager
def boot(
    *,
    progress: Progress,
    recipe: DiskRecipe | None = None,
    shape: qemu.Shape | None = None,
    disks: Mapping[str, Path] | None = None,
) -> Iterator[Vm]:
    """A VM in which Docker runs, for as long as the block does.

    `disks` are raw files that the VM sees read-only: a file under the name `images` is
    /dev/disk/by-id/nvme-QEMU_NVMe_Ctrl_images there. The console's log is kept when the block raises.
    Raises MissingToolError, DiskError or VmError.
    """
    host_tools.ensure(host_tools.TO_RUN, progress)
    disk = ensure_disk(recipe or DiskRecipe(), progress)
    accelerator = qemu.usable_accelerator(disk)
    folder = Path(tempfile.mkdtemp(prefix="hpc-stack-vm-"))
    try:
        wiring = qemu.Wiring(
            console=folder / "console.log",
            ssh_port=_free_port(),
            authorized_key=_make_key(folder),
            extra_disks=disks or {},
        )
        arguments = qemu.command(disk, shape or qemu.Shape(), accelerator, wiring)
        with _running(arguments, folder) as process:
            vm = Vm(ssh_port=wiring.ssh_port, folder=folder, process=process)
            try:
                with progress.step(f"booting the VM ({accelerator})"):
                    vm.wait_until_reachable()
                with progress.step("waiting for Docker in the VM"):
                    vm.run("systemctl start docker.service")  # returns once it is active
                yield vm
            except BaseException:
                progress.line(f"the VM's console log is kept: {vm.keep_console()}")
                raise
            finally:
                vm.close_shared_connection()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _running(arguments: Sequence[str], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    with (folder / "qemu.log").open("wb") as log:
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *arguments],
            env={**os.environ, "TMPDIR": str(folder)},  # where QEMU puts the overlay
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


def _ssh_options(folder: Path) -> list[str]:
    options = {
        "IdentityFile": folder / "key",
        "IdentitiesOnly": "yes",
        # The VM lives for minutes behind a port of 127.0.0.1, and its host key is in the cached disk.
        "StrictHostKeyChecking": "no",
        "UserKnownHostsFile": "/dev/null",
        "LogLevel": "ERROR",
        "BatchMode": "yes",
        "ConnectTimeout": "30",
        "ControlPath": folder / "ssh",
    }
    return ["-F", "/dev/null", *(w for k, v in options.items() for w in ("-o", f"{k}={v}"))]


def _make_key(folder: Path) -> str:
    """Makes this run's key; the public part, which the VM learns at boot."""
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "vm", "-f", str(folder / "key")]
    subprocess.run(command, check=True, capture_output=True, stdin=subprocess.DEVNULL)
    return (folder / "key.pub").read_text().strip()


def _free_port() -> int:
    """A port that nothing uses now. Should another program take it before QEMU does, QEMU says so and ends."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
