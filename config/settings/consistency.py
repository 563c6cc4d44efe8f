"""Checks between the parts of the settings, as functions from a draft to mistakes.

They run on whatever could be read, so that a mistake in one part hides none between others: a check
stays silent only where its answer depends on something that could not be read.
"""

from collections.abc import Iterator, Mapping

from config.settings.accounts import NORMAL, ROOT
from config.settings.alerting import misplaced_receivers
from config.settings.aws_consistency import aws_inconsistencies
from config.settings.budget_consistency import budget_inconsistencies
from config.settings.draft import Draft, mistake_at
from config.settings.gpu_files import files_needed
from config.settings.mistakes import NOT_SET, Mistake, one_of, path_text, pick
from config.settings.part import Part
from config.settings.pools import Pool
from config.settings.tres import is_gpu

CAPACITIES = ("on_demand", "spot")


def inconsistencies(draft: Draft) -> Iterator[Mistake]:
    """Every mistake between parts, or between the fields of one."""
    yield from _node_counts(draft)
    yield from _schedules(draft)
    yield from _spot(draft)
    yield from _limits(draft)
    yield from budget_inconsistencies(draft)
    yield from _default_pools(draft)
    yield from _node_names(draft)
    yield from _gpu_files(draft)
    yield from _memory(draft)
    yield from _user_ids(draft)
    yield from _user_accounts(draft)
    yield from _account_tree(draft)
    yield from _account_qos(draft)
    yield from _gres_in_limits(draft)
    yield from _table_sizes(draft)
    yield from _equal_ports(draft)
    yield from _receivers(draft)
    yield from aws_inconsistencies(draft)


def _node_counts(draft: Draft) -> Iterator[Mistake]:
    for name, pool in draft.pools.read.items():
        for field, value in (("min_nodes", pool.min_nodes), ("warm_nodes", pool.warm_nodes)):
            if value > pool.max_nodes:
                yield _more_than_there_are(("pools", name, field), field, value, pool)


def _more_than_there_are(
    location: tuple[object, ...], field: str, value: int, pool: Pool
) -> Mistake:
    return mistake_at(
        location,
        value,
        f"at most max_nodes, which is {pool.max_nodes}",
        f"lower {field} to {pool.max_nodes} or raise max_nodes to {value}",
    )


def _schedules(draft: Draft) -> Iterator[Mistake]:
    for name, pool in draft.pools.read.items():
        for index, window in enumerate(pool.schedule):
            if window.nodes > pool.max_nodes:
                location = ("pools", name, "schedule", index, "nodes")
                yield _more_than_there_are(location, "nodes", window.nodes, pool)


def _spot(draft: Draft) -> Iterator[Mistake]:
    for name, pool in draft.pools.read.items():
        if pool.spot is not None and pool.capacity != "spot":
            yield mistake_at(
                ("pools", name, "capacity"),
                pool.capacity,
                "spot, since the pool has settings for spot nodes",
                "write `capacity: spot`, or remove `spot`",
            )
        elif pool.spot is not None and pool.spot.on_demand_nodes > pool.max_nodes:
            location = ("pools", name, "spot", "on_demand_nodes")
            count = pool.spot.on_demand_nodes
            yield _more_than_there_are(location, "on_demand_nodes", count, pool)
        for index, feature in enumerate(pool.features):
            if feature in CAPACITIES:
                yield mistake_at(
                    ("pools", name, "features", index),
                    feature,
                    "a feature of your own; each node has spot or on_demand by itself",
                    f"remove {feature}; `capacity` says how nodes are bought",
                )


def _limits(draft: Draft) -> Iterator[Mistake]:
    limits = draft.limits
    for name, pool in sorted(draft.pools.read.items()) if limits else ():
        if limits and limits.max_nodes is not None and pool.min_nodes > limits.max_nodes:
            yield mistake_at(
                ("limits", "max_nodes"),
                limits.max_nodes,
                f"at least {pool.min_nodes}: so many nodes of pool {name} are always there",
                f"raise it to {pool.min_nodes} or lower cluster.pools.{name}.min_nodes",
            )
        if limits and limits.memory_mb is not None and pool.memory_mb > limits.memory_mb:
            yield mistake_at(
                ("limits", "memory_mb"),
                limits.memory_mb,
                f"at least {pool.memory_mb}: one node of pool {name} has so much",
                f"raise it to {pool.memory_mb} or lower cluster.pools.{name}.memory_mb",
            )
        most = limits.max_cost_per_hour if limits else None
        if most is not None and pool.cheapest > most:
            yield mistake_at(
                ("limits", "max_cost_per_hour"),
                most,
                f"at least {pool.cheapest:g}: one node of pool {name} costs so much",
                f"raise it to {pool.cheapest:g}, or remove pool {name}",
            )


