"""Who reaches what through a machine: its role's credentials, and the way out."""

from __future__ import annotations

import glob
from pathlib import Path

from components.aws.host.calls import metadata
from components.aws.host.machine import run, run_quietly


def guard_metadata() -> None:
    """The machine's role is root's: no user, in a container or not, gets its credentials."""
    rule = (
        "OUTPUT",
        "-d",
        "169.254.169.254",
        "-m",
        "owner",
        "!",
        "--uid-owner",
        "0",
        "-j",
        "REJECT",
    )
    if not run_quietly("iptables", "-C", *rule):
        run("iptables", "-I", *rule)


def forward(cidr: str) -> None:
    """Forward what nodes send to the internet, and nothing that comes from there."""
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1\n")
    # What comes and goes by one interface would be answered with "go there yourself".
    for switch in glob.glob("/proc/sys/net/ipv4/conf/*/send_redirects"):
        Path(switch).write_text("0\n")
    # By this one interface alone: Docker's networks are neither reached nor disguised by it.
    card = own_interface()
    outside = ("-s", cidr, "!", "-d", cidr)
    answers = ("-d", cidr, "-m", "conntrack", "--ctstate", "RELATED,ESTABLISHED")
    for table, rule in (
        ("nat", ("POSTROUTING", "-o", card, *outside, "-j", "MASQUERADE")),
        # Docker's own chain, which it asks before it drops what is not its containers'.
        ("filter", ("DOCKER-USER", "-i", card, "-o", card, *outside, "-j", "ACCEPT")),
        ("filter", ("DOCKER-USER", "-i", card, "-o", card, *answers, "-j", "ACCEPT")),
    ):
        if not run_quietly("iptables", "-t", table, "-C", *rule):
            run("iptables", "-t", table, "-I", *rule)


def own_interface() -> str:
    """The machine's interface in the VPC."""
    address = metadata("mac")
    for place in glob.glob("/sys/class/net/*/address"):
        if Path(place).read_text().strip() == address:
            return Path(place).parent.name
    raise RuntimeError(f"no network interface has the address {address}")
