"""All deeds are done to one cluster, and every alert is seen to begin, to fire and to end."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.live_alerts.deed import Deed
from tests.live_alerts.scene import Scene
from tests.live_alerts.watch import FIRING, PENDING, Seen, Watch, say

HELD_SECONDS = 60
"""So that a recording has it, whose measurements are further apart than the cluster's."""
ENDS_WITHIN = 40 * 60.0


@dataclass
class Session:
    """What has been seen, and what went wrong, by deed."""

    alerts: dict[str, Seen] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)


class Latch:
    """Opens when it was counted down."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._changed = threading.Condition()

    def count_down(self) -> None:
        with self._changed:
            self._count -= 1
            self._changed.notify_all()

    def wait(self, seconds: float) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self._count <= 0, seconds), "others do not begin"


def perform(
    scene: Scene, acts: Sequence[Sequence[Deed]], throughout: Sequence[Deed] = ()
) -> Session:
    """Do all deeds, act by act; one that fails is mended and keeps no other from being done.

    `throughout`: deeds that last longer than an act, done from the beginning on.
    """
    session = Session()
    watch = Watch(scene.prometheus)
    with watch.running():
        with ThreadPoolExecutor(1) as pool, watch.ended_early():
            others = pool.submit(_perform, scene, watch, throughout) if throughout else None
            for number, act in enumerate(acts, 1):
                say(f"act {number}: {', '.join(one.name for one in act)}")
                session.failures |= _perform(scene, watch, act)
            session.failures |= others.result() if others else {}
        lasting = [
            name
            for act in (*acts, throughout)
            for one in act
            for name in (*one.alerts, *one.begin)
            if name not in one.stay and one.name not in session.failures
        ]
        try:
            watch.await_ended(lasting, ENDS_WITHIN)
        except AssertionError as error:
            session.failures["the end"] = str(error)
        session.alerts = watch.seen
    return session


def _perform(scene: Scene, watch: Watch, act: Sequence[Deed]) -> dict[str, str]:
    """Do an act's deeds, at the same time; what went wrong, by deed."""
    others = Latch(sum(not one.last and not one.after for one in act))
    with ThreadPoolExecutor(len(act)) as pool, watch.ended_early():
        done = {one.name: pool.submit(_do, scene, watch, one, others) for one in act}
        wrong = {name: future.exception() for name, future in done.items()}
    return {name: repr(error) for name, error in wrong.items() if error}


def _do(scene: Scene, watch: Watch, one: Deed, others: Latch) -> None:
    watch.await_fired(one.after, one.within)
    if one.last:
        others.wait(one.within)
    since = time.time()
    unseen: AssertionError | None = None
    try:
        with _announced(one, others) as announce, one.script(scene):
            announce()
            say(f"{one.name} is done")
            try:
                _await_alerts(watch, one, since)
            except AssertionError as error:
                unseen = error  # it is mended all the same
            say(f"{one.name} is being mended")
        if unseen:
            raise unseen
    except BaseException as error:
        say(f"{one.name} failed: {error}")
        raise
    say(f"{one.name} is mended")


def _await_alerts(watch: Watch, one: Deed, since: float) -> None:
    watch.await_there(one.alerts, [FIRING], one.within, since=since, about=one.about)
    begun = [PENDING, FIRING]
    watch.await_there(one.begin, begun, one.within, since=since, about=one.about)
    watch.await_fired(one.until, one.within)
    time.sleep(HELD_SECONDS)


@contextmanager
def _announced(one: Deed, others: Latch) -> Iterator[Callable[[], None]]:
    """Tells the others when a deed has begun, also one that fails to."""
    announced = one.last or bool(one.after)

    def announce() -> None:
        nonlocal announced
        if not announced:
            others.count_down()
        announced = True

    try:
        yield announce
    finally:
        announce()
