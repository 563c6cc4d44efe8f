"""Checks of what only AWS has: against the other settings, and against the catalogue of types.

What only AWS itself can tell (zones that exist, types on offer) is components/aws/account.py's.
"""

from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address, IPv4Network

from config.catalogue import InstanceType, catalogue
from config.settings.aws import Aws
from config.settings.draft import Draft, mistake_at
from config.settings.mistakes import NOT_SET, Mistake, one_of, path_text, pick
from config.settings.platform_defaults import known_types
from config.settings.pools import Pool
from config.subnet_plan import SubnetPlanError, plan_subnets


def aws_inconsistencies(draft: Draft) -> Iterator[Mistake]:
    """Every mistake in what only AWS has."""
    if draft.platform == "local":
        yield from _only_on_aws(draft)
    elif draft.platform == "aws":
        if not draft.aws_is_set:
            yield Mistake(
                path_text(("aws",)),
                NOT_SET,
                "a group of settings with at least region and zones",
                "add aws, for instance `aws: {region: eu-central-1, zones: [eu-central-1a]}`",
            )
        for name, pool in sorted(draft.pools.read.items()):
            yield from _types(name, pool)
            yield from _shape(name, pool)
        if draft.aws:
            yield from _zones(draft.aws)
            yield from _network(draft.aws, sum(p.max_nodes for p in draft.pools.read.values()))
            yield from _controller(draft.aws)
            for name, pool in sorted(draft.pools.read.items()):
                yield from _placement(name, pool, draft.aws)
            yield from _amis(draft, draft.aws)


def _only_on_aws(draft: Draft) -> Iterator[Mistake]:
    fix = "write `platform: aws`, or remove it"
    if draft.aws_is_set:
        yield mistake_at(("aws",), "(set)", "nothing: the platform is local", fix)
    for name, pool in sorted(draft.pools.read.items()):
        if pool.instance_types:
            yield mistake_at(
                ("pools", name, "instance_types"),
                list(pool.instance_types),
                "nothing: the platform is local, and a node is a container",
                fix,
            )


def _types(name: str, pool: Pool) -> Iterator[Mistake]:
    location = ("pools", name, "instance_types")
    if not pool.instance_types:
        yield Mistake(
            path_text(location),
            NOT_SET,
            "a list of EC2 instance types: on AWS each node is one of them",
            "add instance_types, for instance [c7i.xlarge, c7a.xlarge]",
        )
    known = catalogue()
    for index, kind in enumerate(pool.instance_types):
        if kind not in known:
            yield mistake_at(
                (*location, index),
                kind,
                f"one of the {len(known)} types in config/catalogue/instance_types.json",
                f"{pick(kind, sorted(known))} Or add it: python -m ops.catalogue {kind}",
            )
        elif pool.capacity == "spot" and known[kind].price.spot is None:
            yield mistake_at(
                (*location, index),
                kind,
                "a type that EC2 sells as spot: the pool has `capacity: spot`",
                f"remove {kind}, or write `capacity: on_demand`",
            )


def _shape(name: str, pool: Pool) -> Iterator[Mistake]:
    kinds = known_types(pool.instance_types)
    if not kinds:
        return
    location = ("pools", name)
    yield from _alike((*location, "instance_types"), kinds)
    cpus = min(kind.vcpus for kind in kinds)
    memory = min(kind.usable_memory_mb for kind in kinds)
    for field, value, most in (
        ("cpus", pool.cpus, cpus),
        ("memory_mb", pool.memory_mb, memory),
    ):
        if value > most:
            yield mistake_at(
                (*location, field),
                value,
                f"at most {most}, which is what the smallest of the instance types offers",
                f"lower it to {most}, or remove it: the catalogue knows it",
            )
    yield from _gpus(name, pool, kinds)


def _alike(location: tuple[object, ...], kinds: Sequence[InstanceType]) -> Iterator[Mistake]:
    """A mistake for each property in which the types differ, with the types of each value."""
    for what, values in (
        ("architecture", [kind.architecture for kind in kinds]),
        ("CPUs", [str(kind.vcpus) for kind in kinds]),
        ("GPUs", [_gpu_text(kind) for kind in kinds]),
    ):
        if len(set(values)) > 1:
            pairs = list(zip(kinds, values, strict=True))
            of_each = "; ".join(
                f"{value}: {', '.join(kind.name for kind, own in pairs if own == value)}"
                for value in dict.fromkeys(values)
            )
            yield mistake_at(
                location,
                [kind.name for kind in kinds],
                f"types that are alike in {what}; here {of_each}",
                "make a pool of each kind",
            )


def _gpu_text(kind: InstanceType) -> str:
    return f"{kind.gpus.count} {kind.gpus.type}" if kind.gpus else "none"


