"""The cluster that a report is about, by its stack's settings."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from config.panels.jobs import ACCOUNT, finished
from config.panels.model import Needs
from config.panels.queries import Choice, promql
from config.render.alert_rules import numbers
from config.render.compose_monitoring import pages
from config.settings import ClusterSettings, SettingsError, load_cluster
from config.settings.mistakes import one_of, pick
from config.settings.tres_budgets import tres_budgets
from ops.aws_settings import KEY, settings_of
from ops.report.prometheus import NoAnswer, Prometheus, Refused
from ops.report.timeline import Timeline
from ops.stack import StackProblem

_TOLD_AS_OTHER = {
    "users": (
        finished(f'{ACCOUNT}, user="other"'),
        "Of the jobs here, {jobs} told as the user `other`",
    ),
    # For which of their accounts those were is not known.
    "accounts": (
        finished('account="other", user=~"$user"'),
        "Of the jobs of users here, {jobs} told as the account `other`, and missing where it is "
        "one of these",
    ),
}
"""What the job exporter had no name left for (images/job-exporter): jobs, and words for them."""


@dataclass(frozen=True, kw_only=True)
class ChosenAccount:
    """The account that a report is about, with those below it."""

    name: str
    description: str
    choice: Choice
    """The account, then those below it; their users."""
    unmeasured: str = ""
    """Which of their measurements are missing, and why; else empty, also before it was asked."""

    @property
    def below(self) -> tuple[str, ...]:
        """The accounts below it."""
        return self.choice.accounts[1:]


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What a report has to know of the cluster."""

    cluster: str
    prometheus: str
    """URL at which Prometheus is reached from this machine."""
    scrape_seconds: int
    """Between two measurements."""
    has: frozenset[Needs]
    """What panels may need, and the cluster has."""
    on_aws: bool
    retention_days: int
    """For how long measurements are kept."""
    numbers: Mapping[str, float]
    """Those of the settings that steps of panels name."""
    account: ChosenAccount | None = None
    """What of it the report is about; None: all of it."""


def subject_of(file: Path, account: str = "") -> Subject:
    """The cluster of Pulumi.<stack>.yaml, or an account of it.

    Raises StackProblem, also if the cluster is not observed, or has no such account.
    """
    settings = _settings(file)
    if not settings.monitoring.enabled:
        raise StackProblem(
            f"The cluster {settings.name} is not observed: monitoring.enabled is false in "
            f"{file.name}.\nFix: set it to true, then make up"
        )
    return Subject(
        cluster=settings.name,
        prometheus=prometheus_url(settings),
        scrape_seconds=settings.monitoring.scrape_seconds,
        has=what_it_has(settings),
        on_aws=settings.aws is not None,
        retention_days=settings.monitoring.retention_days,
        numbers=numbers(settings),
        account=chosen_account(settings, account) if account else None,
    )


def chosen_account(settings: ClusterSettings, name: str) -> ChosenAccount:
    """The account of this name. Raises StackProblem if the settings have none."""
    if name not in settings.accounts:
        known = sorted(settings.accounts)
        fix = pick(name, known) if known else "leave ACCOUNT out"
        raise StackProblem(
            f"--account {name} is no account of the cluster {settings.name}.\n"
            f"Allowed: {one_of(known)}. Fix: {fix}\n"
            "Without ACCOUNT the report is about the whole cluster."
        )
    accounts = (name, *_below(settings, name))
    users = (user for user, one in settings.users.items() if set(one.accounts) & set(accounts))
    return ChosenAccount(
        name=name,
        description=settings.accounts[name].description,
        choice=Choice(accounts=accounts, users=tuple(sorted(users))),
    )


def measured(subject: Subject, prometheus: Prometheus, timeline: Timeline) -> Subject:
    """The subject, with what Prometheus does not know of its account in this time."""
    account = subject.account
    if account is None:
        return subject
    missing = " ".join(_unmeasured(account.choice, prometheus, timeline))
    return replace(subject, account=replace(account, unmeasured=missing))


def _below(settings: ClusterSettings, name: str) -> Iterator[str]:
    """All accounts below this one; the settings have no circles."""
    for one, account in sorted(settings.accounts.items()):
        if account.parent == name:
            yield one
            yield from _below(settings, one)


def _unmeasured(choice: Choice, prometheus: Prometheus, timeline: Timeline) -> Iterator[str]:
    for kind, (jobs, words) in _TOLD_AS_OTHER.items():
        query = promql(f"round(sum({jobs}))", time_range=timeline.wanted, choice=choice)
        try:
            found = prometheus.now(query, timeline.end)
        except (NoAnswer, Refused) as problem:
            yield f"Whether all {kind} are told by name is not known: {problem}."
            continue
        count = int(found[0].samples[0][1]) if found else 0
        if count:
            told = words.format(jobs=f"{count} is" if count == 1 else f"{count} are")
            yield f"{told}. Raise `monitoring.max_{kind}`: it holds for jobs from then on."


def prometheus_url(settings: ClusterSettings) -> str:
    """Where Prometheus is reached: of a cluster on AWS, while `make ports` runs."""
    return pages(settings, grafana=False)["prometheus"].rstrip("/")


def what_it_has(settings: ClusterSettings) -> frozenset[Needs]:
    """What panels may need, and the cluster has by its settings."""
    has = {
        Needs.GPUS: any(pool.gpus for pool in settings.pools.values()),
        Needs.MACHINES: settings.platform == "aws",
        Needs.AWS: settings.platform == "aws",
        Needs.BUDGET: settings.has_budget,
        Needs.MINUTES: bool(tres_budgets(settings)),
    }
    return frozenset(need for need, is_there in has.items() if is_there)


def _settings(file: Path) -> ClusterSettings:
    try:
        written: Any = yaml.safe_load(file.read_text("utf-8"))["config"][KEY]
        if written.get("platform") == "aws":
            return settings_of(file)
        name = file.name.removeprefix("Pulumi.").removesuffix(".yaml")
        return load_cluster({"name": name, **written})
    except FileNotFoundError:
        raise StackProblem(
            f"There is no {file.name}. Fix: STACK=NAME, with the name of a stack"
        ) from None
    except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError):
        raise StackProblem(f"{file.name} is not the file of a stack with settings") from None
    except SettingsError as error:
        raise StackProblem(str(error)) from None
