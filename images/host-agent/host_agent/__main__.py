"""Commands: run (until stopped), health, dump (one now), dumps (a list), restore NAME."""

import os
import sys
from datetime import UTC, datetime

from host_agent import agent, dumps
from host_agent.account import Account, AwsUnavailable
from host_agent.engine import EngineFailed


def main(arguments: list[str]) -> int:
    """Run one command; 2 for one that is not known."""
    command, *rest = arguments or ["run"]
    if command == "health":
        return agent.health()
    cluster = os.environ["HPC_STACK_CLUSTER"]
    account = Account(
        region=os.environ["HPC_STACK_REGION"],
        cluster=cluster,
        bucket=os.environ["HPC_STACK_BUCKET"],
    )
    project = f"hpc-{cluster}"
    try:
        if command == "run":
            instance = os.environ["HPC_STACK_INSTANCE"]
            dump_at = os.environ.get("HPC_STACK_DUMP_AT", "03:00")
            return agent.run(agent.Place(account=account, instance=instance, dump_at=dump_at))
        if command == "dump":
            print(dumps.dump(project, account, datetime.now(UTC)))
        elif command == "dumps":
            print("\n".join(account.dumps()))
        elif command == "restore" and len(rest) == 1:
            dumps.restore(project, account, rest[0])
            print(f"the accounting database is as it was in {rest[0]}")
        else:
            print(__doc__, file=sys.stderr)
            return 2
    except (dumps.DumpFailed, AwsUnavailable, EngineFailed) as error:
        print(f"host-agent: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
