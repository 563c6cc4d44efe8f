"""The example's program: interrupted at any time, it ends with the same result."""

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

from ops.environment import CHECKOUT

PROGRAM = CHECKOUT / "examples/checkpoint/walk.py"
STEPS = "30"


def start(state: Path, log: Path) -> "subprocess.Popen[bytes]":
    with log.open("ab") as out:
        return subprocess.Popen([sys.executable, PROGRAM, STEPS, state], stdout=out)


def await_text(log: Path, pattern: str) -> "re.Match[str]":
    end = time.monotonic() + 20
    while not (found := re.search(pattern, log.read_text())):
        assert time.monotonic() < end, f"no {pattern}: {log.read_text()}"
        time.sleep(0.01)
    return found


def test_it_continues_from_the_checkpoint_and_ends_with_the_same_result(tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert start(tmp_path / "state-1", whole).wait(20) == 0

    state = tmp_path / "state-2"
    first = start(state, parts)
    await_text(parts, "start at step 0")
    first.send_signal(signal.SIGUSR1)
    saved = int(await_text(parts, r"checkpoint at step (\d+) \(signal\)")[1])
    first.kill()
    first.wait()
    assert start(state, parts).wait(20) == 0

    lines = parts.read_text().splitlines()
    assert lines[-2] == f"continue from step {saved}"
    assert 0 < saved < int(STEPS)
    assert lines[-1] == whole.read_text().splitlines()[-1]
    assert lines[-1].startswith("done: position ")
    assert not state.exists(), "the next job begins anew"
