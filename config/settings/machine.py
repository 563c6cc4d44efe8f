"""What is not a mistake, but will not work well on the machine at hand."""

from config.settings.cluster import ClusterSettings


def machine_warnings(settings: ClusterSettings, cpus: int, memory_mb: int) -> list[str]:
    """One line for each pool that is larger than a machine of `cpus` CPUs and `memory_mb` MiB."""
    warnings = []
    for name, pool in sorted(settings.pools.items()):
        path = f"cluster.pools.{name}"
        if pool.cpus > cpus:
            warnings.append(
                f"{path}.cpus: {pool.cpus}, but this machine has {cpus}: "
                "jobs share the CPUs and run slower; lower it for true timings"
            )
        if pool.memory_mb > (settings.limits.memory_mb or memory_mb):
            warnings.append(
                f"{path}.memory_mb: {pool.memory_mb}, but this machine has {memory_mb} MiB: "
                "none of its nodes can start; lower it"
            )
        elif pool.memory_mb > memory_mb:
            warnings.append(
                f"{path}.memory_mb: {pool.memory_mb}, but this machine has {memory_mb} MiB: "
                "a job that uses it will be killed; lower it"
            )
        if pool.cpus <= cpus < pool.cpus * pool.max_nodes:
            warnings.append(
                f"{path}.max_nodes: {pool.max_nodes} nodes of {pool.cpus} CPUs are more than this "
                f"machine's {cpus}: fine for trying things out, slower when all are busy"
            )
    return warnings
