"""Names of nodes, as Slurm's hostlists write them."""


def node_range(pool: str, count: int) -> str:
    """Hostlist of a pool's first `count` nodes: `cpu-[1-8]`, or `cpu-1` for one."""
    return f"{pool}-1" if count == 1 else f"{pool}-[1-{count}]"
