"""The accounting database: MySQL behind slurmdbd."""

from typing import Annotated

from pydantic import Field

from config.settings.part import Part, Switch, Whole


class Database(Part):
    """Size of MySQL, and how long records are kept."""

    buffer_pool_mb: Annotated[Whole, Field(ge=5, le=1024 * 1024)] = 64
    """InnoDB's buffer pool, in MiB; the largest part of MySQL's memory."""
    max_connections: Annotated[Whole, Field(ge=10, le=10_000)] = 50
    """Connections that MySQL takes at a time."""
    performance_schema: Switch = False
    """Whether MySQL keeps its performance schema, which costs memory."""
    purge_jobs_after_months: Annotated[Whole, Field(ge=0, le=1200)] | None = None
    """Months after which job and step records are deleted. Not set, or 0: never."""
