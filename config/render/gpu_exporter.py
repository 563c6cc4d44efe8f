"""What NVIDIA's dcgm-exporter measures of GPUs, and from where its image comes."""

GPU_EXPORTER_IMAGE = "nvcr.io/nvidia/k8s/dcgm-exporter:4.6.0-4.8.3-distroless"
"""For both kinds of processors. The version of DCGM, then the exporter's, as released in
https://docs.nvidia.com/datacenter/dcgm/latest/release-notes/dcgm-exporter.html; the whole tag is
the one in the README of https://github.com/NVIDIA/dcgm-exporter."""

GPU_METRICS_PORT = 9400

# The image's own list has fields of DCGM's profiling module (DCGM_FI_PROF_...), too, for which
# NVIDIA asks for the capability SYS_ADMIN: https://github.com/NVIDIA/dcgm-exporter/issues/407.
# These here need none. Two commas a line, neither more nor less.
GPU_FIELDS = """\
# Field of DCGM, type for Prometheus, what it is
DCGM_FI_DEV_GPU_UTIL, gauge, Time in which the GPU did anything (in %).
DCGM_FI_DEV_MEM_COPY_UTIL, gauge, Time in which its memory was read or written (in %).
DCGM_FI_DEV_FB_USED, gauge, Memory in use (in MiB).
DCGM_FI_DEV_FB_FREE, gauge, Memory that is free (in MiB).
DCGM_FI_DEV_GPU_TEMP, gauge, Temperature (in degrees Celsius).
DCGM_FI_DEV_POWER_USAGE, gauge, Power draw (in W).
DCGM_FI_DEV_SM_CLOCK, gauge, Clock of the multiprocessors (in MHz).
DCGM_FI_DEV_XID_ERRORS, gauge, The last error that the driver reported (XID).
DCGM_FI_DEV_ROW_REMAP_FAILURE, gauge, Whether broken memory could not be replaced.
"""
"""The exporter's file of what to measure."""
