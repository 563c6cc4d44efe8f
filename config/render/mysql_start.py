"""How MySQL starts where it is observed: as its image does, with an account for the exporter.

The account may see how the server is, and no table. It is made each time, so that databases from
before it existed, and a new password, need nothing else.
"""

from config.render.site import SECRETS_DIRECTORY

EXPORTER_USER = "exporter"
START = "/etc/hpc-stack/start-mysql"

_SCRIPT = f"""\
#!/bin/bash
set -euo pipefail

make_account() {{
    local password
    password=$(< {SECRETS_DIRECTORY}/exporter_password)
    # The root password reaches the client by its environment, not its arguments.
    MYSQL_PWD=$(< {SECRETS_DIRECTORY}/database_root_password)
    export MYSQL_PWD
    until mysql --user=root 2> /dev/null <<SQL
CREATE USER IF NOT EXISTS {EXPORTER_USER}@'%' IDENTIFIED BY '$password';
ALTER USER {EXPORTER_USER}@'%' IDENTIFIED BY '$password' WITH MAX_USER_CONNECTIONS 4;
GRANT PROCESS, REPLICATION CLIENT ON *.* TO {EXPORTER_USER}@'%';
GRANT SELECT ON performance_schema.* TO {EXPORTER_USER}@'%';
SQL
    do sleep 1; done
}}

make_account &
exec docker-entrypoint.sh "$@"
"""


def mysql_start() -> str:
    """The script's text."""
    return _SCRIPT
