"""EC2 and S3 in memory, with what moto lacks: shortages, client tokens, delays, refusals."""

import hashlib
import io
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, cast

from botocore.exceptions import ClientError
from node_manager.ec2_calls import Clients
from node_manager.ec2_provider import Ec2Provider
from node_manager.fleet import Capacity, Fleet
from node_manager.provider import Instance, LaunchRequest, LaunchResult

from tests.node_manager.builders import NOW
from tests.node_manager.fake_provider import Clock
from tests.node_manager.moto_server import BUCKET, PREFIX, ec2_fleet

CAPACITY = ("InsufficientInstanceCapacity", "We currently do not have sufficient capacity.")


def refusal(code: str, message: str = "no", status: int = 400) -> ClientError:
    """What boto3 raises for an error answer."""
    answer: Any = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(answer, "Anything")


class _Scripted:
    """Keeps a record of the calls, and raises what a test has put in their way."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.refuse: dict[str, list[Exception]] = {}
        """By call: what the next ones raise, before they do anything."""
        self.lose: dict[str, list[Exception]] = {}
        """By call: what the next ones raise after they have done it."""

    def count(self, name: str) -> int:
        return sum(1 for called, _ in self.calls if called == name)

    def requests(self, name: str) -> list[dict[str, Any]]:
        return [request for called, request in self.calls if called == name]

    def _called(self, name: str, request: dict[str, Any]) -> None:
        self.calls.append((name, request))
        if self.refuse.get(name):
            raise self.refuse[name].pop(0)

    def _done(self, name: str) -> None:
        if self.lose.get(name):
            raise self.lose[name].pop(0)


class ScriptedEc2(_Scripted):
    """Answers as AWS does: CreateFleet's by override, all of DescribeInstances in one page."""

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__()
        self.clock = clock
        self.instances: dict[str, dict[str, Any]] = {}
        self.room: dict[tuple[str, str], int] = {}
        """By type and subnet; no entry: there is enough."""
        self.errors: dict[tuple[str, str], tuple[str, str]] = {}
        """What is said where there is no room: code and message."""
        self.tries: int | None = None
        """So many overrides of a request are looked at; None: all."""
        self.unseen: set[str] = set()
        """Not described yet."""
        self.lagging = False
        """Terminated machines are still described as they were."""
        self.statuses: list[dict[str, Any]] = []
        self.page = 1000
        self._tokens: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {}

    def create_fleet(self, **request: Any) -> dict[str, Any]:
        self._called("CreateFleet", request)
        token = request["ClientToken"]
        if token in self._tokens:
            before, answer = self._tokens[token]
            if before != request:
                raise refusal("IdempotentParameterMismatch")
            return answer
        answer = self._create(request)
        self._tokens[token] = (request, answer)
        self._done("CreateFleet")
        return answer

    def _create(self, request: dict[str, Any]) -> dict[str, Any]:
        target = request["TargetCapacitySpecification"]
        left, made, errors = target["TotalTargetCapacity"], [], []
        for override in request["LaunchTemplateConfigs"][0]["Overrides"][: self.tries]:
            key = (override["InstanceType"], override["SubnetId"])
            count = min(left, self.room.get(key, left))
            about = {"LaunchTemplateAndOverrides": {"Overrides": override}}
            if count:
                lifecycle = target["DefaultTargetCapacityType"]
                ids = [self._start(request, key, lifecycle) for _ in range(count)]
                made.append({**about, "InstanceType": key[0], "InstanceIds": ids})
                left -= count
                if key in self.room:
                    self.room[key] -= count
            if left and self.room.get(key) == 0:
                code, message = self.errors.get(key, CAPACITY)
                errors.append({**about, "ErrorCode": code, "ErrorMessage": message})
        return {"FleetId": "fleet-1", "Instances": made, "Errors": errors}

    def _start(self, request: Mapping[str, Any], key: tuple[str, str], lifecycle: str) -> str:
        tags = next(s for s in request["TagSpecifications"] if s["ResourceType"] == "instance")
        return self.add(
            tags={tag["Key"]: tag["Value"] for tag in tags["Tags"]},
            instance_type=key[0],
            spot=lifecycle == "spot",
        )

    def add(
        self,
        *,
        tags: Mapping[str, str] | None = None,
        instance_type: str = "c7i.large",
        spot: bool = True,
        state: str = "running",
        age: float = 0.0,
    ) -> str:
        """A machine, by default one of the pool cpu that nobody knows; its id."""
        instance_id = f"i-{len(self.instances) + 1:017x}"
        labels = {"hpc-stack:cluster": "local", "hpc-stack:pool": "cpu"} if tags is None else tags
        moment = datetime.fromtimestamp(self.clock() - age, UTC)
        self.instances[instance_id] = {
            "InstanceId": instance_id,
            "InstanceType": instance_type,
            "LaunchTime": moment.isoformat().replace("+00:00", "Z"),
            "Placement": {"AvailabilityZone": "eu-west-1a"},
            "State": {"Name": state},
            "Tags": [{"Key": key, "Value": value} for key, value in labels.items()],
            **({"InstanceLifecycle": "spot"} if spot else {}),
        }
        return instance_id

    def describe_instances(self, **request: Any) -> dict[str, Any]:
        self._called("DescribeInstances", request)
        shown = [
            instance
            for key, instance in self.instances.items()
            if key not in self.unseen and instance["State"]["Name"] != "terminated"
        ]
        start = int(request.get("NextToken", 0))
        page = json.loads(json.dumps(shown[start : start + self.page]))
        more = start + self.page < len(shown)
        return {
            "Reservations": [{"Instances": page}],
            **({"NextToken": str(start + self.page)} if more else {}),
        }

    def terminate_instances(self, *, InstanceIds: list[str]) -> None:  # noqa: N803
        self._called("TerminateInstances", {"InstanceIds": list(InstanceIds)})
        missing = [key for key in InstanceIds if key not in self.instances]
        if missing:
            names = ", ".join(missing)
            raise refusal("InvalidInstanceID.NotFound", f"The instance IDs '{names}' do not exist")
        for key in InstanceIds:
            if not self.lagging:
                self.instances[key]["State"] = {"Name": "shutting-down"}

    def describe_instance_status(self, **request: Any) -> dict[str, Any]:
        self._called("DescribeInstanceStatus", request)
        return {"InstanceStatuses": self.statuses}

    def get_console_output(self, **request: Any) -> dict[str, Any]:
        self._called("GetConsoleOutput", request)
        return {"Output": "".join(f"line {number}\r\n" for number in range(9))}


