"""All that goes from one pass over accounting to the next, and from one start to the next."""

from dataclasses import dataclass

from job_accounting.cost import job_cost
from job_accounting.ledger import Lives
from job_accounting.records import Job

from job_exporter.births import Births
from job_exporter.cursor import OVERLAP, Cursor
from job_exporter.label_names import LabelNames
from job_exporter.settings_file import Settings
from job_exporter.spending import Spending
from job_exporter.totals import Totals


@dataclass(kw_only=True)
class State:
    """Changed only as a copy, which takes its place once it has been saved."""

    cursor: Cursor
    totals: Totals
    births: Births
    spending: Spending
    accounts: LabelNames
    users: LabelNames

    @classmethod
    def starting(cls, settings: Settings, now: float, *, anew: bool = False) -> "State":
        """Nothing counted yet; counting begins with what has just ended.

        Not earlier: to Prometheus, all that is counted has happened since it asked last. `anew`:
        what has just ended was counted in a state that is lost, so counting begins now.
        """
        begin = int(now) if anew else int(now) - OVERLAP
        totals, births = Totals(), Births()
        births.note(totals, now)
        return cls(
            cursor=Cursor.starting(begin),
            totals=totals,
            births=births,
            spending=Spending(start=begin),
            accounts=LabelNames(settings.max_accounts, settings.accounts),
            users=LabelNames(settings.max_users, settings.users),
        )

    def copy(self) -> "State":
        """One that may change without this one."""
        return State(
            cursor=self.cursor.copy(),
            totals=self.totals.copy(),
            births=self.births.copy(),
            spending=self.spending.copy(),
            accounts=self.accounts.copy(),
            users=self.users.copy(),
        )

    def count(self, job: Job, lives: Lives, now: float) -> None:
        """Add a finished job that was not counted before."""
        cost = job_cost(job, lives, now)
        account, user = self.accounts.word(job.account), self.users.word(job.user)
        self.totals.count(job, cost, account=account, user=user)
        self.spending.add(job, lives, now)
