"""`make down`: stop the cluster and keep its data. `make clean` (with --data): remove that too."""

import shutil
import sys

from pulumi import automation as auto

from ops.environment import CHECKOUT, STATE_NAME
from ops.progress import Progress, say
from ops.stack import StackProblemError, open_stack, run_command, urn


def down(stack_name: str) -> None:
    """Remove services, nodes and network; volumes, secrets and images stay."""
    stack = open_stack(stack_name)
    cluster = _cluster(stack)
    if cluster is None:
        say("There is no cluster to stop.")
        return
    _destroy(stack, target=[urn(stack_name, cluster, "services")])
    say(f"The cluster {cluster} is stopped. Its data is kept: `make up` brings it back.")


def clean(stack_name: str) -> None:
    """Remove everything of the stack: also homes, queue, accounting records and secrets."""
    stack = open_stack(stack_name)
    cluster = _cluster(stack)
    if cluster and sys.stdin.isatty():
        say(f"This removes cluster {cluster} with all homes, jobs and accounting records.")
        if input(f"Type {cluster} to go on: ").strip() != cluster:
            raise StackProblemError("Nothing was removed.")
    if cluster:
        # Data is protected from a plain `pulumi destroy`; who comes here means it.
        stack._run_pulumi_cmd_sync(["state", "unprotect", "--all", "--yes"])
        _destroy(stack)
        (CHECKOUT / STATE_NAME / f"first-job-{cluster}").unlink(missing_ok=True)
    stack.workspace.remove_stack(stack_name)
    say(f"Stack {stack_name} is removed. Images stay for the next `make up`.")


def _cluster(stack: auto.Stack) -> str | None:
    cluster = stack.outputs().get("cluster")
    return str(cluster.value) if cluster else None


def _destroy(stack: auto.Stack, target: list[str] | None = None) -> None:
    progress = Progress()
    try:
        stack.destroy(on_event=progress, target=target, suppress_outputs=True)
    except auto.ConcurrentUpdateError:
        raise
    except auto.CommandError as failure:
        raise StackProblemError("\n".join(progress.problems) or str(failure)) from None


def main() -> None:
    """`down.py [STACK] [--data]`."""
    names = [word for word in sys.argv[1:] if word != "--data"] or ["local"]
    if not shutil.which("docker"):
        raise StackProblemError("Docker is not on PATH, so nothing of the cluster can be running.")
    (clean if "--data" in sys.argv else down)(names[0])


if __name__ == "__main__":
    run_command(main)
