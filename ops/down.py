"""`make down`: stop the cluster and keep its data. `make clean` (with --data): remove that too."""

import sys

from ops.on_aws import AwsCluster, aws_cluster
from ops.progress import Progress, say
from ops.stack import Stack, StackProblem, open_stack, run_command


def down(stack: Stack) -> None:
    """Remove services, nodes and network; volumes, secrets and images stay."""
    if stack.platform == "aws":
        _stop_on_aws(aws_cluster(stack))
        return
    cluster = stack.outputs().get("cluster")
    services = cluster and stack.urn(cluster, "services")
    if not services or services not in stack.resources():
        say("There is no running cluster to stop.")
        return
    _destroy(stack, "down", "--target", services)
    say(f"The cluster {cluster} is stopped. Its data is kept: `make up` brings it back.")


def _stop_on_aws(cluster: AwsCluster) -> None:
    """Stop the controller and end the nodes: what is left costs only its storage."""
    if cluster.is_gone():
        raise StackProblem(
            f"The controller {cluster.controller} is gone, its data is not.\nFix: "
            f"make up STACK={cluster.stack} makes another; make clean removes the cluster"
        )
    nodes = cluster.stop()
    say(
        f"The controller of {cluster.name} is stopped, {nodes} node(s) are ended. Data is kept, "
        f"jobs that ran begin again: `make up STACK={cluster.stack}` brings it back."
    )


def clean(stack: Stack) -> None:
    """Remove everything of the stack, once a person at a terminal has agreed to it."""
    cluster = stack.outputs().get("cluster")
    if cluster and sys.stdin.isatty():
        say(f"This removes cluster {cluster} with all homes, jobs and accounting records.")
        if stack.platform == "aws":
            say("With storage.protect, data and secrets stay in the account, and cost.")
        if input(f"Type {cluster} to go on: ").strip() != cluster:
            raise StackProblem("Nothing was removed.")
    remove(stack)


def remove(stack: Stack) -> None:
    """Remove everything of the stack: also homes, queue, accounting records and secrets."""
    cluster = stack.outputs().get("cluster")
    if stack.resources():
        # Data is protected from a plain `pulumi destroy`; who comes here means it.
        stack.pulumi("state", "unprotect", "--all", "--yes")
        _destroy(stack, "clean")
    if cluster:
        (stack.state / f"first-job-{cluster}").unlink(missing_ok=True)
    # The file with the settings stays: it is the user's.
    stack.pulumi("stack", "rm", "--yes", "--preserve-config")
    kept = "" if stack.platform == "aws" else " Images stay for the next `make up`."
    say(f"Stack {stack.name} is removed.{kept}")


def _destroy(stack: Stack, name: str, *options: str) -> None:
    progress = Progress(name)
    if not stack.change(progress, "destroy", *options):
        raise StackProblem("\n".join(progress.problems))


def main() -> None:
    """`down.py [STACK] [--data]`."""
    names = [word for word in sys.argv[1:] if word != "--data"] or ["local"]
    stack = open_stack(names[0])
    if "--data" in sys.argv:
        clean(stack)
    else:
        down(stack)


if __name__ == "__main__":
    run_command(main)
