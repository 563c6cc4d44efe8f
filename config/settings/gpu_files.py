"""Which device files are the GPUs of which nodes.

On AWS each node is a machine of its own and has its GPUs under the same names as any other. On one
machine all nodes share its GPUs, and no two of them may be given the same one.
"""

from collections.abc import Iterator, Mapping
from itertools import islice

from config.settings.pools import Gpus, Pool


def files_needed(pool: Pool, gpus: Gpus, *, shared_machine: bool) -> int:
    """How many device files a pool has: those of one node, or of all, one node after the other."""
    return gpus.count * (pool.max_nodes if shared_machine else 1)


def assign_gpu_files(
    pools: Mapping[str, Pool], *, shared_machine: bool
) -> dict[str, tuple[str, ...]]:
    """Device files by pool, for the pools that have GPUs; `files_needed` says for whom they are.

    A pool that names none gets the first of NVIDIA's that no other pool names. On one machine there
    is one such pool at most, so that none gets others when another one grows.
    """
    named = {
        file
        for pool in pools.values()
        if shared_machine and pool.gpus
        for file in pool.gpus.device_files or ()
    }
    assigned = {}
    for name, pool in sorted(pools.items()):
        if pool.gpus:
            needed = files_needed(pool, pool.gpus, shared_machine=shared_machine)
            free = islice(_nvidias_without(named), needed)
            assigned[name] = pool.gpus.device_files or tuple(free)
    return assigned


def _nvidias_without(taken: set[str]) -> Iterator[str]:
    index = 0
    while True:
        if (file := f"/dev/nvidia{index}") not in taken:
            yield file
        index += 1
