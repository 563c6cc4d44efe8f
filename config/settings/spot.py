"""Nodes on spot capacity: cheaper, and taken back at two minutes' notice."""

from typing import Annotated, Literal

from pydantic import Field

from config.settings.part import Number, Part, Text, Whole


class Spot(Part):
    """How a pool with `capacity: spot` lives with that."""

    on_demand_nodes: Annotated[Whole, Field(ge=0, le=10000)] = 0
    """The first so many nodes are on demand all the same.

    Jobs choose by a feature: `--constraint=on_demand` or `--constraint=spot`.
    """
    fallback: Literal["none", "on_demand"] = "on_demand"
    """What takes the place of spot nodes while there is no spot capacity."""
    fallback_after_failures: Annotated[Whole, Field(ge=1, le=1000)] = 3
    """Launches without spot capacity in a row after which the fallback is used."""
    fallback_after_seconds: Annotated[Whole, Field(ge=1, le=24 * 3600)] = 300
    """Seconds without spot capacity after which the fallback is used in any case."""
    allocation_strategy: Literal[
        "price-capacity-optimized",
        "capacity-optimized",
        "capacity-optimized-prioritized",
        "diversified",
        "lowest-price",
    ] = "price-capacity-optimized"
    """How EC2 chooses among instance types and zones."""
    price_per_hour: Annotated[Number, Field(ge=0, le=10_000)] | None = None
    """Dollars that a spot node costs in an hour. Not set: the pool's `price_per_hour`."""
    signal: Literal["USR1", "USR2", "TERM", "INT", "HUP"] = "USR1"
    """Signal to the batch scripts of a node's jobs when it is going to be taken back."""
    metadata_endpoint: Annotated[
        Text,
        Field(
            pattern=r"^http://[A-Za-z0-9.-]+(:[0-9]{1,5})?$",
            json_schema_extra={"allowed": "http://, a name or address, and maybe a port"},
        ),
    ] = "http://169.254.169.254"
    """Where a node reads that it is going to be taken back; on EC2 leave it as it is."""