class ScriptedS3(_Scripted):
    """Objects with the conditions of PutObject."""

    def __init__(self) -> None:
        super().__init__()
        self.objects: dict[str, bytes] = {}

    def get_object(self, **request: Any) -> dict[str, Any]:
        self._called("GetObject", request)
        body = self.objects.get(request["Key"])
        if body is None:
            raise refusal("NoSuchKey", status=404)
        return {"Body": io.BytesIO(body), "ETag": _etag(body)}

    def put_object(self, **request: Any) -> dict[str, Any]:
        self._called("PutObject", request)
        before = self.objects.get(request["Key"])
        if request.get("IfNoneMatch") == "*" and before is not None:
            raise refusal("PreconditionFailed", status=412)
        if "IfMatch" in request:
            if before is None:
                raise refusal("NoSuchKey", status=404)
            if _etag(before) != request["IfMatch"]:
                raise refusal("PreconditionFailed", status=412)
        assert request["Bucket"] == BUCKET
        self.objects[request["Key"]] = request["Body"]
        self._done("PutObject")
        return {"ETag": _etag(request["Body"])}


def _etag(body: bytes) -> str:
    return f'"{hashlib.sha256(body).hexdigest()}"'


class World:
    """A cluster on scripted AWS, and a manager's provider that can be started anew."""

    def __init__(self, **fleet: Any) -> None:
        """Keyword arguments are those of `ec2_fleet`."""
        self.clock = Clock()
        self.clock.now = NOW
        self.ec2, self.s3 = ScriptedEc2(self.clock), ScriptedS3()
        self.fleet: Fleet = ec2_fleet(**fleet)
        self.slept: list[float] = []
        self.observed: list[tuple[str, str]] = []
        self.restart()

    def restart(self) -> None:
        """A manager that remembers nothing."""
        self.provider = Ec2Provider(
            self.fleet,
            observe=lambda name, result: self.observed.append((name, result)),
            clock=self.clock,
            sleep=self.slept.append,
            clients=Clients(ec2=cast(Any, self.ec2), s3=cast(Any, self.s3)),
        )

    def launch_requests(
        self, *nodes: str, capacity: Capacity = Capacity.SPOT, pool: int = 0
    ) -> list[LaunchRequest]:
        return [
            LaunchRequest(node=node, pool=self.fleet.pools[pool], capacity=capacity)
            for node in nodes
        ]

    def launch(self, *nodes: str, capacity: Capacity = Capacity.SPOT) -> list[LaunchResult]:
        """For the pool cpu."""
        return list(self.provider.launch(self.launch_requests(*nodes, capacity=capacity)))

    def listed(self) -> dict[str, Instance]:
        """By id."""
        return {instance.provider_id: instance for instance in self.provider.list_instances()}

    def nodes(self) -> list[str]:
        return sorted(instance.node for instance in self.provider.list_instances())

    def names(self, pool: str = "cpu") -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.s3.objects[f"{PREFIX}{pool}.json"])
        return document

    def put_names(self, names: Mapping[str, str], generation: int = 1, pool: str = "cpu") -> None:
        """Write the object behind the manager's back."""
        document = {"version": 1, "generation": generation, "names": dict(names)}
        self.s3.objects[f"{PREFIX}{pool}.json"] = json.dumps(document).encode()

    def overrides(self, number: int = -1) -> list[tuple[str, str]]:
        """Of one CreateFleet: the types and subnets that were asked for."""
        request = self.ec2.requests("CreateFleet")[number]
        return [
            (override["InstanceType"], override["SubnetId"])
            for override in request["LaunchTemplateConfigs"][0]["Overrides"]
        ]
