"""Limits of TRES-minutes and what counts against them are read from sshare."""

from collections.abc import Sequence

from job_accounting.shares import Share, parse_shares, read_shares

SHARES = """\
root||gres/gpu=600|cpu=0,mem=24,energy=0,node=0,billing=900000,fs/disk=0,gres/gpu=59
 research||billing=60000000,cpu=100|cpu=7,mem=24,billing=300000,fs/disk=0
  research|ada||cpu=7,mem=24,billing=200000
  class|||cpu=0
"""


def test_shares_are_those_of_accounts_and_not_of_their_users() -> None:
    shares = parse_shares(SHARES)
    assert shares.keys() == {"root", "research", "class"}
    assert shares["research"] == Share(
        limits={"billing": 60_000_000, "cpu": 100},
        used={"cpu": 7, "mem": 24, "billing": 300_000, "fs/disk": 0},
    )
    assert shares["root"].limits == {"gres/gpu": 600}
    assert shares["root"].used["gres/gpu"] == 59
    assert shares["class"].limits == {}


def test_an_answer_without_shares_is_no_shares() -> None:
    assert parse_shares("") == {}
    assert parse_shares("\nnothing to see") == {"nothing to see": Share(limits={}, used={})}


def test_sshare_is_asked_about_some_accounts_alone() -> None:
    commands: list[Sequence[str]] = []

    def sshare(command: Sequence[str], timeout: float) -> str:
        commands.append(command)
        return SHARES

    assert read_shares(["research", "root"], sshare) == parse_shares(SHARES)
    assert "--accounts=research,root" in commands[0]
    assert "--format=Account,User,GrpTRESMins,GrpTRESRaw" in commands[0]
