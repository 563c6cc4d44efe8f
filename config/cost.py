"""What a cluster on AWS costs, by the catalogue's indicative prices. Pure.

What depends on what people do, such as traffic and what they store, is named and not counted.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from textwrap import wrap

from config.catalogue import Prices, catalogue, prices
from config.settings import ClusterSettings, Pool
from config.settings.aws import Aws

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
    """All nodes that the pool may have, on demand wherever that may take the place of spot."""


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
    yield Fixed(what="snapshots, about", monthly=snapshots, when_stopped=snapshots)
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
            most=_most(pool),
        )
        for name, pool in sorted(settings.pools.items())
    )


def _most(pool: Pool) -> float:
    spot = pool.spot_settings
    if spot is None or spot.fallback == "on_demand":
        return pool.max_nodes * pool.price_per_hour
    on_demand = spot.on_demand_nodes
    return on_demand * pool.price_per_hour + (pool.max_nodes - on_demand) * pool.cheapest


def monthly_idle(settings: ClusterSettings, *, stopped: bool = False) -> float:
    """Dollars a month of a cluster without jobs."""
    fixed = fixed_costs(settings)
    if stopped:
        return sum(one.when_stopped for one in fixed)
    kept = sum(pool.idle for pool in node_hours(settings)) * HOURS
    return sum(one.monthly for one in fixed) + kept


def cost_page(settings: ClusterSettings) -> str:
    """Everything as text for a terminal."""
    lines = ["Fixed, dollars a month                   on  stopped"]
    lines += [
        f"  {one.what:34} {one.monthly:7.2f}  {one.when_stopped:7.2f}"
        for one in fixed_costs(settings)
    ]
    on, off = monthly_idle(settings), monthly_idle(settings, stopped=True)
    lines += [f"  {'idle, in all':34} {on:7.2f}  {off:7.2f}", ""]
    lines.append("Nodes, dollars an hour     on demand     spot     idle  at most")
    for pool in node_hours(settings):
        spot = "-" if pool.spot is None else f"{pool.spot:.3f}"
        lines.append(
            f"  {pool.pool:24} {pool.on_demand:9.3f} {spot:>8} {pool.idle:8.2f} {pool.most:8.2f}"
        )
    total = sum(pool.most for pool in node_hours(settings))
    lines.append(f"  {'all pools':24} {'':9} {'':8} {'':8} {total:8.2f}")
    lines += _ceiling(settings.limits.max_cost_per_hour, total)
    if settings.aws:
        lines += ["", *_footer(settings, settings.aws)]
    return "\n".join(lines)


def _ceiling(limit: float | None, total: float) -> Iterator[str]:
    """What the limit on the nodes' price does to the sum."""
    if limit is not None and limit < total:
        yield f"  held to {limit:.2f} by limits.max_cost_per_hour"
    elif limit is not None:
        yield f"  not held lower by limits.max_cost_per_hour, which is {limit:.2f}"


def _footer(settings: ClusterSettings, aws: Aws) -> Iterator[str]:
    """Where the prices come from, and what is not in the sums."""
    pools, rest = settings.pools.values(), prices()
    names = {aws.controller.instance_type, *(name for p in pools for name in p.instance_types)}
    listed = {(catalogue()[name].price.region, catalogue()[name].price.date) for name in names}
    instances = "; ".join(f"{region}, {date}" for region, date in sorted(listed))
    if any(pool.spot_settings for pool in pools):
        instances += "; spot is an estimate, 40 % of on demand until AWS is asked"
    yield f"Instance prices: {instances}."
    source = "by hand, from memory (config/catalogue/prices.json)"
    yield f"Other prices: {rest.region}, {rest.date}, {source}."
    if {region for region, _ in listed} != {aws.region}:
        yield f"This stack is in {aws.region}, where they may differ; for instances, ask AWS:"
        yield f"  .venv/bin/python -m ops.catalogue --region {aws.region}"
    missing = "; ".join(_not_in_it(aws, rest))
    text = f"Not in it, in dollars where they are known here: {missing}."
    yield from wrap(text, width=100, break_on_hyphens=False, subsequent_indent="  ")


def _not_in_it(aws: Aws, price: Prices) -> Iterator[str]:
    """What depends on what people do."""
    moved = "read, written or backed up" if aws.storage.home_backups else "read or written"
    yield f"homes (EFS) {price.efs_gb_month:g} a GB-month and each GB {moved}"
    yield f"buckets (S3) {price.s3_gb_month:g} and images (ECR) {price.ecr_gb_month:g} a GB-month"
    yield f"nodes' root disks {price.ebs_gp3_gb_month:g} a GB-month"
    logs = "services' logs" if aws.network.existing else "flow logs and services' logs"
    yield f"{logs} {price.cloudwatch_logs_gb:g} a GB taken in"
    yield f"traffic out {price.internet_egress_gb:g} a GB"
    if len(aws.zones) > 1:
        yield f"between zones {price.cross_zone_gb:g} a GB each way"
    if aws.network.existing is None and aws.network.nat == "gateway":
        yield f"through NAT gateways {price.nat_gateway_gb:g} a GB"
    if catalogue()[aws.controller.instance_type].burstable:
        yield f"CPU credits of {aws.controller.instance_type} beyond its baseline"
    yield "requests"
