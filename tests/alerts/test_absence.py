"""What panels show while nobody answers: Prometheus itself is asked."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from config.panels import DASHBOARDS
from config.panels.queries import promql
from tests.alerts import promtool

EXPRESSIONS = {
    panel.title: promql(panel.queries[0].expr) for page in DASHBOARDS for panel in page.panels
}
SEEN = "hpc_stack_queue_last_success_timestamp_seconds"
ANSWERS = {'up{job="job-exporter"}': "1x40"}
FRESH = {**ANSWERS, SEEN: "0+15x40"}
STALE = {**ANSWERS, SEEN: "0+15x15 225x25"}
BUDGET = {'hpc_stack_account_budget_dollars{account="physics"}': "100x40"}
COST = {'hpc_stack_account_cost_period_dollars{account="physics"}': "40x40"}


def up(**jobs: int) -> Mapping[str, str]:
    return {f'up{{job="{job.replace("_", "-")}"}}': f"{value}x40" for job, value in jobs.items()}


def shown(title: str, series: Mapping[str, str], **labels: float) -> dict[str, Any]:
    """That a panel shows these values, by the one label that each has, and no others."""
    samples = [{"labels": name, "value": value} for name, value in labels.items()]
    return {
        "name": title,
        "interval": "15s",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        # Just before the next measurement.
        "promql_expr_test": [
            {"expr": EXPRESSIONS[title], "eval_time": "5m14s", "exp_samples": samples}
        ],
    }


def test_nothing_is_told_from_what_nobody_knows(tmp_path: Path) -> None:
    wait, out, left = "Longest wait now", "Why nodes are out of service", "Left in the budgets"
    fleet = {"node_manager": 1, "slurm_partitions": 1}
    tests = [
        shown(wait, FRESH, **{"{}": 0}),
        shown(wait, STALE),
        shown(out, FRESH),
        shown(out, STALE, **{'{reason="not known: the queue is not seen"}': 0}),
        shown("CPUs in jobs", up(**fleet, slurm_nodes=1), **{"{}": 0}),
        shown("CPUs in jobs", up(**fleet, slurm_nodes=0)),
        shown(left, {**BUDGET, **COST}, **{'{account="physics"}': 60}),
        shown(left, BUDGET, **{'{account="not known yet"}': 0}),
        shown(left, COST),
    ]
    document = {"rule_files": [], "evaluation_interval": "1m", "tests": tests}
    (tmp_path / "absence.yml").write_text(json.dumps(document))
    assert promtool.run(tmp_path, "test", ["absence.yml"]) == ""