def _gpus(name: str, pool: Pool, kinds: Sequence[InstanceType]) -> Iterator[Mistake]:
    if pool.gpus is None:
        return
    offered = kinds[0].gpus
    written = {"type": pool.gpus.type, "count": pool.gpus.count}
    if offered is None:
        yield mistake_at(
            ("pools", name, "gpus"),
            written,
            f"nothing: {kinds[0].name} has no GPU",
            "remove gpus, or choose types with GPUs, for instance g6.xlarge",
        )
    elif (pool.gpus.type, pool.gpus.count) != (offered.type, offered.count):
        yield mistake_at(
            ("pools", name, "gpus"),
            written,
            f"type {offered.type} and count {offered.count}: what {kinds[0].name} has",
            "remove gpus: the catalogue knows them",
        )


def _zones(aws: Aws) -> Iterator[Mistake]:
    for index, zone in enumerate(aws.zones):
        if zone[:-1] != aws.region:
            yield mistake_at(
                ("aws", "zones", index),
                zone,
                f"a zone of {aws.region}, such as {aws.region}a",
                "correct the zone or aws.region",
            )
    existing = aws.network.existing
    if existing and set(existing.compute_subnets) != set(aws.zones):
        yield mistake_at(
            ("aws", "network", "existing", "compute_subnets"),
            sorted(existing.compute_subnets),
            f"a subnet for each of aws.zones: {', '.join(aws.zones)}",
            "add what is missing, and remove what is no zone of the cluster",
        )


def _network(aws: Aws, nodes: int) -> Iterator[Mistake]:
    network = aws.network
    for index, text in enumerate(network.ssh_from):
        if (network.existing or network.nat == "gateway") and not IPv4Network(text).is_private:
            why = "in a VPC of yours" if network.existing else "with `nat: gateway`"
            yield mistake_at(
                ("aws", "network", "ssh_from", index),
                text,
                f"private ranges: {why} the login node has no public address",
                "name your VPN's or peered network's range, "
                + ("" if network.existing else "write `nat: controller`, ")
                + "or remove it",
            )
    if existing := network.existing:
        if IPv4Address(existing.controller_address) not in IPv4Network(network.cidr):
            yield mistake_at(
                ("aws", "network", "existing", "controller_address"),
                existing.controller_address,
                f"an address in aws.network.cidr, which is {network.cidr}",
                "write the VPC's own range as aws.network.cidr, and an address in it",
            )
        return
    try:
        plan_subnets(IPv4Network(network.cidr), aws.zones).require(nodes)
    except SubnetPlanError as error:
        yield mistake_at(("aws", "network", "cidr"), network.cidr, error.allowed, error.fix)


def _controller(aws: Aws) -> Iterator[Mistake]:
    name = aws.controller.instance_type
    kind = catalogue().get(name)
    location = ("aws", "controller", "instance_type")
    if kind is None:
        yield mistake_at(
            location,
            name,
            "a type in config/catalogue/instance_types.json",
            f"{pick(name, sorted(catalogue()))} Or add it: python -m ops.catalogue {name}",
        )
    elif kind.memory_mb < 2048:
        yield mistake_at(
            location,
            name,
            "a type with 2048 MiB of memory or more: MySQL and Slurm's daemons run on it",
            "choose t4g.small or a larger one",
        )


def _placement(name: str, pool: Pool, aws: Aws) -> Iterator[Mistake]:
    location = ("pools", name, "aws")
    settings = pool.aws
    for index, zone in enumerate(settings.zones):
        if zone not in aws.zones:
            yield mistake_at(
                (*location, "zones", index),
                zone,
                one_of(aws.zones),
                "choose one of these, or add it to aws.zones",
            )
    if settings.placement_group and len(settings.zones) > 1:
        yield mistake_at(
            (*location, "zones"),
            list(settings.zones),
            "one zone: the pool has `placement_group: true`",
            "keep one of them",
        )
    if settings.efa and not settings.placement_group:
        yield mistake_at(
            (*location, "efa"),
            True,
            "true only with `placement_group: true`",
            "write `placement_group: true` as well",
        )
    for kind in known_types(pool.instance_types):
        if settings.efa and not kind.efa:
            yield mistake_at(
                (*location, "efa"),
                True,
                f"true only where every type has it; {kind.name} has not",
                f"remove {kind.name} or efa",
            )


def _amis(draft: Draft, aws: Aws) -> Iterator[Mistake]:
    wanted: dict[str, str] = {}
    if kind := catalogue().get(aws.controller.instance_type):
        wanted[ami_key(kind)] = "the controller"
    for name, pool in sorted(draft.pools.read.items()):
        for kind in known_types(pool.instance_types):
            wanted.setdefault(ami_key(kind), f"pool {name}")
    for key, reader in sorted(wanted.items()):
        if getattr(aws.amis, key) is None:
            yield Mistake(
                path_text(("aws", "amis", key)),
                NOT_SET,
                f"the id of a machine image: {reader} starts from it",
                "run `make amis STACK=NAME`, which looks up the newest and writes it down",
            )


def ami_key(kind: InstanceType) -> str:
    """Which of `aws.amis` a type starts from."""
    return f"gpu_{kind.architecture}" if kind.gpus else kind.architecture
