"""Each mistake in one setting is reported: its path, the value, what is allowed, the fix."""

from typing import Any

import pytest
from pydantic import ValidationError

from config.settings import SettingsError, User, load_cluster
from tests.unit.settings_samples import (
    PRIVATE_KEY,
    Case,
    assert_only_mistake,
    mistakes,
    pool,
    settings,
    user,
)

BAD: dict[str, Case] = {
    "an unknown part": (
        settings(pool={}),
        "cluster.pool",
        "{}",
        "the keys name, platform, aws, pools",
        "did you mean pools?",
    ),
    "an unknown key": (
        settings(pools={"cpu": pool(max_node=3)}),
        "cluster.pools.cpu.max_node",
        "3",
        "cpus, memory_mb",
        "did you mean max_nodes?",
    ),
    "a misspelt key that is required": (
        settings(pools={"cpu": {"cpus": 1, "memory_mb": 500, "maxnodes": 3}}),
        "cluster.pools.cpu.maxnodes",
        "3",
        "max_nodes",
        "did you mean max_nodes?",
    ),
    "a key of another part": (
        settings(protect=False),
        "cluster.protect",
        "false",
        "the keys",
        "did you mean cluster.storage.protect?",
    ),
    "a key that resembles nothing": (
        settings(zzz=1),
        "cluster.zzz",
        "1",
        "the keys",
        "remove it",
    ),
    "a budget of a person": (
        settings(users={"ada": user(budget_dollars=8)}),
        "cluster.users.ada.budget_dollars",
        "8",
        "the keys uid, accounts",
        "give the person an account: accounts: ada: {parent: class, budget_dollars: 8}",
    ),
    "a group of settings for the budget of a person": (
        settings(users={"ada": user(budget={"dollars": 8})}),
        "cluster.users.ada.budget",
        '{"dollars": 8}',
        "the keys uid, accounts",
        "and in the user accounts: [ada]",
    ),
    "a required key that is not there": (
        settings(pools={"cpu": {"cpus": 1, "memory_mb": 500}}),
        "cluster.pools.cpu.max_nodes",
        "(not set)",
        "a whole number from 1 to 10000",
        "add max_nodes",
    ),
    "a number in quotes": (
        settings(pools={"cpu": pool(cpus="2")}),
        "cluster.pools.cpu.cpus",
        '"2"',
        "a whole number from 1 to 1024",
        "write 2 without quotes",
    ),
    "a switch where a number belongs": (
        settings(pools={"cpu": pool(cpus=True)}),
        "cluster.pools.cpu.cpus",
        "true",
        "a whole number",
        "write a whole number",
    ),
    "a number that is too small": (
        settings(pools={"cpu": pool(max_nodes=0)}),
        "cluster.pools.cpu.max_nodes",
        "0",
        "from 1 to 10000",
        "use 1 or more",
    ),
    "a part that was left empty": (
        settings(database=None),
        "cluster.database",
        "null",
        "buffer_pool_mb",
        "give it a value, or remove the line",
    ),
    "text where a list belongs": (
        settings(software="lammps"),
        "cluster.software",
        '"lammps"',
        "a list",
        "write a list: [a, b]",
    ),
    "a word for a switch": (
        settings(storage={"protect": "yes"}),
        "cluster.storage.protect",
        '"yes"',
        "true or false",
        "write true without quotes",
    ),
    "an unknown platform": (
        settings(platform="azure"),
        "cluster.platform",
        '"azure"',
        "one of local, aws",
        "choose one of these",
    ),
    "an unknown log level": (
        settings(slurm={"debug": "inf"}),
        "cluster.slurm.debug",
        '"inf"',
        "one of quiet, fatal",
        "did you mean info?",
    ),
    "a cluster name with a capital": (
        settings(name="Local"),
        "cluster.name",
        '"Local"',
        "1 to 20 lower-case letters",
        "change it",
    ),
    "a day that is none": (
        settings(
            pools={
                "cpu": pool(
                    schedule=[{"days": ["tues"], "start": "09:00", "end": "11:00", "nodes": 1}]
                )
            }
        ),
        "cluster.pools.cpu.schedule[0].days[0]",
        '"tues"',
        "one of mon, tue",
        "did you mean tue?",
    ),
    "a time without a leading zero": (
        settings(
            pools={
                "cpu": pool(
                    schedule=[{"days": ["tue"], "start": "9:00", "end": "11:00", "nodes": 1}]
                )
            }
        ),
        "cluster.pools.cpu.schedule[0].start",
        '"9:00"',
        "a time from 00:00 to 23:59, in quotes",
        "change it to what is allowed",
    ),
    "no pools": (settings(pools={}), "cluster.pools", "{}", "1 or more entries", "at least 1"),
    "no users": (settings(users={}), "cluster.users", "{}", "1 or more entries", "at least 1"),
    "a uid of the system": (
        settings(users={"ada": user(uid=100)}),
        "cluster.users.ada.uid",
        "100",
        "from 2000 to 59999",
        "use 2000 or more",
    ),
    "a reserved user name": (
        settings(users={"slurm": user()}),
        "cluster.users.slurm",
        '"slurm"',
        "a user or group of the system",
        "choose another name",
    ),
    "a user named like a system group": (
        settings(users={"sudo": user()}),
        "cluster.users.sudo",
        '"sudo"',
        "a user or group of the system",
        "choose another name",
    ),
    "a reserved pool name": (
        settings(pools={"login": pool()}),
        "cluster.pools.login",
        '"login"',
        "a service of hpc-stack",
        "choose another name",
    ),
    "a pool name that is no host name": (
        settings(pools={"big_mem": pool()}),
        "cluster.pools.big_mem",
        '"big_mem"',
        "lower-case letters, digits and '-'",
        "change it",
    ),
    "a device file elsewhere": (
        settings(
            pools={"gpu": pool(gpus={"type": "x", "count": 1, "device_files": ["/etc/passwd"]})}
        ),
        "cluster.pools.gpu.gpus.device_files[0]",
        '"/etc/passwd"',
        "a path below /dev",
        "change it",
    ),
    "a piece of a GPU": (
        settings(pools={"gpu": pool(gpus={"type": "a100", "count": 1, "mig": "3g.20gb"})}),
        "cluster.pools.gpu.gpus.mig",
        '"3g.20gb"',
        "whole GPUs, each given to one job: no MIG",
        "make a pool of nodes with smaller GPUs",
    ),
    "a GPU for several jobs": (
        settings(pools={"gpu": pool(gpus={"type": "a100", "count": 1, "time_slicing": 4})}),
        "cluster.pools.gpu.gpus.time_slicing",
        "4",
        "no time-slicing",
        "remove it",
    ),
    "a time that is none": (
        settings(pools={"cpu": pool(time_limit="1 day")}),
        "cluster.pools.cpu.time_limit",
        '"1 day"',
        "or UNLIMITED",
        "1-00:00:00",
    ),
    "no time at all": (
        settings(pools={"cpu": pool(time_limit="0")}),
        "cluster.pools.cpu.time_limit",
        '"0"',
        "longer than zero",
        'write for instance "30"',
    ),
    "an endless half-life": (
        settings(slurm={"priority": {"half_life": "UNLIMITED"}}),
        "cluster.slurm.priority.half_life",
        '"UNLIMITED"',
        "a time span as Slurm writes it",
        "UNLIMITED cannot be used here",
    ),
    "an unknown TRES": (
        settings(qos={"short": {"grp_tres": "cpu=4,gpu=1"}}),
        "cluster.qos.short.grp_tres",
        '"cpu=4,gpu=1"',
        "types cpu, mem",
        "replace the type 'gpu' (GPUs are gres/gpu)",
    ),
    "a TRES without a number": (
        settings(qos={"short": {"grp_tres": "cpu"}}),
        "cluster.qos.short.grp_tres",
        '"cpu"',
        "each a whole number",
        "write 'cpu' as type=number",
    ),
    "a unit on CPUs": (
        settings(qos={"short": {"grp_tres": {"cpu": "4K"}}}),
        "cluster.qos.short.grp_tres",
        '{"cpu": "4K"}',
        "mem (in MiB, or with K, M, G, T)",
        "only mem takes a unit",
    ),
    "a user without an account": (
        settings(users={"ada": user(accounts=[])}),
        "cluster.users.ada.accounts",
        "[]",
        "a list of 1 or more",
        "name at least 1",
    ),
    "an account twice": (
        settings(users={"ada": user(accounts=["research", "research"])}),
        "cluster.users.ada.accounts",
        '["research", "research"]',
        "without duplicates",
        "remove the second 'research'",
    ),
    "an account named root": (
        settings(accounts={"research": {}, "root": {}}),
        "cluster.accounts.root",
        '"root"',
        "Slurm's own account",
        "choose another name",
    ),
    "a description that sacctmgr would change": (
        settings(accounts={"research": {"description": "Ben's"}}),
        "cluster.accounts.research.description",
        '"Ben\'s"',
        "without quotes",
        "remove these characters",
    ),
    "a slurm.conf line that we own": (
        settings(slurm={"extra": ["resumetimeout = 5"]}),
        "cluster.slurm.extra[0]",
        '"resumetimeout = 5"',
        "hpc-stack does not own",
        "resumetimeout is owned by hpc-stack: use the setting "
        "cluster.slurm.resume_timeout_seconds instead",
    ),
    "a slurm.conf line that we own without a setting": (
        settings(slurm={"extra": ["AUTHTYPE=auth/none"]}),
        "cluster.slurm.extra[0]",
        '"AUTHTYPE=auth/none"',
        "hpc-stack does not own",
        "AUTHTYPE is owned by hpc-stack: remove it",
    ),
    "a second key behind the first": (
        settings(slurm={"extra": ["KillWait=3 AuthType=auth/none"]}),
        "cluster.slurm.extra[0]",
        '"KillWait=3 AuthType=auth/none"',
        "Key=Value",
        "write one Key=Value",
    ),
    "a second line inside the first": (
        settings(slurm={"extra": ["KillWait=3\nAuthType=auth/none"]}),
        "cluster.slurm.extra[0]",
        '"KillWait=3\\nAuthType=auth/none"',
        "Key=Value",
        "one list entry for each line",
    ),
    "an include": (
        settings(slurm={"extra": ["Include /etc/slurm/more.conf"]}),
        "cluster.slurm.extra[0]",
        '"Include /etc/slurm/more.conf"',
        "Key=Value",
        "write the included lines here",
    ),
    "a slurm.conf comment": (
        settings(slurm={"extra": ["# hello"]}),
        "cluster.slurm.extra[0]",
        '"# hello"',
        "Key=Value",
        "YAML comments",
    ),
    "the same slurm.conf key twice": (
        settings(slurm={"extra": ["KillWait=3", "killwait=4"]}),
        "cluster.slurm.extra",
        '["KillWait=3", "killwait=4"]',
        "each key once",
        "'killwait'",
    ),
    "a port out of range": (
        settings(ports={"ssh": 65536}),
        "cluster.ports.ssh",
        "65536",
        "from 1 to 65535",
        "use 65535 or less",
    ),
    "a package that cannot be Debian's": (
        settings(software=["lammps", "gcc; reboot"]),
        "cluster.software[1]",
        '"gcc; reboot"',
        "the name of a Debian package",
        "change it",
    ),
    "text that is no SSH key": (
        settings(users={"ada": user(ssh_keys=["ssh-rsa hello"])}),
        "cluster.users.ada.ssh_keys[0]",
        "(not shown)",
        "one line of a public key file",
        "paste the whole line",
    ),
    "a private key": (
        settings(users={"ada": user(ssh_keys=[PRIVATE_KEY])}),
        "cluster.users.ada.ssh_keys[0]",
        "(not shown)",
        "one line of a public key file",
        "this is a private key",
    ),
    "a private key in the wrong place": (
        settings(users={"ada": user(full_name=PRIVATE_KEY)}),
        "cluster.users.ada.full_name",
        "(not shown)",
        "one line",
        "remove these characters",
    ),
    "a password": (settings(password="pw"), "cluster.password", "(not shown)", "keys", "remove it"),
    "a tag name that is reserved": (
        settings(tags={"aws:owner": "ada"}),
        'cluster.tags."aws:owner"',
        '"aws:owner"',
        "does not begin with aws:",
        "choose another name",
    ),
    "a tag value that AWS would refuse": (
        settings(tags={"owner": "ada & ben"}),
        "cluster.tags.owner",
        '"ada & ben"',
        "up to 256 letters",
        "change it",
    ),
}


