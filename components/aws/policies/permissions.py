"""Every permission of a cluster in one place, by role: for tests and for docs.

Which role gets which policy is decided in identity.py, network.py and storage.py.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from components.aws.policies.controller import controller_statements, launch_statements
from components.aws.policies.facts import Facts
from components.aws.policies.node import jobs_statements, node_statements
from components.aws.policies.services import flow_log_statements, snapshot_statements
from components.aws.policies.statement import Statement


@dataclass(frozen=True, kw_only=True)
class Unnarrowed:
    """A statement about every resource of the account, and why there is no narrower one."""

    role: str
    sid: str
    actions: tuple[str, ...]
    why: str


def permissions(
    facts: Facts, *, pools: Mapping[str, Sequence[str]], jobs_role: str, log_group: str
) -> Mapping[str, Sequence[Statement]]:
    """Statements by role: controller, jobs, flow-logs, snapshots, and `<pool>-node`.

    `pools`: images of each pool's nodes.
    """
    return {
        "controller": (*controller_statements(facts), *launch_statements(facts)),
        "jobs": jobs_statements(facts),
        "flow-logs": flow_log_statements(log_group),
        "snapshots": snapshot_statements(
            facts.cluster, account=facts.account, region=facts.region, partition=facts.partition
        ),
        **{
            f"{pool}-node": node_statements(facts, pool, images, jobs_role)
            for pool, images in pools.items()
        },
    }


def unnarrowed(by_role: Mapping[str, Sequence[Statement]]) -> tuple[Unnarrowed, ...]:
    """Those about every resource, in the order of roles and statements."""
    return tuple(
        Unnarrowed(role=role, sid=one.sid, actions=tuple(sorted(one.actions)), why=one.any_resource)
        for role, statements in by_role.items()
        for one in statements
        if one.any_resource
    )
