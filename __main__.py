"""The Pulumi program: settings in, a cluster on its platform out."""

import pulumi

from components.platform import make_cluster
from config.stack import load_alert_secrets, load_settings

settings = load_settings()
cluster = make_cluster(settings, load_alert_secrets(settings))

pulumi.export("cluster", settings.name)
pulumi.export("platform", settings.platform)
pulumi.export("ssh", cluster.ssh)
pulumi.export("rest", cluster.rest)
pulumi.export("partitions", cluster.partitions)
pulumi.export("login_container", cluster.login_container)
pulumi.export("images", cluster.images)
pulumi.export("grafana_password", cluster.grafana_password)
for name, output in {**cluster.pages, **cluster.only_here}.items():
    pulumi.export(name, output)
