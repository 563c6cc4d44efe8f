# The commands of hpc-stack. What each does is in ops/; STACK=NAME means Pulumi.NAME.yaml.
STACK ?= local
PYTHON ?= python3
VENV := .venv/bin
# Who `make shell` is, and what it runs instead of a shell. Make itself has an AS: the assembler.
AS :=
RUN :=
POOL :=
# Whose log, since when: 10m, 2h.
SERVICE :=
SINCE :=
# Families of benchmarks, for instance "rounds ec2"; empty: all.
BENCH :=
# Which secret: alert_webhook_url, alert_email_password, alert_heartbeat_url.
NAME :=
# How far a report goes back (90m, 24h, 7d), the file to write, and the account it is about, with
# those below it; empty: the whole cluster.
RANGE := 24h
OUT := report.html
ACCOUNT :=

.PHONY: help up down clean status shell ports logs report secret resume preview cost amis test test-alerts test-vm lint bench docs prepare

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1|/' | column -t -s '|'

prepare: ## make sure of Docker, Pulumi and the base images (part of every other command)
	@$(PYTHON) -m ops.prepare

$(VENV):
	@echo 'Nothing is installed in this checkout yet. Fix: make up' >&2; exit 1

up: prepare ## bring the cluster up, or to changed settings, and run a first job
	@$(VENV)/python -m ops.up $(STACK)

shell: $(VENV) ## a shell on the login node, as an ordinary user (AS=NAME: another one, RUN=COMMAND: run that)
	@$(VENV)/python -m ops.shell $(STACK) '$(AS)' '$(RUN)'

ports: $(VENV) ## the addresses of a cluster on AWS, on this machine, until Ctrl-C (STACK=dev)
	@$(VENV)/python -m ops.ports $(STACK)

status: $(VENV) ## services, nodes, queue and addresses in one screen
	@$(VENV)/python -m ops.status $(STACK)

logs: $(VENV) ## what a service or a node has said (SERVICE=slurmctld SINCE=10m)
	@$(VENV)/python -m ops.logs $(STACK) '$(SERVICE)' '$(SINCE)'

report: $(VENV) ## how the cluster does, as one page to look at and to mail (RANGE=7d OUT=report.html ACCOUNT=class)
	@$(VENV)/python -m ops.report $(STACK) --range '$(RANGE)' --out '$(OUT)' --account '$(ACCOUNT)'

secret: $(VENV) ## keep what a receiver of alerts needs and is secret (NAME=alert_webhook_url)
	@$(VENV)/python -m ops.secret $(STACK) '$(NAME)'

resume: $(VENV) ## let a pool launch again after failed starts have stopped it (POOL=NAME)
	@$(VENV)/python -m ops.resume $(STACK) '$(POOL)'

preview: prepare ## what `make up` would change
	@$(VENV)/python -m ops.preview $(STACK)

cost: prepare ## what a cluster on AWS costs, before it is made (STACK=dev)
	@$(VENV)/python -m ops.cost $(STACK)

amis: prepare ## pin the newest machine images of a cluster on AWS (STACK=dev)
	@$(VENV)/python -m ops.amis $(STACK)

down: $(VENV) ## stop the cluster and keep its data
	@$(VENV)/python -m ops.down $(STACK)

clean: $(VENV) ## remove the cluster and its data
	@$(VENV)/python -m ops.down $(STACK) --data

test: ## the whole test suite, on a real cluster of its own
	@$(PYTHON) -m ops.prepare --dev
	@$(VENV)/python -m ops.test

lint: ## style and types alone
	@$(PYTHON) -m ops.prepare --dev
	@$(VENV)/python -m ops.lint

test-alerts: ## faults done to a live cluster, and their alerts (90 minutes, as root)
	@$(PYTHON) -m ops.prepare --dev
	@$(VENV)/python -m tests.live_alerts

test-vm: ## job confinement on cgroup v2, in an emulated machine (slow)
	@$(PYTHON) -m ops.prepare --dev
	@$(VENV)/python -m pytest tests/vm

bench: ## the benchmarks, one line a figure (BENCH="rounds ec2": only these)
	@$(PYTHON) -m ops.prepare --dev
	@PYTHONPATH=images/node-manager $(VENV)/python -m tests.bench $(BENCH)

docs: $(VENV) ## write the generated pages in docs/
	@$(VENV)/python -m config.reference
	@$(VENV)/python -m config.runbook
	@$(VENV)/python -m components.aws.reachability
