"""cgroup.conf: what a job is held to on its node."""

from config.render.site import Site

# slurmd runs in a container of its own, beside no systemd: it makes its groups itself.
_CONSTRAINED = """\
CgroupPlugin=cgroup/v2
IgnoreSystemd=yes
ConstrainCores=yes
ConstrainRAMSpace=yes
ConstrainSwapSpace=yes
ConstrainDevices=yes
"""
_NOT_CONSTRAINED = """\
# An unprivileged slurmd can constrain nothing on cgroup v1.
CgroupPlugin=disabled
"""


def cgroup_conf(site: Site) -> str:
    """The file's text for the hosts' version of control groups."""
    return _CONSTRAINED if site.cgroup == "v2" else _NOT_CONSTRAINED
