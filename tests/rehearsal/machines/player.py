"""Plays EC2: what the account says is running, runs here, and what it says has ended, ends."""

import contextlib
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Event, Thread
from typing import Any

from tests.rehearsal.account import REGION, RehearsedAccount
from tests.rehearsal.machines.machine import Instance, Machine
from tests.rehearsal.machines.store import SHARED, ImageStore

PAUSE_SECONDS = 0.2
ALIVE = ("pending", "running")
STOPPED = ("stopping", "stopped")
REGISTRY = f"123456789012.dkr.ecr.{REGION}.amazonaws.com"


def _nothing() -> None:
    """Nothing in particular."""


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """Where machines are put."""

    image: str
    network: str
    front: str
    """Address at which AWS' names answer."""
    trusted: str
    mark: str
    store: ImageStore


@dataclass
class Player:
    """Follows an account. `machines` are those that run, by instance."""

    account: RehearsedAccount
    place: Surroundings
    references: Callable[[], list[str]]
    """The images that have been pushed so far."""
    machines: dict[str, Machine] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    _told: dict[str, Instance] = field(default_factory=dict)
    _stopped: set[str] = field(default_factory=set)
    _working: dict[str, "Future[None]"] = field(default_factory=dict)
    _before_boot: Callable[[], None] = _nothing

    def controller(self) -> Machine:
        """The one that has volumes."""
        (found,) = (key for key, told in dict(self._told).items() if told.volumes)
        return self.machines[found]

    def volumes_of(self, instance: str) -> dict[str, str]:
        """The files that play its volumes."""
        return dict(self._told[instance].volumes)

    @contextlib.contextmanager
    def before_boot(self, act: Callable[[], None]) -> Iterator[None]:
        """Do something before each machine that boots in this block, when its old one is gone."""
        self._before_boot = act
        try:
            yield
        finally:
            self._before_boot = _nothing

    def round(self, pool: ThreadPoolExecutor) -> None:
        """Look once, and begin what follows from it."""
        ec2 = self.account.client("ec2")
        found = [
            instance
            for page in ec2.get_paginator("describe_instances").paginate()
            for reservation in page["Reservations"]
            for instance in reservation["Instances"]
        ]
        alive = {one["InstanceId"]: one for one in found if one["State"]["Name"] in ALIVE}
        stopped = {one["InstanceId"] for one in found if one["State"]["Name"] in STOPPED}
        for key in {*alive, *self.machines}:
            if (doing := self._working.get(key)) and not doing.done():
                continue
            if key not in self.machines:
                if alive[key]["PrivateIpAddress"] in {one.address for one in self._told.values()}:
                    continue  # of a machine that is about to end
                self.machines[key] = Machine(instance=key)
                self._working[key] = pool.submit(self._begin, alive[key])
            elif key not in self._told:
                continue  # it could not be made
            elif key in stopped:
                if key not in self._stopped:
                    self._working[key] = pool.submit(self._stop, key)
            elif key not in alive:
                self._working[key] = pool.submit(self._end, key)
            elif key in self._stopped:
                self._working[key] = pool.submit(self._start, key)
            elif self._volumes(alive[key]) != self._told[key].volumes:
                self._working[key] = pool.submit(self._attach, alive[key])

    def _begin(self, found: dict[str, Any]) -> None:
        with self.noted():
            key = found["InstanceId"]
            place = self.place
            place.store.add(self.references())
            self._told[key] = told = self._instance(found)
            self._make_homes()
            self._before_boot()
            self.machines[key].make(
                told,
                image=place.image,
                network=place.network,
                store=place.store.give(key),
                trusted=place.trusted,
                mark=place.mark,
            )

    def _end(self, key: str) -> None:
        with self.noted():
            self.machines[key].end()
            self.place.store.take_back(key)
            self._stopped.discard(key)
            del self.machines[key], self._told[key]

    def _stop(self, key: str) -> None:
        with self.noted():
            self.machines[key].stop()
            self._stopped.add(key)

    def _start(self, key: str) -> None:
        with self.noted():
            self.machines[key].start()
            self._stopped.discard(key)

    def _attach(self, found: dict[str, Any]) -> None:
        with self.noted():
            self._told[found["InstanceId"]] = told = self._instance(found)
            self.machines[told.id].tell(told)

    def _instance(self, found: dict[str, Any]) -> Instance:
        key = found["InstanceId"]
        ec2 = self.account.client("ec2")
        answer = ec2.describe_instance_attribute(InstanceId=key, Attribute="userData")
        tags = {tag["Key"]: tag["Value"] for tag in found.get("Tags", ())}
        volumes = self._volumes(found)
        for volume, file in volumes.items():
            # One that exists keeps what is on it.
            self.place.store.run("truncate", "--size", f"{self._volume_gib(volume)}G", file)
        return Instance(
            id=key,
            address=found["PrivateIpAddress"],
            role=tags["Name"],
            spot=found.get("InstanceLifecycle") == "spot",
            user_data=answer["UserData"]["Value"],
            resolver=self.place.front,
            volumes=volumes,
        )

    def _volumes(self, found: dict[str, Any]) -> dict[str, str]:
        disks = [one["Ebs"] for one in found["BlockDeviceMappings"]]
        kept = [disk["VolumeId"] for disk in disks if not disk["DeleteOnTermination"]]
        return {volume: f"{SHARED}/volumes/{volume}.img" for volume in kept}

    def _volume_gib(self, volume: str) -> int:
        (found,) = self.account.client("ec2").describe_volumes(VolumeIds=[volume])["Volumes"]
        return int(found["Size"])

    def _make_homes(self) -> None:
        for point in self.account.client("efs").describe_access_points()["AccessPoints"]:
            folder = f"{SHARED}/efs/{point['FileSystemId']}/{point['AccessPointId']}"
            self.place.store.run("mkdir", "-p", folder)

    @contextlib.contextmanager
    def noted(self) -> Iterator[None]:
        """Keep what goes wrong in the block, for those who wait in another thread."""
        try:
            yield
        except Exception:
            self.failures.append(traceback.format_exc())


@contextlib.contextmanager
def playing(player: Player) -> Iterator[Player]:
    """Play until the end of the block; then nothing runs any more."""
    stopped = Event()

    def follow() -> None:
        with ThreadPoolExecutor(8) as pool:
            while not stopped.wait(PAUSE_SECONDS):
                with player.noted():
                    player.round(pool)

    thread = Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield player
    finally:
        stopped.set()
        thread.join()
        for machine in list(player.machines.values()):
            machine.destroy()
