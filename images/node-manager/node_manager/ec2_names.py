"""The names object: one S3 object per pool that tells each instance which node it is.

`<prefix><pool>.json`: {"version": 1, "generation": 7, "names": {"i-0abc": "cpu-1"}}. An instance
reads its name once, when it boots: a name that has been given is never changed.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from node_manager.ec2_calls import TRIES, CallFailed, Calls

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client

VERSION = 1

NOT_THERE = {"NoSuchKey", "404"}
CHANGED = {"PreconditionFailed", "ConditionalRequestConflict", "412", "409"} | NOT_THERE
"""S3's answers to a write whose condition does not hold: somebody else wrote, or deleted."""


@dataclass(frozen=True, kw_only=True)
class Names:
    """The object's content. `generation` counts the writes."""

    generation: int = 0
    names: Mapping[str, str] = field(default_factory=dict)
    """Instance id to node."""

    def text(self) -> str:
        return json.dumps(
            {"version": VERSION, "generation": self.generation, "names": dict(self.names)},
            separators=(",", ":"),
        )

    def after(self, given: Mapping[str, str], gone: Iterable[str] = ()) -> "Names":
        """The next content: `given` (node to instance id) added, the instances `gone` dropped."""
        dropped = set(gone)
        kept = {key: node for key, node in self.names.items() if key not in dropped}
        added = {instance_id: node for node, instance_id in given.items()}
        return Names(generation=self.generation + 1, names=kept | added)


class NamesUnreadable(Exception):
    """The object is not what a node manager writes."""


class NamesTooNew(Exception):
    """The object is of another version: what it says must not be thrown away."""


class NamesChanged(Exception):
    """Somebody else has written the object since it was read."""


def parse_names(text: str) -> Names:
    """Raises NamesUnreadable, NamesTooNew."""
    try:
        document: Any = json.loads(text)
    except ValueError as error:
        raise NamesUnreadable(f"not JSON: {error}") from None
    if not isinstance(document, dict):
        raise NamesUnreadable("not an object")
    version = document.get("version")
    if isinstance(version, int) and version != VERSION:
        raise NamesTooNew(f"version {version}; this node manager reads version {VERSION}")
    generation, names = document.get("generation"), document.get("names")
    if (
        version != VERSION
        or not isinstance(generation, int)
        or not isinstance(names, dict)
        or not all(isinstance(node, str) for node in names.values())
    ):
        raise NamesUnreadable("keys are missing, or of a wrong type")
    return Names(generation=generation, names=names)


def assign(
    nodes: Sequence[str], machines: Sequence[str], names: Mapping[str, str]
) -> dict[str, str]:
    """Node to instance id: the first nodes get machines, in order.

    A machine that has a name keeps it, and serves only the node of that name.
    """
    wanted = set(nodes)
    given: dict[str, str] = {}
    for machine in machines:
        if machine in names and names[machine] in wanted:
            given.setdefault(names[machine], machine)
    free = (machine for machine in dict.fromkeys(machines) if machine not in names)
    for node in dict.fromkeys(nodes):
        if node not in given:
            next_one = next(free, None)
            if next_one is None:
                break
            given[node] = next_one
    return given


@dataclass(frozen=True, kw_only=True)
class _Entry:
    names: Names
    etag: str | None
    current: bool = True


class NamesBucket:
    """The objects of all pools, each read once and then remembered."""

    def __init__(
        self,
        s3: "S3Client",
        calls: Calls,
        *,
        bucket: str,
        prefix: str,
        clock: Callable[[], float],
    ) -> None:
        self._s3 = s3
        self._calls = calls
        self._clock = clock
        self._bucket = bucket
        self._prefix = prefix
        self._entries: dict[str, _Entry] = {}
        self.lost_at: dict[str, float] = {}
        """Pools whose object was unreadable: machines launched before that, in seconds since the
        epoch, may have names that nobody knows."""

    def url(self, pool: str) -> str:
        """For people."""
        return f"s3://{self._bucket}/{self._key(pool)}"

    def read(self, pool: str) -> Names:
        """What is known of a pool. A missing object is an empty one, and so is an unreadable one.

        Raises CallFailed, also for an object of another version.
        """
        return self._read(pool, tries=TRIES)

    def recall(self, pool: str) -> Names:
        """As `read`; but what was known before a write without an answer is better than nothing."""
        known = self._entries.get(pool)
        if known is None:
            return self.read(pool)
        try:
            return self._read(pool, tries=1)
        except CallFailed:
            return known.names

    def _read(self, pool: str, *, tries: int) -> Names:
        known = self._entries.get(pool)
        if known is not None and known.current:
            return known.names
        found = self._get(pool, tries)
        if known is not None:
            # What the object says counts. What was written before and is not in it: nobody but us
            # knows those machines' names.
            merged = Names(
                generation=max(found.names.generation, known.names.generation),
                names={**known.names.names, **found.names.names},
            )
            found = _Entry(names=merged, etag=found.etag)
        self._entries[pool] = found
        return found.names

    def write(self, pool: str, names: Names) -> None:
        """One PutObject. Raises NamesChanged, after which `read` asks S3, or CallFailed."""
        etag = self._entries[pool].etag
        condition: dict[str, Any] = {"IfMatch": etag} if etag else {"IfNoneMatch": "*"}
        try:
            answer = self._calls.ask(
                "PutObject",
                lambda: self._s3.put_object(
                    Bucket=self._bucket,
                    Key=self._key(pool),
                    Body=names.text().encode(),
                    ContentType="application/json",
                    **condition,
                ),
            )
        except CallFailed as error:
            # Also after a time-out it is not known what the object says now.
            before = self._entries[pool]
            self._entries[pool] = _Entry(names=before.names, etag=before.etag, current=False)
            if error.code in CHANGED:
                raise NamesChanged(self.url(pool)) from error
            raise
        self._entries[pool] = _Entry(names=names, etag=answer["ETag"])

    def _get(self, pool: str, tries: int) -> _Entry:
        try:
            text, etag = self._calls.ask("GetObject", lambda: self._fetch(pool), tries=tries)
        except CallFailed as error:
            if error.code in NOT_THERE:
                return _Entry(names=Names(), etag=None)
            raise
        try:
            return _Entry(names=parse_names(text), etag=etag)
        except NamesUnreadable:
            self._calls.tell("GetObject", "unreadable")
            self.lost_at[pool] = self._clock()
            return _Entry(names=Names(), etag=etag)
        except NamesTooNew as error:
            text = f"{self.url(pool)}: {error}"
            raise CallFailed("GetObject", "names_version", text, passing=False) from error

    def _fetch(self, pool: str) -> tuple[str, str]:
        answer = self._s3.get_object(Bucket=self._bucket, Key=self._key(pool))
        return answer["Body"].read().decode(errors="replace"), answer["ETag"]

    def _key(self, pool: str) -> str:
        return f"{self._prefix}{pool}.json"
