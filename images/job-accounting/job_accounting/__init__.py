"""What jobs asked for, used and cost: for users' commands and for the job exporter.

`sacct` asks Slurm's accounting and `records` reads its answer, `ledger` knows which machine was
which node when and at what price, `cost` and `efficiency` are pure functions of the two. Standard
library only: it runs wherever Slurm's commands do.
"""
