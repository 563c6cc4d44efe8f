"""The Pulumi program: settings in, a cluster on its platform out."""

import pulumi

from components.local.cluster import LocalCluster, LocalClusterArgs
from components.local.engine import read_engine, refuse_taken_ports
from config.settings import machine_warnings
from config.stack import load_settings

settings = load_settings()
engine = read_engine()
refuse_taken_ports(settings.name, {"ssh": settings.ports.ssh, "rest": settings.ports.rest})
for warning in machine_warnings(settings, engine.cpus, engine.memory_mb):
    pulumi.log.warn(warning)

cluster = LocalCluster(settings.name, LocalClusterArgs(settings=settings, engine=engine))

pulumi.export("cluster", settings.name)
pulumi.export("ssh", cluster.ssh)
pulumi.export("rest", cluster.rest)
pulumi.export("partitions", cluster.partitions)
pulumi.export("login_container", cluster.login_container)
pulumi.export("images", cluster.images)
