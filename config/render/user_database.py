"""The users' passwd, group and shadow files, and their SSH keys: the same on every container.

Containers read them through libnss-extrausers from a shared volume.
"""

from config.settings import ClusterSettings

SHELL = "/bin/bash"


def user_database(settings: ClusterSettings) -> dict[str, str]:
    """Text by path below /var/lib/extrausers."""
    users = sorted(settings.users.items(), key=lambda item: item[1].uid)
    files = {
        "passwd": "".join(
            f"{name}:x:{user.uid}:{user.uid}:{user.full_name}:/home/{name}:{SHELL}\n"
            for name, user in users
        ),
        "group": "".join(f"{name}:x:{user.uid}:\n" for name, user in users),
        # No password ever matches '*', but the account is not locked: SSH keys work.
        "shadow": "".join(f"{name}:*:20000:0:99999:7:::\n" for name, user in users),
    }
    for name, user in users:
        if user.ssh_keys:
            files[f"ssh/{name}"] = "".join(f"{key}\n" for key in user.ssh_keys)
    return files
