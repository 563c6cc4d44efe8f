"""What a cluster on AWS costs, by the catalogue's indicative prices. Pure.

Traffic, requests and what jobs store are not in it: they depend on what people do.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from config.catalogue import catalogue, prices
from config.settings import ClusterSettings

HOURS = 730
"""Of a month, as AWS' own calculator counts."""


@dataclass(frozen=True, kw_only=True)
class Fixed:
    """What one thing costs in a month, in dollars, whether jobs run or not."""

    what: str
    monthly: float
    when_stopped: float
    """The same while the controller is stopped."""


@dataclass(frozen=True, kw_only=True)
class NodeHour:
    """What nodes of a pool cost in an hour, in dollars."""

    pool: str
    on_demand: float
    spot: float | None
    idle: float
    """All nodes that are kept without a job."""
    most: float
    """All nodes that the pool may have, at its usual price."""


def fixed_costs(settings: ClusterSettings) -> tuple[Fixed, ...]:
    """By resource, the dearest first."""
    return tuple(sorted(_fixed(settings), key=lambda one: -one.monthly))


def _fixed(settings: ClusterSettings) -> Iterator[Fixed]:
    aws, price = settings.aws, prices()
    if aws is None:
        return
    kind = aws.controller.instance_type
    controller = catalogue()[kind].price.on_demand * HOURS
    yield Fixed(what=f"controller, {kind}", monthly=controller, when_stopped=0.0)
    disks = (aws.controller.root_gb + aws.controller.data_gb) * price.ebs_gp3_gb_month
    yield Fixed(what="controller's volumes", monthly=disks, when_stopped=disks)
    # Snapshots after the first hold what has changed; a full volume's worth is the usual order.
    snapshots = aws.controller.data_gb * price.ebs_snapshot_gb_month
    yield Fixed(what="snapshots, at most about", monthly=snapshots, when_stopped=snapshots)
    alarm = price.cloudwatch_alarm_month
    yield Fixed(what="status alarm", monthly=alarm, when_stopped=alarm)
    if aws.network.existing is None and aws.network.nat == "gateway":
        gateways = len(aws.zones) * (price.nat_gateway_hour + price.public_ipv4_hour) * HOURS
        what = f"NAT gateways and their addresses, {len(aws.zones)}"
        yield Fixed(what=what, monthly=gateways, when_stopped=gateways)
    elif aws.network.existing is None:
        address = price.public_ipv4_hour * HOURS
        yield Fixed(what="controller's public address", monthly=address, when_stopped=0.0)


def node_hours(settings: ClusterSettings) -> tuple[NodeHour, ...]:
    """By pool."""
    return tuple(
        NodeHour(
            pool=name,
            on_demand=pool.price_per_hour,
            spot=pool.spot_settings.price_per_hour if pool.spot_settings else None,
            idle=max(pool.min_nodes, pool.warm_nodes) * pool.cheapest,
            most=pool.max_nodes * pool.cheapest,
        )
        for name, pool in sorted(settings.pools.items())
    )


def monthly_idle(settings: ClusterSettings, *, stopped: bool = False) -> float:
    """Dollars a month of a cluster without jobs."""
    fixed = fixed_costs(settings)
    if stopped:
        return sum(one.when_stopped for one in fixed)
    kept = sum(pool.idle for pool in node_hours(settings)) * HOURS
    return sum(one.monthly for one in fixed) + kept


def cost_page(settings: ClusterSettings) -> str:
    """Everything as text for a terminal."""
    lines = ["Fixed, dollars a month               on  stopped"]
    lines += [
        f"  {one.what:30} {one.monthly:7.2f}  {one.when_stopped:7.2f}"
        for one in fixed_costs(settings)
    ]
    on, off = monthly_idle(settings), monthly_idle(settings, stopped=True)
    lines += [f"  {'idle, in all':30} {on:7.2f}  {off:7.2f}", ""]
    lines.append("Nodes, dollars an hour     on demand     spot     idle  at most")
    for pool in node_hours(settings):
        spot = "-" if pool.spot is None else f"{pool.spot:.3f}"
        lines.append(
            f"  {pool.pool:24} {pool.on_demand:9.3f} {spot:>8} {pool.idle:8.2f} {pool.most:8.2f}"
        )
    ceiling = settings.limits.max_cost_per_hour
    total = sum(pool.most for pool in node_hours(settings))
    lines.append(f"  {'all pools':24} {'':9} {'':8} {'':8} {total:8.2f}")
    if ceiling is not None:
        lines.append(f"  limits.max_cost_per_hour stops launches at {ceiling:g} dollars an hour")
    lines += [
        "",
        f"Prices: {prices().region}, {prices().date}, indicative (config/catalogue).",
        "Not in it: traffic, requests, and what homes and buckets hold.",
    ]
    return "\n".join(lines)