def _default_pools(draft: Draft) -> Iterator[Mistake]:
    first, *others = sorted(n for n, pool in draft.pools.read.items() if pool.default) or [""]
    for name in others:
        yield mistake_at(
            ("pools", name, "default"),
            True,
            f"one default pool; {first} is one already",
            f"remove `default: true` from {name} or from {first}",
        )


def _node_names(draft: Draft) -> Iterator[Mistake]:
    for name in sorted(draft.pools.names):
        stem, dash, number = name.rpartition("-")
        if dash and number.isdecimal() and stem in draft.pools.names:
            yield mistake_at(
                ("pools", name),
                name,
                f"a name that is not that of a node: pool {stem} has nodes {stem}-1, {stem}-2, ...",
                f"rename pool {name}, for instance to {stem}{number}",
            )


def _gpu_files(draft: Draft) -> Iterator[Mistake]:
    if draft.platform is None:
        return
    shared = draft.platform == "local"
    owner: dict[str, str] = {}
    by_default = ""
    for name, pool in sorted(draft.pools.read.items()):
        if pool.gpus is None:
            continue
        location = ("pools", name, "gpus", "device_files")
        if pool.gpus.device_files is None:
            if shared and by_default:
                # What one gets would change with the other's size, while its nodes run.
                yield Mistake(
                    path_text(location),
                    NOT_SET,
                    f"the files of its GPUs: pool {by_default} gets those that nobody names",
                    "name them, for instance [/dev/nvidia1]",
                )
            by_default = by_default or name
            continue
        files, count = pool.gpus.device_files, pool.gpus.count
        needed = files_needed(pool, pool.gpus, shared_machine=shared)
        if len(files) != needed:
            nodes = f" for each of max_nodes, which is {pool.max_nodes}" if shared else ""
            yield mistake_at(
                location,
                list(files),
                f"{needed} files: one for each GPU of a node (count is {count}){nodes}",
                "list as many files as there are GPUs, or remove device_files",
            )
        for file in files if shared else ():
            first = owner.setdefault(file, name)
            if first != name:
                yield mistake_at(
                    location,
                    file,
                    f"files that no other pool has; {first} has this one",
                    f"remove it from {name} or from {first}",
                )


def _memory(draft: Draft) -> Iterator[Mistake]:
    per_cpu = draft.slurm.default_memory_per_cpu_mb if draft.slurm else None
    for name, pool in sorted(draft.pools.read.items()) if per_cpu else ():
        if per_cpu and per_cpu * pool.cpus > pool.memory_mb:
            most = pool.memory_mb // pool.cpus
            yield mistake_at(
                ("slurm", "default_memory_per_cpu_mb"),
                per_cpu,
                f"at most {most}: a node of pool {name} has {pool.memory_mb} MiB "
                f"for {pool.cpus} CPUs",
                f"lower it to {most}, or remove it: each pool then divides its own memory",
            )


def _user_ids(draft: Draft) -> Iterator[Mistake]:
    owner: dict[int, str] = {}
    for name, user in sorted(draft.users.read.items()):
        first = owner.setdefault(user.uid, name)
        if first != name:
            taken = {other.uid for other in draft.users.read.values()}
            free = next((uid for uid in range(2000, 60_000) if uid not in taken), None)
            yield mistake_at(
                ("users", name, "uid"),
                user.uid,
                f"a number from 2000 to 59999 that no other user has; {first} has this one",
                f"give {name} another uid, for instance {free}",
            )


def _user_accounts(draft: Draft) -> Iterator[Mistake]:
    if not draft.accounts.whole:
        return
    known = sorted(draft.accounts.names)
    for name, user in draft.users.read.items():
        for index, account in enumerate(user.accounts):
            if account not in draft.accounts.names:
                yield mistake_at(
                    ("users", name, "accounts", index),
                    account,
                    one_of(known),
                    pick(account, known) if known else "add it to cluster.accounts",
                )


