"""Watches, on a spot node, for the notice that its machine will be taken back.

Reads EC2's instance metadata (IMDSv2) every few seconds:

    rebalance recommendation    the node is drained; its jobs go on
    interruption notice         the node is drained, and the batch script of each of its jobs gets
                                a signal: two minutes to write a checkpoint

The node manager sees the drain by its reason, starts a replacement, and when the machine is gone
has Slurm requeue the jobs. Runs as root on the node, with the node's own Slurm commands.
"""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request

LEAVING = "hpc-stack: leaving: "
"""The node manager acts on reasons that begin so (node_manager/failures.py)."""

TOKEN_SECONDS = 21_600
TIMEOUT_SECONDS = 2.0
COMMAND_SECONDS = 20.0
INTERRUPTION = "spot/instance-action"
REBALANCE = "events/recommendations/rebalance"


class Away(Exception):
    """The metadata service, or Slurm, gave no useful answer."""


class Metadata:
    """The instance metadata service. https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html"""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint.rstrip("/")
        self._token = ""

    def read(self, path: str) -> dict[str, str] | None:
        """The document below latest/meta-data, None where there is none. Raises Away."""
        for _ in range(2):
            if not self._token:
                self._token = self._request(
                    "PUT",
                    "/latest/api/token",
                    {"X-aws-ec2-metadata-token-ttl-seconds": str(TOKEN_SECONDS)},
                )
            try:
                text = self._request(
                    "GET",
                    f"/latest/meta-data/{path}",
                    {"X-aws-ec2-metadata-token": self._token},
                )
                document = json.loads(text)
            except urllib.error.HTTPError as error:
                if error.code == 404:
                    return None
                if error.code != 401:
                    raise Away(f"{path}: HTTP status {error.code}") from error
                self._token = ""  # too old
            except ValueError as error:
                raise Away(f"{path}: not JSON") from error
            else:
                if not isinstance(document, dict):
                    raise Away(f"{path}: not an object")
                return {str(key): str(value) for key, value in document.items()}
        raise Away(f"{path}: no token is good enough")

    def _request(self, method: str, path: str, headers: dict[str, str]) -> str:
        request = urllib.request.Request(  # noqa: S310
            self._endpoint + path, method=method, headers=headers
        )
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310
                return str(answer.read().decode())
        except urllib.error.HTTPError as error:
            if path.startswith("/latest/api/"):
                raise Away(f"no token: HTTP status {error.code}") from error
            raise
        except (OSError, UnicodeDecodeError) as error:
            raise Away(str(error)) from error


class Watcher:
    """What has been seen and done on this node."""

    def __init__(self, node: str, signal: str, metadata: Metadata) -> None:
        self._node = node
        self._signal = signal
        self._metadata = metadata
        self._drained = ""
        self._signalled: set[str] = set()
        self._told: dict[str, str] = {}

    def look(self) -> None:
        """One look, and what follows from it. What fails is done at the next look."""
        try:
            notice = self._metadata.read(INTERRUPTION)
            advice = None if notice else self._metadata.read(REBALANCE)
            self._tell("metadata", "")
        except Away as problem:
            self._tell("metadata", f"no answer from the metadata service: {problem}")
            return
        try:
            if notice:
                self._drain(f"spot interruption at {notice.get('time', 'an unknown time')}")
                self._signal_jobs()
            elif advice:
                self._drain(f"rebalance recommendation at {advice.get('noticeTime', '')}")
            self._tell("slurm", "")
        except Away as problem:
            self._tell("slurm", f"Slurm refused: {problem}")

    def _drain(self, why: str) -> None:
        if self._drained == why:
            return
        reason = f"{LEAVING}{why}"
        _command("scontrol", "update", f"nodename={self._node}", "state=drain", f"reason={reason}")
        self._drained = why
        _log(f"node={self._node} drained: {why}")

    def _signal_jobs(self) -> None:
        running = _command(
            "squeue", "--noheader", "--states=RUNNING", f"--nodelist={self._node}", "--format=%A"
        )
        for job in sorted(set(running.split()) - self._signalled):
            try:
                _command("scancel", "--batch", f"--signal={self._signal}", job)
            except Away:
                # Without a batch script (salloc, srun) its steps are all there is.
                _command("scancel", f"--signal={self._signal}", job)
            self._signalled.add(job)
            _log(f"node={self._node} job={job} got {self._signal}")

    def _tell(self, about: str, text: str) -> None:
        """Once for each new state of affairs."""
        if self._told.get(about, "") != text:
            _log(f"node={self._node} {text or f'{about} answers'}")
        self._told[about] = text


def _command(*words: str) -> str:
    try:
        done = subprocess.run(
            words, capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Away(f"{words[0]}: {error}") from error
    # scancel may succeed and still complain that it signalled nothing.
    if done.returncode != 0 or (words[0] == "scancel" and "error" in done.stderr):
        said = (done.stderr or done.stdout).strip().splitlines()
        raise Away(f"{words[0]}: {said[-1] if said else f'exit status {done.returncode}'}")
    return done.stdout


def _log(text: str) -> None:
    print(f"spot-watcher: {text}", file=sys.stderr, flush=True)


def main() -> None:
    """Look for ever. SPOT_POLL_SECONDS: AWS recommends to look every 5 s."""
    watcher = Watcher(
        os.environ["SLURM_NODE_NAME"],
        os.environ["SPOT_SIGNAL"],
        Metadata(os.environ["AWS_EC2_METADATA_SERVICE_ENDPOINT"]),
    )
    pause = float(os.environ.get("SPOT_POLL_SECONDS", "5"))
    while True:
        watcher.look()
        time.sleep(pause)


if __name__ == "__main__":
    main()
