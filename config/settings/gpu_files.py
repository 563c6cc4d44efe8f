"""Which device files are the GPUs of which nodes.

On AWS each node is a machine of its own and has its GPUs under the same names as any other. On one
machine all nodes share its GPUs, and no two of them may be given the same one.
"""

from collections.abc import Iterator, Mapping

from config.settings.pools import Gpus, Pool


def files_needed(pool: Pool, gpus: Gpus, *, shared_machine: bool) -> int:
    """How many device files a pool has: those of one node, or of all, one node after the other."""
    return gpus.count * (pool.max_nodes if shared_machine else 1)


def assign_gpu_files(
    pools: Mapping[str, Pool], *, shared_machine: bool
) -> dict[str, tuple[str, ...]]:
    """Device files by pool, for the pools that have GPUs; `files_needed` says for whom they are.

    Where a pool names none, it gets the first of NVIDIA's that no other pool has.
    """
    assigned = {}
    named = {file for pool in pools.values() if pool.gpus for file in pool.gpus.device_files or ()}
    free = _nvidias_without(named)
    for name, pool in sorted(pools.items()):
        if pool.gpus is None:
            continue
        if not shared_machine:
            free = _nvidias_without(frozenset())
        needed = files_needed(pool, pool.gpus, shared_machine=shared_machine)
        assigned[name] = pool.gpus.device_files or tuple(next(free) for _ in range(needed))
    return assigned


def _nvidias_without(taken: set[str] | frozenset[str]) -> Iterator[str]:
    index = 0
    while True:
        if (file := f"/dev/nvidia{index}") not in taken:
            yield file
        index += 1
