"""The node manager: makes the machines that Slurm wants exist, and those it does not want go.

A level-triggered reconciler. Each round reads what Slurm wants (`slurm_client`, `slurm_state`) and
what exists (`provider`), decides with pure functions (`decide`), and applies (`reconcile`).
"""
