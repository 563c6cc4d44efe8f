"""The job exporter: jobs, their waiting, their use and their cost, for Prometheus.

`counting` follows Slurm's accounting and counts each finished job exactly once (`cursor`), into
totals that survive restarts (`state_file`); `history` adds what jobs before the first start cost.
`queue_watch` looks at what waits and runs now. All put their last answers on a `board`, out of
which `server` answers scrapes: none runs a command. `comments`, where wanted, writes to accounting.
"""
