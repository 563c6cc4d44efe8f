"""What jobs asked for, used and cost: for users' commands and for the job exporter.

`sacct` asks Slurm's accounting and `records` reads its answer, `gpu_use` asks Prometheus for what
is not in it, `ledger` knows which machine was which node when and at what price, `cost` and
`efficiency` are pure functions of these. Standard library only: it runs wherever Slurm's commands
do.
"""
