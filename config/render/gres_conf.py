"""gres.conf: which device file is which GPU. Elastic nodes take no AutoDetect, so each is named."""

from collections.abc import Iterator

from config.render.node_names import node_range
from config.settings import ClusterSettings


def gres_conf(settings: ClusterSettings) -> str:
    """The file's text; a comment alone where no pool has GPUs."""
    lines = [
        line
        for name, files in settings.gpu_files.items()
        for line in _pool_lines(settings, name, files)
    ]
    return "\n".join(lines or ["# No pool has GPUs."]) + "\n"


def _pool_lines(settings: ClusterSettings, name: str, files: tuple[str, ...]) -> Iterator[str]:
    pool = settings.pools[name]
    if pool.gpus is None:
        return
    count, nodes = pool.gpus.count, pool.max_nodes
    # The files of one node, which are those of every other as well, or of all nodes in turn.
    step = nodes if len(files) == count else 1
    for first in range(1, nodes + 1, step):
        who = node_range(name, first, first + step - 1)
        for path in files[(first - 1) * count : first * count]:
            yield f"NodeName={who} Name=gpu Type={pool.gpus.type} File={path}"
