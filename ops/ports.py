"""`make ports STACK=NAME`: the addresses of a cluster on AWS, on this machine, until Ctrl-C."""

import subprocess
import sys
import time

from config.render.compose_monitoring import published_ports
from ops.aws_settings import settings_of
from ops.on_aws import aws_cluster, must_run
from ops.progress import say
from ops.stack import StackProblem, open_stack, run_command
from ops.status import addresses

DOCUMENT = "AWS-StartPortForwardingSession"


def main() -> None:
    """`ports.py STACK`."""
    stack = open_stack(sys.argv[1] if len(sys.argv) > 1 else "local")
    if stack.platform != "aws":
        raise StackProblem(f"The ports of {stack.name} are this machine's own: make status")
    cluster = aws_cluster(stack)
    settings = settings_of(stack.checkout / f"Pulumi.{stack.name}.yaml")
    must_run(cluster)
    wanted = published_ports(settings, grafana=True)
    forwarders = [
        subprocess.Popen(
            cluster.session_words(DOCUMENT, portNumber=str(port), localPortNumber=str(port)),
            stdout=subprocess.DEVNULL,
        )
        for port in wanted.values()
    ]
    outputs = stack.outputs()
    say("\n".join([*addresses(outputs), "Ctrl-C ends it."]))
    try:
        while all(process.poll() is None for process in forwarders):
            time.sleep(0.2)
        raise StackProblem(
            "A port is not forwarded any more; why is above. A port that is in use here can be "
            f"changed by `ports` in Pulumi.{stack.name}.yaml"
        )
    finally:
        for process in forwarders:
            process.terminate()
            process.wait()


if __name__ == "__main__":
    run_command(main)
