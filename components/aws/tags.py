"""Tags of everything in an account: one function, so that nothing is without them."""

from config.settings import ClusterSettings

CLUSTER = "hpc-stack:cluster"
"""By this tag the node manager knows its machines, and policies what it may end."""
POOL = "hpc-stack:pool"


def cluster_tags(settings: ClusterSettings, *, project: str, stack: str) -> dict[str, str]:
    """The user's own tags, and ours: who it belongs to and what made it."""
    aws = settings.aws
    ours = {
        "project": project,
        "stack": stack,
        "owner": aws.owner if aws else "",
        "cost-centre": aws.cost_centre if aws else "",
    }
    return {
        **dict(sorted(settings.tags.items())),
        **{f"hpc-stack:{key}": value for key, value in ours.items() if value},
        CLUSTER: settings.name,
    }


def named(tags: dict[str, str], name: str, **more: str) -> dict[str, str]:
    """The tags of one thing: with the name that the console shows, and more of its own."""
    return {**tags, **more, "Name": name}
