"""moto's server, with what it lacks for a cluster's life: addresses that are free again.

moto gives an instance's address back only when Python forgets the instance, which it never does. A
controller that is replaced must have its old address at once.
"""

import sys
from typing import Any

from moto.ec2.models.instances import Instance
from moto.server import main

_terminate = Instance.terminate


def _terminate_and_free(instance: Any, *arguments: Any, **named: Any) -> Any:
    done = _terminate(instance, *arguments, **named)
    subnet = instance.ec2_backend.get_subnet(instance.subnet_id)
    for address in instance._private_ips:
        subnet.del_subnet_ip(address)
    return done


if __name__ == "__main__":
    Instance.terminate = _terminate_and_free  # type: ignore[assignment,method-assign]
    main(sys.argv[1:])
