"""gres.conf: which device file is which GPU. Elastic nodes take no AutoDetect, so each is named."""

from config.render.node_names import node_range
from config.settings import ClusterSettings


def gres_conf(settings: ClusterSettings) -> str:
    """The file's text; a comment alone where no pool has GPUs."""
    lines = [
        f"NodeName={node_range(name, 1, pool.max_nodes)} Name=gpu Type={pool.gpus.type} File={path}"
        for name, pool in sorted(settings.pools.items())
        if pool.gpus
        for path in pool.gpus.files
    ]
    return "\n".join(lines or ["# No pool has GPUs."]) + "\n"
