"""The exporter at work: loops for accounting, the queue, budgets of TRES-minutes and jobs'
comments, and the server."""

import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import FrameType

from job_exporter.board import Board
from job_exporter.comments import Comments
from job_exporter.counting import Counting
from job_exporter.heartbeats import beat
from job_exporter.history import History, earliest
from job_exporter.journal import Journal
from job_exporter.queue_watch import QueueWatch
from job_exporter.server import page, serve
from job_exporter.settings_file import Settings
from job_exporter.state import State
from job_exporter.state_file import StateError, StateFile
from job_exporter.tres_watch import TresWatch

RETRY_SECONDS = 5.0
"""After accounting did not answer: as the cluster starts, slurmdbd comes after some seconds."""


def run(settings: Settings, *, state_dir: Path, ledger: Path, run_dir: Path, port: int) -> int:
    """Work until SIGTERM or SIGINT. Exit status: 0 asked to stop, 1 broken, 2 no port."""
    journal = Journal()
    file = StateFile(state_dir)
    board = Board(saved_or_new(file, settings, journal, time.time()))
    try:
        serve(port, partial(page, settings, board))
    except OSError as error:
        print(f"job-exporter: port {port}: {error.strerror}", file=sys.stderr)
        return 2
    comments = None
    if settings.job_comments:
        comments = Comments(board, ledger, journal, cluster=settings.cluster)
    counting = Counting(
        board, file, ledger, journal, comments=comments, prometheus=settings.prometheus
    )
    history = History(board, file, ledger, journal)
    watch = QueueWatch(board, ledger, journal, period=settings.budget_period)
    tres_watch = TresWatch(board, journal, settings.tres_budgets)

    def count() -> float:
        begun = time.monotonic()
        more: bool | None = True
        while more:
            more = counting.step()
            beat(run_dir, "accounting")
        if more is None:
            return min(RETRY_SECONDS, settings.query_seconds)
        # One slice at least, and no more than leaves room for the next pass.
        until = time.monotonic() + settings.query_seconds / 2
        while history.step() and time.monotonic() < until:
            beat(run_dir, "accounting")
        took = time.monotonic() - begun
        # However slow accounting is, it has at least half of the time for others.
        return max(settings.query_seconds - took, took)

    def look() -> float:
        watch.look(time.time())
        beat(run_dir, "queue")
        return float(settings.queue_seconds)

    def look_at_budgets() -> float:
        tres_watch.look(time.time())
        return float(settings.query_seconds)

    counted_until = board.counted.state.cursor.counted_until
    journal.write("started", cluster=settings.cluster, counted_until=counted_until)
    loops = [count, look]
    if settings.tres_budgets:
        loops.append(look_at_budgets)
    if comments is not None:
        loops.append(comments.write_one)
    broken = _repeat_until_stopped(loops)
    journal.write("stopped", reason="an error" if broken else "asked to")
    return 1 if broken else 0


def saved_or_new(file: StateFile, settings: Settings, journal: Journal, now: float) -> State:
    """The saved state; where it cannot be used, which the log says, one that begins anew.

    Costs from before its beginning may be missing: at first, or as a budget now lasts longer.
    """
    try:
        saved, lost = file.read(settings), False
    except StateError as error:
        journal.write("counts anew", reason=str(error))
        saved, lost = None, True
        with suppress(OSError):  # then it is just replaced
            file.set_aside()
    state = saved or State.starting(settings, now, anew=lost)
    state.births.note(state.totals, now)
    if saved is None:
        # Where it begins holds from now on, however long accounting may be away.
        with suppress(OSError):  # counting will say so
            file.write(state)
    state.spending.reach_back(earliest(now, settings.budget_period))
    return state


def _repeat_until_stopped(loops: Sequence[Callable[[], float]]) -> bool:
    """Call each again and again in a thread of its own, after the seconds that it returned.

    Whether it stopped because of an error that nobody expected.
    """
    stop, broken = threading.Event(), threading.Event()

    def repeat(loop: Callable[[], float]) -> None:
        try:
            while not stop.wait(loop()):
                pass
        except Exception:
            traceback.print_exc()
            broken.set()
            stop.set()

    def ask_to_stop(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, ask_to_stop)
    signal.signal(signal.SIGINT, ask_to_stop)
    for loop in loops:
        # Not awaited at the end: a command may take minutes, and what was not saved was not shown.
        threading.Thread(target=repeat, args=(loop,), daemon=True).start()
    stop.wait()
    return broken.is_set()
