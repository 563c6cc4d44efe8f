"""Alerts about GPUs."""

from config.alerts.alert import Alert, Needs, Severity
from config.alerts.dashboards import GPUS
from config.alerts.replacement import REPLACE

# https://docs.nvidia.com/deploy/xid-errors/: a program's own fault, mostly: an exception in the
# graphics engine, a page fault, a channel that was stopped, its cleanup.
_BY_PROGRAMS = (13, 31, 43, 45)
_HARDWARE = "".join(f" != {code}" for code in _BY_PROGRAMS)

GPU_ALERTS = (
    Alert(
        name="GpuXidError",
        severity=Severity.WARNING,
        expr=f"max by (node, pool, gpu) (DCGM_FI_DEV_XID_ERRORS) > 0{_HARDWARE}",
        lasts="1m",
        summary="GPU {{ $labels.gpu }} of node {{ $labels.node }} reports an error",
        description="The driver reported XID {{ $value }} for GPU {{ $labels.gpu }} of"
        " {{ $labels.node }} (pool {{ $labels.pool }}). It is not one that programs cause.",
        meaning="Memory, the bus or the GPU itself is failing. Jobs there may crash, hang, or"
        " compute wrong results. The number stays until the machine goes.",
        todo=(
            "Look the number up: https://docs.nvidia.com/deploy/xid-errors/",
            REPLACE.format("xid"),
            "Your own machine: `nvidia-smi -q` (ECC, retired pages); a restart helps with some"
            " numbers, a new GPU with others.",
            "Tell users whose jobs ran there since (`sacct -N NODE -S TIME`).",
        ),
        dashboard=GPUS,
        needs=Needs.GPUS,
        about=("node", "gpu"),
    ),
    Alert(
        name="GpuTooHot",
        severity=Severity.WARNING,
        expr="max by (node, pool, gpu) (DCGM_FI_DEV_GPU_TEMP) > 85",
        lasts="5m",
        keeps="5m",
        summary="GPU {{ $labels.gpu }} of node {{ $labels.node }} is too hot",
        description="GPU {{ $labels.gpu }} of {{ $labels.node }} (pool {{ $labels.pool }}) has been"
        " above 85 °C for 5 minutes: {{ $value }} °C now.",
        meaning="It slows itself down to cool, so jobs take longer. It stops at about 95 °C.",
        todo=(
            "Your own machine: fans, dust, air. `nvidia-smi -q -d TEMPERATURE,PERFORMANCE` shows"
            " its limits and whether it is slowed down.",
            f"On AWS: {REPLACE.format('hot')}",
        ),
        dashboard=GPUS,
        needs=Needs.GPUS,
        about=("node", "gpu"),
    ),
)
