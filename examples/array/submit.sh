#!/bin/bash
# Submits the sweep, and the job that collects its results as soon as all tasks have succeeded.
set -euo pipefail
cd "$(dirname "$0")"
sweep=$(sbatch --parsable step.sbatch)
sbatch --dependency="afterok:$sweep" collect.sbatch "$sweep"
