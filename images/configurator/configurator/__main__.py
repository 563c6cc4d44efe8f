"""Bring the cluster to its settings, then stay as the sign that it is there."""

import json
import os
import signal
import sys
from pathlib import Path

from configurator import delivery, records
from configurator.plan import plan, unmanaged
from configurator.slurm_commands import (
    CommandFailed,
    answers,
    apply,
    await_answer,
    present_records,
    run,
)

BUNDLE = Path("/etc/hpc-stack")
CLUSTER = Path("/etc/cluster")
USERS = Path("/var/lib/extrausers")
APPLIED = CLUSTER / ".applied"
CONFIGURED = Path("/run/configured")


def say(text: str) -> None:
    """One line of log."""
    print(text, flush=True)


def deliver_users() -> None:
    """The user database and the homes."""
    users = delivery.read_tree(BUNDLE / "users")
    delivery.write_tree(USERS, users)
    # nss wants to stat shadow as root only; everything else is for all.
    for name in delivery.make_homes(users["passwd"]):
        say(f"home of {name}: created")


def deliver_slurm_configuration() -> dict[str, str]:
    """Slurm's files into the volume; returns those that were there before."""
    before = delivery.read_tree(CLUSTER)
    delivery.write_tree(CLUSTER, delivery.read_tree(BUNDLE / "etc"))
    return before


def reconfigure(before: dict[str, str]) -> None:
    """Have slurmctld take the files if it has not yet; puts the old ones back if it refuses."""
    wanted = delivery.digest(delivery.read_tree(CLUSTER))
    if APPLIED.exists() and APPLIED.read_text() == wanted:
        return
    try:
        run("scontrol", "reconfigure")
    except CommandFailed as refusal:
        if before:
            delivery.write_tree(CLUSTER, before)
        raise CommandFailed(
            f"slurmctld refuses the new configuration and keeps the old one. {refusal}\n"
            "Fix: look at the setting slurm.extra, the only lines that are not checked before."
        ) from refusal
    APPLIED.write_text(wanted)
    say("slurm.conf: taken by slurmctld")


def reconcile_accounting() -> None:
    """Accounts, QOS and users in the accounting database."""
    wanted = records.desired(json.loads((BUNDLE / "accounting.json").read_text()))
    present = present_records()
    for step in plan(wanted, present):
        apply(step)
        say(step.meaning)
    for line in unmanaged(wanted, present):
        say(line)


def main() -> None:
    """Apply once, then wait to be stopped."""
    stop_signals = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, stop_signals)
    CONFIGURED.unlink(missing_ok=True)
    deliver_users()
    before = deliver_slurm_configuration()
    await_answer("slurmctld", lambda: answers("scontrol", "ping"), say)
    await_answer("slurmdbd", lambda: answers("sacctmgr", "--noheader", "show", "stats"), say)
    try:
        reconfigure(before)
        reconcile_accounting()
    except CommandFailed as failure:
        sys.exit(str(failure))
    CONFIGURED.touch()
    say("configured")
    signal.sigwait(stop_signals)


if __name__ == "__main__":
    os.umask(0o022)
    main()