@pytest.mark.parametrize("what", BAD)
def test_a_mistake_is_reported_with_path_value_allowed_and_fix(what: str) -> None:
    assert_only_mistake(BAD[what])


def test_the_report_is_readable_and_says_that_nothing_was_changed() -> None:
    with pytest.raises(SettingsError) as caught:
        load_cluster(settings(pools={"cpu": pool(max_nodes=0)}))
    assert str(caught.value) == (
        "1 mistake in the settings; nothing was changed.\n\n"
        "  cluster.pools.cpu.max_nodes: 0\n"
        "    allowed: a whole number from 1 to 10000\n"
        "    fix:     use 1 or more"
    )


def test_a_private_key_is_in_no_message() -> None:
    data = settings(
        users={"ada": user(ssh_keys=[PRIVATE_KEY], full_name=PRIVATE_KEY)}, x=[PRIVATE_KEY]
    )
    with pytest.raises(SettingsError) as caught:
        load_cluster(data)
    assert "b3BlbnNzaC1r" not in str(caught.value)
    with pytest.raises(ValidationError) as direct:
        User.model_validate(user(ssh_keys=[PRIVATE_KEY]))
    assert "b3BlbnNzaC1r" not in str(direct.value)


@pytest.mark.parametrize("data", [None, [], "text", 3])
def test_settings_that_are_no_mapping_are_one_mistake(data: Any) -> None:
    assert [mistake.path for mistake in mistakes(data)] == ["cluster"]
