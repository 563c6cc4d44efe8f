"""Names of nodes, as Slurm's hostlists write them."""


def node_range(pool: str, first: int, last: int) -> str:
    """Hostlist of a pool's nodes `first` to `last`: `cpu-[1-8]`, or `cpu-1` for one."""
    return f"{pool}-{first}" if first == last else f"{pool}-[{first}-{last}]"
