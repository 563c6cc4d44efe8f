"""AWS: how long a preview takes under the real engine and the stand-ins, and what idling costs."""

import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from config.cost import monthly_idle
from tests.bench.bench_cluster import say
from tests.bench.figure import Figure, median
from tests.rehearsal.account import rehearsed_account
from tests.rehearsal.stack import RehearsedStack, rehearse
from tests.security.graph import environment_settings

RUNS = 5
POOLS = 50


def figures() -> Iterator[Figure]:
    """Previews of a stack that is not there yet, then the costs."""
    with TemporaryDirectory(prefix="hpc-bench-") as name, rehearsed_account(Path(name)) as account:
        stacks = {}
        for environment in ("dev", "prod"):
            folder = Path(name) / environment
            folder.mkdir()
            stacks[environment] = rehearse(environment, account, folder)
        dev, prod = _preview(stacks["dev"]), _preview(stacks["prod"])
        yield Figure(name="aws-preview-dev", value=dev, unit="s", goal=8)
        yield Figure(name="aws-preview-prod", value=prod, unit="s", goal=10)
        pool = stacks["prod"].settings()["pools"]["spot"]
        many = {f"pool{number}": {**pool, "max_nodes": 20} for number in range(POOLS)}
        stacks["prod"].configure(pools=many)
        yield Figure(
            name=f"aws-preview-{POOLS}-pools",
            value=_preview(stacks["prod"]),
            unit="s",
            goal=1.5,
            goal_is_ratio=True,
            baseline=prod,
            baseline_is="prod, 4 pools",
        )
    settings = environment_settings("dev")
    yield Figure(name="aws-dev-idle", value=monthly_idle(settings), unit="$/month", goal=25)
    yield Figure(
        name="aws-dev-stopped",
        value=monthly_idle(settings, stopped=True),
        unit="$/month",
        goal=5,
    )
    prod_idle = monthly_idle(environment_settings("prod"))
    yield Figure(name="aws-prod-idle", value=prod_idle, unit="$/month")


def _preview(stack: RehearsedStack) -> float:
    seconds = []
    for _ in range(RUNS):
        begun = time.monotonic()
        stack.preview()
        seconds.append(time.monotonic() - begun)
    say(f"preview of {stack.stack.name}: {', '.join(f'{one:.1f}' for one in seconds)} s")
    return median(seconds)
