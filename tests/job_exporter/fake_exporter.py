"""The exporter's two loops without threads and waiting, restarted as often as a test likes."""

import io
import json
from collections.abc import Iterable
from pathlib import Path

from job_accounting.ledger import Life
from job_exporter.board import Board
from job_exporter.comments import Comments
from job_exporter.counting import Counting
from job_exporter.exporter import saved_or_new
from job_exporter.finished_jobs import FinishedJobs
from job_exporter.formats import OPEN_METRICS
from job_exporter.history import History
from job_exporter.journal import Journal
from job_exporter.queue_watch import QueueWatch
from job_exporter.server import page
from job_exporter.settings_file import Settings
from job_exporter.state_file import StateFile
from job_exporter.tres_watch import TresWatch
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from tests.job_exporter.builders import NOW, ledger_line, make_settings
from tests.job_exporter.fake_slurm import FakeSlurm

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


class FakeExporter:
    """One exporter in a directory. `now` is its clock."""

    def __init__(
        self, directory: Path, slurm: FakeSlurm, settings: Settings | None = None, now: float = NOW
    ) -> None:
        self.directory = directory
        self.slurm = slurm
        self.settings = settings or make_settings()
        self.now = now
        self.log = io.StringIO()
        self.start()

    def start(self) -> None:
        """Begin with what was saved, as after a crash."""
        journal = Journal(self.log)
        file = StateFile(self.directory)
        self.board = Board(saved_or_new(file, self.settings, journal, self.now))
        self.comments: Comments | None = None
        if self.settings.job_comments:
            self.comments = Comments(
                self.board,
                self.directory,
                journal,
                cluster=self.settings.cluster,
                run=self.slurm.run,
                clock=lambda: self.now,
            )
        self.counting = Counting(
            self.board,
            file,
            self.directory,
            journal,
            finished=FinishedJobs(self.slurm.run_limited),
            comments=self.comments,
            prometheus=self.settings.prometheus,
            run=self.slurm.run,
            clock=lambda: self.now,
        )
        self.history = History(
            self.board,
            file,
            self.directory,
            journal,
            finished=FinishedJobs(self.slurm.run_limited),
        )
        self.watch = QueueWatch(
            self.board,
            self.directory,
            journal,
            period=self.settings.budget_period,
            run=self.slurm.run,
        )

        self.tres_watch = TresWatch(
            self.board, journal, self.settings.tres_budgets, run=self.slurm.run
        )

    def write_ledger(self, lives: Iterable[Life], month: str = "2026-11") -> None:
        """Replace the ledger of a month."""
        lines = "".join(json.dumps(ledger_line(life)) + "\n" for life in lives)
        (self.directory / f"lives-{month}.jsonl").write_text(lines)

    def count(self) -> bool:
        """A whole pass over accounting; whether it succeeded."""
        while (more := self.counting.step()) is not False:
            if more is None:
                return False
        return True

    def look_back(self) -> None:
        """Add up all costs of jobs that ended before the first start."""
        while self.history.step():
            pass

    def comment(self, times: int = 1) -> float:
        """Write jobs' comments, at most so many; the seconds after which to go on."""
        assert self.comments is not None
        return [self.comments.write_one() for _ in range(times)][-1]

    def look(self) -> None:
        """A look at the queue."""
        self.watch.look(self.now)

    def look_at_budgets(self) -> None:
        """A look at budgets of TRES-minutes."""
        self.tres_watch.look(self.now)

    def text(self) -> str:
        """What a scrape gives."""
        return page(self.settings, self.board, OPEN_METRICS, lambda: self.now).decode()

    def scrape(self) -> Samples:
        """All samples by name and sorted labels, as Prometheus reads them."""
        return {
            (sample.name.removeprefix("hpc_stack_"), tuple(sorted(sample.labels.items()))): (
                sample.value
            )
            for family in text_string_to_metric_families(self.text())  # type: ignore[no-untyped-call]
            for sample in family.samples
        }

    def value(self, name: str, **labels: str) -> float | None:
        """One sample; None when it is not there."""
        return self.scrape().get((name, tuple(sorted(labels.items()))))

    def names(self) -> set[str]:
        """The names of all samples."""
        return {name for name, _ in self.scrape()}

    def events(self) -> list[str]:
        """What was logged."""
        return [json.loads(text)["event"] for text in self.log.getvalue().splitlines()]
