"""Uids of the dashboards that alerts point to; config/panels has the dashboards."""

OVERVIEW = "hpc-overview"
QUEUE = "hpc-queue"
NODES = "hpc-nodes"
COST = "hpc-cost"
GPUS = "hpc-gpus"
DATABASE = "hpc-database"
HOST = "hpc-host"
