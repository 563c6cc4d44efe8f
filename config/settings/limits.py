"""The ceiling of a cluster: what no mistake in a job or in a program can pass."""

from typing import Annotated

from pydantic import Field

from config.settings.part import Number, Part, Whole


class Limits(Part):
    """What all pools together may take. Jobs beyond it wait and say so."""

    max_nodes: Annotated[Whole, Field(ge=1, le=100_000)] | None = None
    """Most nodes of all pools together. Not set: the sum of the pools' `max_nodes`."""
    max_cost_per_hour: Annotated[Number, Field(ge=0.001, le=1_000_000)] | None = None
    """Most dollars an hour, by the pools' `price_per_hour`. Not set: no limit."""
    memory_mb: Annotated[Whole, Field(ge=128, le=1024**3)] | None = None
    """Memory of all nodes together, in MiB. Not set: the memory of the machine."""
    failed_starts: Annotated[Whole, Field(ge=1, le=10_000)] = 10
    """Starts of a pool that fail in a row until it launches no more nodes.

    `make resume POOL=NAME` lets it go on, after somebody has found out why.
    """
