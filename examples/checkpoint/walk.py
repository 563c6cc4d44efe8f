"""A random walk that can be interrupted: it continues where its last checkpoint was.

    python3 walk.py STEPS STATE_FILE

SIGUSR1 makes it write a checkpoint at once; it writes one every 20 steps besides. The result is the
same with and without interruptions, since the state has all that the next step depends on.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

EVERY = 20
SECONDS_PER_STEP = 0.1

asked = False


def main(steps: int, file: Path) -> None:
    """Walk to the end."""
    signal.signal(signal.SIGUSR1, ask)
    step, position, seed = load(file)
    print(f"{'continue from' if step else 'start at'} step {step}", flush=True)
    while step < steps:
        seed = (seed * 6364136223846793005 + 1442695040888963407) % 2**64
        position += 1 if seed >> 63 else -1
        step += 1
        time.sleep(SECONDS_PER_STEP)  # where a real program would compute
        if asked or step % EVERY == 0:
            save(file, step, position, seed)
    print(f"done: position {position} after {steps} steps", flush=True)
    file.unlink(missing_ok=True)


def ask(_signal: int, _frame: object) -> None:
    """The machine is going to be taken away: write a checkpoint after this step."""
    global asked
    asked = True


def load(file: Path) -> tuple[int, int, int]:
    """Step, position and seed of the checkpoint, or of the beginning."""
    try:
        state = json.loads(file.read_text())
    except FileNotFoundError:
        return 0, 0, 1
    return state["step"], state["position"], state["seed"]


def save(file: Path, step: int, position: int, seed: int) -> None:
    """Write a checkpoint: the old one stays until the new one is whole and on disk."""
    global asked
    draft = file.with_suffix(".new")
    with draft.open("w") as stream:
        json.dump({"step": step, "position": position, "seed": seed}, stream)
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(file)
    if asked:
        print(f"checkpoint at step {step} (signal)", flush=True)
    asked = False


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
