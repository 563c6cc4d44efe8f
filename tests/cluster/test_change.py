"""Settings that change while the cluster runs: just that is shown, just that is applied."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.down import clean
from ops.stack import StackProblem, open_stack
from ops.up import up
from tests.cluster.running_cluster import RunningCluster, await_value, docker

UNTOUCHED = ("mysql", "slurmdbd", "slurmctld", "slurmrestd", "login")


@pytest.fixture
def settings(cluster: RunningCluster) -> Iterator[Path]:
    """The stack's configuration file; a test's changes to it are taken back."""
    file = cluster.stack.checkout / "Pulumi.test.yaml"
    before = file.read_text()
    yield file
    file.write_text(before)
    up(cluster.stack)


def change(file: Path, old: str, new: str) -> None:
    """Change the one place of a file with that text."""
    text = file.read_text()
    assert text.count(old) == 1
    file.write_text(text.replace(old, new))


def _previewed(cluster: RunningCluster) -> list[str]:
    """Lines that a preview shows as removed or added."""
    shown = cluster.stack.pulumi("preview", "--diff", "--color", "never")
    return [
        line.strip()
        for line in shown.splitlines()
        if re.match(r"\s+[-+] \S", line) and "hpc-stack.configuration" not in line
    ]


def test_a_preview_right_after_up_shows_no_changes(cluster: RunningCluster) -> None:
    cluster.stack.pulumi("preview", "--expect-no-changes")


def test_a_pools_maximum_is_applied_without_touching_jobs_or_daemons(
    cluster: RunningCluster, settings: Path
) -> None:
    job = cluster.submit("ada", "sleep 25; echo survived")
    cluster.await_state(job, "RUNNING")
    before = cluster.start_times(*UNTOUCHED)
    change(settings, "max_nodes: 4", "max_nodes: 6")
    shown = "\n".join(_previewed(cluster))
    assert "cpu-[1-6]" in shown
    assert "MaxJobs" not in shown
    up(cluster.stack)
    assert cluster.start_times(*UNTOUCHED) == before
    nodes = cluster.run("ada", "sinfo --noheader --partition=cpu --format=%D --states=all")
    assert sum(map(int, nodes.split())) == 6
    cluster.finish(job)
    assert cluster.output(job).splitlines()[-1] == "survived"


def test_an_accounts_limit_is_applied_and_taken_back(
    cluster: RunningCluster, settings: Path
) -> None:
    def limits() -> str:
        return cluster.run(
            "carol",
            "sacctmgr -nP show assoc where account=class user= format=MaxJobs,GrpTRES,MaxSubmit",
        )

    before = cluster.start_times(*UNTOUCHED)
    assert limits() == "1|cpu=2|3"
    change(
        settings,
        'limits: {max_jobs: 1, grp_tres: "cpu=2", max_submit_jobs: 3}',
        'limits: {max_jobs: 5, grp_tres: "mem=2G"}',
    )
    up(cluster.stack)
    assert limits() == "5|mem=2G|"
    assert cluster.start_times(*UNTOUCHED) == before


def test_a_warm_node_is_always_ahead_of_the_jobs_until_none_is_wanted(
    cluster: RunningCluster, settings: Path
) -> None:
    def idle() -> list[str]:
        lines = cluster.run("ada", "sinfo -h -N -p brief -o '%N %t'").splitlines()
        return [node for node, state in map(str.split, lines) if state == "idle"]

    def machines() -> list[str]:
        return [node for node in cluster.node_containers() if node.startswith("brief-")]

    def kept() -> str:
        shown = cluster.run("ada", "scontrol show config")
        return str(re.findall(r"^SuspendExcNodes *= (.*)$", shown, re.MULTILINE)[0]).strip()

    change(settings, "features: [tiny]", "features: [tiny]\n        warm_nodes: 1")
    up(cluster.stack)
    (first,) = await_value("a warm node", idle, 60)
    job = cluster.submit("ada", "sleep 20", "--partition=brief", "--mem=50")
    cluster.await_state(job, "RUNNING")
    assert cluster.job(job)["nodes"] == first
    (second,) = await_value("the next one", lambda: set(idle()) - {first}, 60)
    assert await_value("Slurm to keep it", lambda: kept() == second, 30)
    cluster.finish(job)
    await_value("one of the two to go", lambda: len(machines()) == 1, 90)
    assert kept() in machines()
    change(settings, "\n        warm_nodes: 1", "")
    up(cluster.stack)
    await_value("the last one to go", lambda: not machines(), 90)
    assert kept() == "(null)"


def test_a_configurator_that_runs_again_finds_nothing_to_do(cluster: RunningCluster) -> None:
    # Account `class` has limits that its users inherit: these are not the users' own.
    configurator = cluster.container("configurator")
    docker("restart", "--time", "5", configurator)
    since = docker("inspect", "--format", "{{.State.StartedAt}}", configurator)

    def said() -> list[str]:
        return docker("logs", "--since", since, configurator).splitlines()

    await_value("the configurator", lambda: "configured" in said(), 30)
    assert [line for line in said() if "records are kept" not in line] == ["configured"]


def test_a_user_who_joins_has_a_home_and_runs_jobs_and_one_who_leaves_is_closed(
    cluster: RunningCluster, settings: Path
) -> None:
    carol = "      carol: {uid: 2003, accounts: [research], admin: true}\n"
    dora = "      dora: {uid: 2004, accounts: [research]}\n"
    change(settings, carol, carol + dora)
    up(cluster.stack)
    job = cluster.submit("dora", "pwd; id -un")
    cluster.finish(job)
    assert cluster.output(job, "dora").split() == ["/home/dora", "dora"]
    change(settings, dora, "")
    up(cluster.stack)
    closed = cluster.run("carol", "sacctmgr -nP show assoc where user=dora format=MaxSubmit")
    assert closed == "0"
    assert cluster.attempt("dora", "true").returncode != 0


def test_a_refused_line_of_slurm_conf_leaves_the_running_cluster_as_it_was(
    cluster: RunningCluster, settings: Path
) -> None:
    job = cluster.submit("ada", "sleep 15")
    cluster.await_state(job, "RUNNING")
    change(settings, "    slurm:\n", '    slurm:\n      extra: ["SwitchType=switch/nonsense"]\n')
    with pytest.raises(StackProblem, match=r"slurm\.extra"):
        up(cluster.stack)
    assert cluster.run("ada", "sinfo --noheader")
    cluster.finish(job)


def test_bad_settings_are_reported_together_and_nothing_is_changed(
    cluster: RunningCluster, settings: Path
) -> None:
    before = cluster.start_times(*UNTOUCHED, "configurator", "node-manager")
    change(settings, "max_nodes: 4", "max_node: 4")
    change(settings, "uid: 2003", "uid: 2001")
    with pytest.raises(StackProblem) as refused:
        up(cluster.stack)
    report = str(refused.value)
    assert "max_nodes" in report
    assert "2001" in report
    assert "Traceback" not in report
    assert cluster.start_times(*UNTOUCHED, "configurator", "node-manager") == before


def test_what_was_removed_by_hand_comes_back_with_the_next_up(cluster: RunningCluster) -> None:
    docker("rm", "--force", cluster.container("slurmrestd"))
    up(cluster.stack)
    assert await_value("slurmrestd", lambda: cluster.container("slurmrestd"), 10)
    cluster.stack.pulumi("preview", "--expect-no-changes")


def test_a_volume_of_another_stack_is_not_taken(cluster: RunningCluster, settings: Path) -> None:
    # The name of a cluster that some other checkout has on this engine.
    stranger = "hpc-stranger_home"
    docker("volume", "create", stranger)
    try:
        with_other_name = cluster.stack.checkout / "Pulumi.stranger.yaml"
        text = settings.read_text().replace("name: test\n", "name: stranger\n")
        others = "{ssh: 2923, rest: 16921, prometheus: 16991, alertmanager: 16994}"
        ports = re.sub(r"ports: .*", f"ports: {others}", text)
        with_other_name.write_text(
            "\n".join(line for line in ports.splitlines() if "encryptionsalt" not in line)
        )
        other = open_stack("stranger", cluster.stack.checkout)
        with pytest.raises(StackProblem, match="hpc-stranger_home exists"):
            up(other)
        clean(other)
        assert docker("volume", "ls", "--quiet", "--filter", f"name={stranger}") == stranger
    finally:
        docker("volume", "rm", stranger)
