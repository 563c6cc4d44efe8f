"""What a pool's resources cost, as weights of the TRES `billing`.

Slurm multiplies a job's CPUs, memory and GPUs with them and takes the largest product
(`PriorityFlags=MAX_TRES`): the job's share of its nodes, times their price.
"""

from decimal import ROUND_CEILING, Decimal

from config.settings import Pool
from config.settings.budgets import UNITS_PER_DOLLAR, usual_price

MICRO = Decimal("0.000001")


def billing_weights(pool: Pool) -> str:
    """The value of `TRESBillingWeights`. Without it Slurm would count CPUs, as if those were money;
    so a pool that costs nothing has a weight of 0."""
    node = Decimal(str(usual_price(pool))) * UNITS_PER_DOLLAR
    if not node:
        return "CPU=0"
    weights = [f"CPU={_text(node / pool.cpus)}", f"Mem={_text(node * 1024 / pool.memory_mb)}G"]
    if pool.gpus:
        weights.append(f"GRES/gpu={_text(node / pool.gpus.count)}")
    return ",".join(weights)


def _text(weight: Decimal) -> str:
    # Rounded up, so that a whole node is not one unit short when Slurm drops the fraction.
    text = f"{weight.quantize(MICRO, ROUND_CEILING):f}"
    return text.rstrip("0").rstrip(".")
