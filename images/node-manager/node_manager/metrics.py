"""What the manager tells Prometheus. Names and labels are in this file and nowhere else."""

from collections import Counter as Tally
from collections.abc import Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

from node_manager.actions import Mark, View
from node_manager.closures import Closures
from node_manager.fleet import Capacity, Fleet
from node_manager.node_state import NodeWord, word
from node_manager.provider import Instance
from node_manager.slurm_state import SlurmNode

_PREFIX = "hpc_stack"
_START_BUCKETS = (0.5, 1, 2, 3, 5, 10, 20, 30, 60, 90, 120, 180, 300, 600)
_ROUND_BUCKETS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)


class Metrics:
    """The metrics of one manager, in a registry of their own."""

    def __init__(self, fleet: Fleet) -> None:
        self.registry = registry = CollectorRegistry()
        self._fleet = fleet
        self._nodes = Gauge(
            f"{_PREFIX}_nodes", "Nodes by pool and state", ["pool", "state"], registry=registry
        )
        self._machines = Gauge(
            f"{_PREFIX}_instances",
            "Live machines by pool and how they are bought",
            ["pool", "capacity"],
            registry=registry,
        )
        self._cost = Gauge(
            f"{_PREFIX}_cost_dollars_per_hour",
            "Estimated cost of the live machines",
            registry=registry,
        )
        self._closed = Gauge(
            f"{_PREFIX}_pool_closed",
            "1 while a pool launches nothing: brake, limit, or no capacity",
            ["pool", "capacity"],
            registry=registry,
        )
        self._braked = Gauge(
            f"{_PREFIX}_pool_brake",
            "1 while a pool is stopped after failed starts and waits for `make resume`",
            ["pool"],
            registry=registry,
        )
        self._last_round = Gauge(
            f"{_PREFIX}_last_round_timestamp_seconds",
            "Time of the last round in which Slurm and the platform answered",
            registry=registry,
        )
        self._launches = Counter(
            f"{_PREFIX}_launches", "Machines launched", ["pool", "capacity"], registry=registry
        )
        self._failures = Counter(
            f"{_PREFIX}_launch_failures",
            "Nodes for which no machine came, by the platform's code",
            ["pool", "code"],
            registry=registry,
        )
        self._terminations = Counter(
            f"{_PREFIX}_terminations",
            "Machines ended, or not",
            ["pool", "result"],
            registry=registry,
        )
        self._calls = Counter(
            f"{_PREFIX}_api_calls",
            "Requests to the platform, by name and result",
            ["call", "result"],
            registry=registry,
        )
        self._start = Histogram(
            f"{_PREFIX}_node_start_seconds",
            "From when Slurm wanted a node until it was registered",
            ["pool"],
            buckets=_START_BUCKETS,
            registry=registry,
        )
        self._round = Histogram(
            f"{_PREFIX}_round_seconds",
            "Duration of a round",
            buckets=_ROUND_BUCKETS,
            registry=registry,
        )
        self._spent = Gauge(
            f"{_PREFIX}_spent_this_month_dollars",
            "What all machines have cost since the month began (UTC), by the ledger",
            registry=registry,
        )
        self._node_cost = Counter(
            f"{_PREFIX}_node_cost_dollars",
            "What machines have cost, by what they did meanwhile",
            ["pool", "capacity", "use"],
            registry=registry,
        )
        self._costed_at: float | None = None
        self._wanted_since: dict[str, float] = {}

    def serve(self, port: int) -> None:
        """Serve /metrics from a thread, on all addresses of the container. Raises OSError."""
        start_http_server(port, registry=self.registry)

    def api_call(self, name: str, result: str) -> None:
        """A request to the platform has ended. This is a provider.CallObserver."""
        self._calls.labels(name, result).inc()

    def launched(self, pool: str, capacity: Capacity) -> None:
        """A machine was launched."""
        self._launches.labels(pool, capacity.value).inc()

    def launch_failed(self, pool: str, code: str) -> None:
        """A node got no machine."""
        self._failures.labels(pool, code).inc()

    def terminated(self, pool: str, *, failed: bool) -> None:
        """A machine was ended, or that failed."""
        self._terminations.labels(pool, "failed" if failed else "ok").inc()

    def round_ended(self, view: View, closed: Closures, cost: float, now: float) -> None:
        """Set what can be seen now."""
        self._last_round.set(now)
        self._cost.set(cost)
        live = {machine.node: machine for machine in view.instances if machine.state.live}
        bought = Tally((machine.pool, machine.capacity) for machine in live.values())
        for pool in self._fleet.pools:
            names = [name for name in pool.node_names() if name in view.nodes]
            states = Tally(word(view.nodes[name], live.get(name)) for name in names)
            for state in NodeWord:
                self._nodes.labels(pool.name, state.value).set(states[state])
            for capacity in Capacity:
                self._machines.labels(pool.name, capacity.value).set(bought[pool.name, capacity])
                is_closed = (pool.name, capacity) in closed
                self._closed.labels(pool.name, capacity.value).set(is_closed)
            self._braked.labels(pool.name).set(pool.name in view.brakes)
            self._time_starts(pool.name, names, view, now)

        self._count_cost(view, live, now)

    def _count_cost(self, view: View, live: Mapping[str, Instance], now: float) -> None:
        """The time since the last round, as the machines are now; rounds are some seconds apart."""
        hours = max(0.0, now - (now if self._costed_at is None else self._costed_at)) / 3600
        self._costed_at = now
        pools = self._fleet.pool_of_node
        for name, machine in live.items():
            node, pool = view.nodes.get(name), pools.get(name)
            if node is None or pool is None:
                continue
            for use, share in _uses(node, pool.cpus).items():
                counter = self._node_cost.labels(pool.name, machine.capacity.value, use)
                counter.inc(machine.price_per_hour * hours * share)

    def spent(self, dollars: float) -> None:
        """What machines have cost since the month began."""
        self._spent.set(dollars)

    def _time_starts(self, pool: str, names: Iterable[str], view: View, now: float) -> None:
        ready = view.marks.get(Mark.READY, frozenset())
        for name in names:
            node = view.nodes[name]
            if node.booting:
                self._wanted_since.setdefault(name, now)
            elif name in self._wanted_since and name in ready:
                self._start.labels(pool).observe(now - self._wanted_since.pop(name))
            elif node.off or node.out_of_service:
                self._wanted_since.pop(name, None)

    def round_took(self, seconds: float) -> None:
        """A round has ended after so long, also one in which nobody answered."""
        self._round.observe(seconds)


def _uses(node: SlurmNode, cpus: int) -> dict[str, float]:
    """What a machine is paid for, in shares of its price."""
    allocated = min(1.0, node.alloc_cpus / cpus) if node.registered else 0.0
    if node.out_of_service:
        rest = "out_of_service"
    elif node.off:
        rest = "going"
    else:
        rest = "idle" if node.registered else "starting"
    return {"allocated": allocated, rest: 1.0 - allocated}
