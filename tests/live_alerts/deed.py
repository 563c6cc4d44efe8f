"""What is done to a live cluster, and the alerts that must tell of it."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.live_alerts.scene import Scene

Script = Callable[[Scene], AbstractContextManager[None]]


@dataclass(frozen=True, kw_only=True, eq=False)
class Deed:
    """A fault. `script` brings it about, and mends it at its end."""

    script: Script
    alerts: tuple[str, ...]
    """Which must fire before it is mended."""
    begin: tuple[str, ...] = ()
    """Which would take hours or days to fire: that they begin is enough."""
    about: Mapping[str, str] = field(default_factory=dict)
    """What those alerts' labels begin with: they are not to be mistaken for another deed's."""
    stay: frozenset[str] = frozenset()
    """Which look back for so long that nobody waits for their end here."""
    after: tuple[str, ...] = ()
    """Alerts of other deeds that must have fired before this one is done."""
    until: tuple[str, ...] = ()
    """Alerts of other deeds that must have fired before this one is mended."""
    within: float = 45 * 60.0
    """Seconds: the longest from its beginning until those alerts fire."""
    last: bool = False
    """Whether all others of its act that wait for nobody must have begun."""

    @property
    def name(self) -> str:
        return self.script.__name__


def deed(*alerts: str, **more: Any) -> Callable[[Callable[[Scene], Any]], Deed]:
    """Make one of a generator that brings the fault about, yields, and mends it."""

    def made(script: Callable[[Scene], Any]) -> Deed:
        return Deed(script=contextmanager(script), alerts=alerts, **more)

    return made