def _account_tree(draft: Draft) -> Iterator[Mistake]:
    accounts = draft.accounts.read
    in_cycle: set[str] = set()
    for name, account in sorted(accounts.items()):
        if account.parent != ROOT and account.parent not in draft.accounts.names:
            known = sorted(draft.accounts.names - {name} | {ROOT})
            fix = pick(account.parent, known)
            yield mistake_at(("accounts", name, "parent"), account.parent, one_of(known), fix)
        chain = [name]
        while chain[-1] in accounts and accounts[chain[-1]].parent not in chain:
            chain.append(accounts[chain[-1]].parent)
        cyclic = chain[-1] in accounts and accounts[chain[-1]].parent == name
        if cyclic and name not in in_cycle:
            in_cycle.update(chain)
            yield mistake_at(
                ("accounts", name, "parent"),
                account.parent,
                f"a tree that ends at root; here {' -> '.join([*chain, name])}",
                "give one of these accounts the parent root",
            )


def _account_qos(draft: Draft) -> Iterator[Mistake]:
    known = sorted(draft.qos.names | {NORMAL})
    for name, account in sorted(draft.accounts.read.items()):
        named: list[tuple[tuple[object, ...], str]] = [
            (("qos", index), qos) for index, qos in enumerate(account.qos)
        ]
        default = account.default_qos
        if default:
            named.append((("default_qos",), default))
        for field, qos in named:
            if draft.qos.whole and qos not in known:
                yield mistake_at(("accounts", name, *field), qos, one_of(known), pick(qos, known))
        usable = _usable_qos(draft, name)
        if default in known and usable is not None and default not in usable:
            yield mistake_at(
                ("accounts", name, "default_qos"),
                default,
                f"a QOS that the account may use: {one_of(usable)}",
                f"add {default} to cluster.accounts.{name}.qos",
            )


def _usable_qos(draft: Draft, name: str) -> tuple[str, ...] | None:
    """QOS that an account may use, its own or inherited; None when that cannot be told."""
    seen: set[str] = set()
    while name != ROOT:
        account = draft.accounts.read.get(name)
        if account is None or name in seen:
            return None
        if account.qos:
            return account.qos
        seen.add(name)
        name = account.parent
    return (NORMAL,)


def _gres_in_limits(draft: Draft) -> Iterator[Mistake]:
    if not draft.pools.all_read:
        return
    types = sorted({pool.gpus.type for pool in draft.pools.read.values() if pool.gpus})
    countable = ["gres/gpu", *(f"gres/gpu:{kind}" for kind in types)] if types else []
    allowed = one_of(countable) if countable else "no gres/...: no pool has GPUs"
    for location, tres in _tres_settings(draft):
        for kind, count in tres.items():
            if kind.startswith("gres/") and kind not in countable:
                fix = f"remove {kind}"
                if is_gpu(kind):
                    fix += ", or give a pool such GPUs (cluster.pools.<pool>.gpus)"
                yield mistake_at(location, f"{kind}={count}", allowed, fix)


def _tres_settings(draft: Draft) -> Iterator[tuple[tuple[object, ...], Mapping[str, int]]]:
    parts: list[tuple[tuple[object, ...], Part]] = []
    if draft.budget:
        parts.append((("budget",), draft.budget))
    for name, account in draft.accounts.read.items():
        parts.append((("accounts", name, "limits"), account.limits))
    for name, qos in draft.qos.read.items():
        parts.append((("qos", name), qos))
    for location, part in parts:
        for field, value in part:
            if isinstance(value, dict):  # a TRES is the only mapping in them
                yield (*location, field), value


def _table_sizes(draft: Draft) -> Iterator[Mistake]:
    slurm = draft.slurm
    if slurm and slurm.max_array_size > slurm.max_job_count:
        yield mistake_at(
            ("slurm", "max_array_size"),
            slurm.max_array_size,
            f"at most max_job_count, which is {slurm.max_job_count}",
            "lower max_array_size or raise max_job_count",
        )


def _equal_ports(draft: Draft) -> Iterator[Mistake]:
    owner: dict[object, str] = {}
    for name, port in draft.ports or ():
        first = owner.setdefault(port, name)
        if first != name:
            yield mistake_at(
                ("ports", name),
                port,
                f"a port from 1 to 65535 that is not that of {first}",
                f"give ports.{name} or ports.{first} another number",
            )


def _receivers(draft: Draft) -> Iterator[Mistake]:
    if draft.monitoring and draft.platform:
        yield from misplaced_receivers(draft.monitoring.alerts, draft.platform)
