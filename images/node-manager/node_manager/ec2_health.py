"""What EC2 knows to be wrong with running machines: failed checks and scheduled events."""

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from node_manager.ec2_calls import CallFailed, Calls

if TYPE_CHECKING:
    from types_boto3_ec2.client import EC2Client

CHECK_SECONDS = 60.0
PAGE = 1000

EVENTS = {
    "instance-reboot": "a reboot",
    "instance-retirement": "retirement",
    "instance-stop": "a stop",
    "system-maintenance": "maintenance",
    "system-reboot": "a reboot",
}
_CHECKS = {"system": "SystemStatus", "instance": "InstanceStatus"}
# Filters of one request must all hold; each of these alone is a reason.
_FILTERS = (
    {"Name": "system-status.status", "Values": ["impaired"]},
    {"Name": "instance-status.status", "Values": ["impaired"]},
    {"Name": "event.code", "Values": sorted(EVENTS)},
)
_OVER = ("[Completed]", "[Canceled]")


def trouble(status: Mapping[str, Any]) -> str:
    """Why a machine should be replaced, from one element of the answer; empty: it is well."""
    failed = [
        word for word, key in _CHECKS.items() if (status.get(key) or {}).get("Status") == "impaired"
    ]
    if failed:
        return f"impaired: {' and '.join(failed)} status check failed"
    events = sorted(
        (str(event.get("NotBefore") or ""), EVENTS[event["Code"]])
        for event in status.get("Events") or ()
        if event.get("Code") in EVENTS and not event.get("Description", "").startswith(_OVER)
    )
    if not events:
        return ""
    time, what = events[0]
    return f"scheduled for {what}{f' at {time}' if time else ''}"


class Health:
    """Asks at most once a minute. Without an answer, what was known before still counts."""

    def __init__(self, ec2: "EC2Client", calls: Calls) -> None:
        self._ec2 = ec2
        self._calls = calls
        self._asked_at = float("-inf")
        self.troubles: Mapping[str, str] = {}
        """Instance id to what is wrong with it. Of the whole account: EC2 has no filter by tag."""

    def look(self, now: float) -> None:
        """Ask, if it is time. `now`: seconds since the epoch. Never raises."""
        if abs(now - self._asked_at) < CHECK_SECONDS:
            return
        self._asked_at = now
        try:
            found = {status["InstanceId"]: trouble(status) for status in self._statuses()}
        except CallFailed:
            return
        self.troubles = {key: text for key, text in found.items() if text}

    def _statuses(self) -> Iterator[Mapping[str, Any]]:
        for condition in _FILTERS:
            yield from self._pages(condition)

    def _pages(self, condition: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
        request: dict[str, Any] = {"Filters": [condition], "MaxResults": PAGE}
        while True:
            page = self._calls.ask(
                "DescribeInstanceStatus",
                lambda: self._ec2.describe_instance_status(**request),
                tries=1,
            )
            yield from page["InstanceStatuses"]
            if not page.get("NextToken"):
                return
            request["NextToken"] = page["NextToken"]
