"""`make up`: bring the cluster to its settings, prove it with a first job, say what is next."""

import sys
import time
from typing import Any

from ops.containers import containers, image_exists, users
from ops.first_job import FirstJob, run_first_job
from ops.progress import Progress, say
from ops.stack import PAGES, Stack, StackProblem, open_stack, run_command
from ops.up_on_aws import up_on_aws, way_in


def up(stack: Stack) -> None:
    """Bring the stack up; a cluster that was made, or made again, is proved by a job."""
    begun = time.monotonic()
    if stack.platform == "aws":
        outputs, changed = up_on_aws(stack)
        say(summary(stack.name, outputs, None, changed=changed))
        say("\n".join(way_in(stack)))
        say(f"[up] {time.monotonic() - begun:.1f} s")
        return
    progress = Progress("up")
    replacements = [word for urn in repairs(stack) for word in ("--replace", urn)]
    if not stack.change(progress, "up", *replacements):
        raise StackProblem("\n".join(progress.problems))
    outputs = stack.outputs()
    cluster = outputs["cluster"]

    proof = stack.state / f"first-job-{cluster}"
    job = None
    if stack.urn(cluster, "services") in progress.made or not proof.exists():
        job = run_first_job(cluster, users(cluster)[0])
        proof.write_text(job.record + "\n")
    say(summary(stack.name, outputs, job, changed=progress.changed))
    say(f"[up] {time.monotonic() - begun:.1f} s")


def repairs(stack: Stack) -> list[str]:
    """URNs of what Pulumi believes to be there, and is not: removed by hand, or with the engine."""
    outputs = stack.outputs()
    if "cluster" not in outputs:
        return []
    cluster = outputs["cluster"]
    running = [
        c
        for c in containers(cluster)
        if c.service not in (None, "configurator") and c.state == "running"
    ]
    parts = {
        "images": all(image_exists(image) for image in outputs["images"]),
        "services": {c.service for c in running} >= set(outputs.get("services", ())),
    }
    lost = [stack.urn(cluster, part) for part, is_there in parts.items() if not is_there]
    return [urn for urn in lost if urn in stack.resources()] if lost else []


def summary(
    stack: str, outputs: dict[str, Any], job: FirstJob | None, *, changed: bool = False
) -> str:
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
        *(f"  {name:12} {outputs[name]}" for name in PAGES if name in outputs),
        f"  make report{option:14} how the cluster does, as a page to look at and to mail",
        f"  Settings: Pulumi.{stack}.yaml, all keys in docs/configuration.md; then `make up`.",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    run_command(lambda: up(open_stack(sys.argv[1] if len(sys.argv) > 1 else "local")))
