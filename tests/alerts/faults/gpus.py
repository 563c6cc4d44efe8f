"""GPUs that fail."""

from tests.alerts.cluster import of_node
from tests.alerts.fault import Fault

_GPU = {"gpu": "0", "UUID": "GPU-1"}
_LABELS = {"node": "gpu-1", "pool": "gpu", "gpu": "0"}

FAULTS = (
    Fault(
        alert="GpuXidError",
        shows={of_node("DCGM_FI_DEV_XID_ERRORS", "gpu-1", job="gpu", **_GPU): 79.0},
        labels=_LABELS,
        says="The driver reported XID 79 for GPU 0 of gpu-1 (pool gpu). It is not one that programs"
        " cause.",
        fires=10,
        ends=15,
        over=15,
    ),
    Fault(
        alert="GpuTooHot",
        shows={of_node("DCGM_FI_DEV_GPU_TEMP", "gpu-1", job="gpu", **_GPU): 91.0},
        labels=_LABELS,
        says="GPU 0 of gpu-1 (pool gpu) has been above 85 °C for 5 minutes: 91 °C now.",
        fires=10,
        ends=15,
        over=20,
    ),
)
