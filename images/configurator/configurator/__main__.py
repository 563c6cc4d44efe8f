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
    stays_up,
)

BUNDLE = Path("/etc/hpc-stack")
CLUSTER = Path("/etc/cluster")
USERS = Path("/var/lib/extrausers")
APPLIED = CLUSTER / ".applied"
REFUSED = CLUSTER / ".refused"
CONFIGURED = Path("/run/configured")


def say(text: str) -> None:
    """One line of log."""
    print(text, flush=True)


def slurmctld_answers() -> bool:
    """Whether slurmctld takes commands."""
    return answers("scontrol", "ping")


def slurmdbd_answers() -> bool:
    """Whether slurmdbd takes commands, through slurmctld's authentication."""
    return answers("sacctmgr", "--noheader", "show", "stats")


def configure_users() -> None:
    """The user database and the homes."""
    users = delivery.read_tree(BUNDLE / "users")
    delivery.write_tree(USERS, users)
    for name in delivery.make_homes(users["passwd"]):
        say(f"home of {name}: created")


def configure_slurm() -> None:
    """Slurm's files, which slurmctld takes without a restart; what it refuses is taken back."""
    wanted = delivery.read_tree(BUNDLE / "etc")
    name = delivery.digest(wanted)
    if _holds(REFUSED, name):
        # A restart of this container must not try again what has just brought slurmctld down.
        raise CommandFailed(_refusal())
    before = delivery.read_tree(CLUSTER)
    delivery.write_tree(CLUSTER, wanted)
    await_answer("slurmctld", slurmctld_answers, say)
    if not before:
        APPLIED.write_text(name)  # slurmctld waited for slurm.conf, the last one, to start with it
    if _holds(APPLIED, name):
        return
    try:
        run("scontrol", "reconfigure")
        # Some lines are found wrong only by the new process, when the old one is already gone.
        accepted = stays_up(slurmctld_answers)
    except CommandFailed as failure:
        say(str(failure))
        accepted = False
    if not accepted:
        REFUSED.write_text(name)
        delivery.write_tree(CLUSTER, before)
        await_answer("slurmctld with its old configuration", slurmctld_answers, say)
        raise CommandFailed(_refusal())
    REFUSED.unlink(missing_ok=True)
    APPLIED.write_text(name)
    say("slurm.conf: taken by slurmctld")


def _holds(marker: Path, name: str) -> bool:
    return marker.exists() and marker.read_text() == name


def _refusal() -> str:
    return (
        "slurmctld refuses the new configuration (its log says why) and keeps the old one.\n"
        "Fix: look at the setting slurm.extra, whose lines only Slurm itself can check."
    )


def configure_accounting() -> None:
    """Accounts, QOS and users in the accounting database."""
    await_answer("slurmdbd", slurmdbd_answers, say)
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
    CONFIGURED.unlink(missing_ok=True)
    try:
        configure_users()
        configure_slurm()
        configure_accounting()
    except CommandFailed as failure:
        sys.exit(str(failure))
    signal.pthread_sigmask(signal.SIG_BLOCK, stop_signals)
    CONFIGURED.touch()
    say("configured")
    signal.sigwait(stop_signals)


if __name__ == "__main__":
    os.umask(0o022)
    main()
