"""`make up`: bring the cluster to its settings, prove it with a first job, say what is next."""

import sys
import time

from pulumi import automation as auto

from ops.containers import containers, image_exists, users
from ops.environment import CHECKOUT, STATE_NAME
from ops.first_job import FirstJob, run_first_job
from ops.progress import Progress, say
from ops.stack import StackProblemError, open_stack, run_command, urn

SERVICES = 7
"""Services of the Compose project; fewer running means that somebody stopped or removed one."""


def up(stack_name: str) -> None:
    """Bring the stack up. Without a change it takes seconds and runs no job."""
    begun = time.monotonic()
    stack = open_stack(stack_name)
    progress = Progress()
    try:
        result = stack.up(on_event=progress, replace=repairs(stack), suppress_outputs=True)
    except auto.ConcurrentUpdateError:
        raise
    except auto.CommandError as failure:
        raise StackProblemError("\n".join(progress.problems) or str(failure)) from None
    outputs = {name: output.value for name, output in result.outputs.items()}
    cluster = outputs["cluster"]

    proof = CHECKOUT / STATE_NAME / f"first-job-{cluster}"
    job = None
    if progress.changed or not proof.exists():
        job = run_first_job(cluster, users(cluster)[0])
        proof.write_text(job.record + "\n")
    say(summary(stack_name, outputs, job, changed=progress.changed))
    say(f"[up] {time.monotonic() - begun:.1f} s")


def repairs(stack: auto.Stack) -> list[str]:
    """URNs of what Pulumi believes to be there, and is not: removed by hand, or with the engine."""
    outputs = stack.outputs()
    if "cluster" not in outputs:
        return []
    cluster = outputs["cluster"].value
    known = {
        resource["urn"] for resource in (stack.export_stack().deployment or {}).get("resources", [])
    }
    wanted = []
    if not all(image_exists(image) for image in outputs["images"].value):
        wanted.append(urn(stack.name, cluster, "images"))
    running = [c for c in containers(cluster) if c.service and c.state == "running"]
    if len(running) < SERVICES:
        wanted.append(urn(stack.name, cluster, "services"))
    return [resource for resource in wanted if resource in known]


def summary(stack: str, outputs: dict[str, object], job: FirstJob | None, *, changed: bool) -> str:
    """What a person sees at the end."""
    lines = [""]
    if job:
        state, nodes, names, submitted, started, ended, account = job.record.split("|")
        lines += [
            *(f"    {line}" for line in job.output.splitlines()),
            f"    job {job.job} in the accounting database: {state}, {nodes} nodes ({names}),"
            f" account {account},",
            f"    submitted {submitted}, started {started}, ended {ended}",
            "",
        ]
    elif not changed:
        lines += ["Nothing to change: the cluster is as the settings say.", ""]
    option = "" if stack == "local" else f" STACK={stack}"
    lines += [
        f"The cluster {outputs['cluster']} is up.",
        f"  make shell{option:15} a shell on the login node (sinfo, sbatch, srun, squeue, sacct)",
        f"  make status{option:14} services, nodes, queue, addresses",
        f"  make down{option:16} stop it and keep the data",
        f"  ssh   {outputs['ssh']}  (with a key in the settings)",
        f"  REST  {outputs['rest']}",
        f"  Settings: Pulumi.{stack}.yaml, all keys in docs/configuration.md; then `make up`.",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    run_command(lambda: up(sys.argv[1] if len(sys.argv) > 1 else "local"))
