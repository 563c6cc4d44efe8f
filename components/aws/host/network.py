"""Who reaches what through a machine: its role's credentials, and the way out."""

from __future__ import annotations

import glob
from pathlib import Path

from components.aws.host.calls import metadata
from components.aws.host.machine import run, run_quietly

ALERTMANAGER_PORT = "9093"


def guard_metadata() -> None:
    """The machine's role is root's: no user, in a container or not, gets its credentials."""
    for_root_alone("-d", "169.254.169.254")


def guard_backstage(containers: str, port: str) -> None:
    """Nobody reaches what is backstage from the login node, which is in the machine's own network.

    That is all of `containers`, a range, and Alertmanager: at 127.0.0.1, where its `port` is, or in
    the machine's network itself. Who forwards ports, SSM and Docker, is root.

    What counts is where a connection is made to, not where NAT lets it end: at slurmdbd's published
    port users may connect, and slurmdbd is backstage, too. Nor does it count where answers go.
    """
    made_to = ("-m", "conntrack", "--ctdir", "ORIGINAL", "--ctorigdst")
    for_root_alone(*made_to, containers)
    for_root_alone("-p", "tcp", *made_to, "127.0.0.1", "--ctorigdstport", port)
    for_root_alone("-p", "tcp", "-o", "lo", "--dport", ALERTMANAGER_PORT)


def for_root_alone(*what: str) -> None:
    """Refuse what matches when anybody else on this machine sends it."""
    rule = ("OUTPUT", *what, "-m", "owner", "!", "--uid-owner", "0", "-j", "REJECT")
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
