"""A trouble that lasts is one line of log when it begins, and one when it is over."""

from job_exporter.journal import Journal


class ToldOnce:
    """What `who` has trouble with now."""

    def __init__(self, journal: Journal, who: str) -> None:
        self._journal = journal
        self._who = who
        self._reason: str | None = None

    def trouble(self, reason: str) -> None:
        """It failed; says so unless the same was said last."""
        if reason != self._reason:
            self._journal.write("waiting", who=self._who, reason=reason)
        self._reason = reason

    def over(self) -> None:
        """It succeeded."""
        if self._reason is not None:
            self._journal.write("answers again", who=self._who)
        self._reason = None
