#!/bin/bash
# Starts MySQL; in an empty /var/lib/mysql it first makes the database that these variables describe, each of which may
# also be given as the name of a file in <variable>_FILE:
#   MYSQL_ROOT_PASSWORD (needed), MYSQL_ROOT_HOST (default %), MYSQL_DATABASE, MYSQL_USER with MYSQL_PASSWORD
# and runs /docker-entrypoint-initdb.d/*.sh and *.sql. Until that is done nothing listens on the network. If it is
# interrupted, the next start begins again: a marker tells an unfinished database from one with somebody's data.
set -euo pipefail
shopt -s inherit_errexit nullglob

data=/var/lib/mysql
marker=$data/.initialising
# Not the socket that clients know: a health check must not take the temporary server for the real one.
socket=/var/run/mysqld/initialising.sock

log() { printf '[entrypoint] %s\n' "$*" >&2; }

# The value of a variable, or what is in the file that <variable>_FILE names.
setting() {
    local file_name="$1_FILE"
    if [ -n "${!1:-}" ] && [ -n "${!file_name:-}" ]; then
        log "$1 and $file_name are both set"
        return 1
    fi
    if [ -n "${!file_name:-}" ]; then cat "${!file_name}"; else printf '%s' "${!1:-}"; fi
}

# A string literal of SQL.
quoted() {
    local text=${1//\\/\\\\}
    printf "'%s'" "${text//\'/\'\'}"
}

# The statements for root from elsewhere, the database and its user. On standard output: no password in an argument.
setup_sql() {
    local root_host database user password pattern
    root_host=$(setting MYSQL_ROOT_HOST)
    database=$(setting MYSQL_DATABASE)
    user=$(setting MYSQL_USER)
    password=$(setting MYSQL_PASSWORD)
    if [ "$user" = root ]; then
        log "MYSQL_USER is for an ordinary user, not for root"
        return 1
    fi
    if [ "${root_host:=%}" != localhost ]; then
        echo "CREATE USER 'root'@$(quoted "$root_host") IDENTIFIED BY $(quoted "$1");"
        echo "GRANT ALL ON *.* TO 'root'@$(quoted "$root_host") WITH GRANT OPTION;"
    fi
    if [ -n "$database" ]; then echo "CREATE DATABASE \`$database\`;"; fi
    if [ -n "$user" ] && [ -n "$password" ]; then
        echo "CREATE USER $(quoted "$user")@'%' IDENTIFIED BY $(quoted "$password");"
        pattern=${database//_/\\_} # in a grant, _ stands for any character unless it is escaped
        if [ -n "$database" ]; then echo "GRANT ALL ON \`$pattern\`.* TO $(quoted "$user")@'%';"; fi
    fi
}

# Only before root has a password.
client() { mysql --no-defaults --user=root --socket="$socket" --batch "$@"; }

run_extra_files() {
    local file database
    database=$(setting MYSQL_DATABASE)
    for file in /docker-entrypoint-initdb.d/*; do
        log "running $file"
        case $file in
            *.sh) bash "$file" ;;
            *.sql) client ${database:+"$database"} <"$file" ;;
            *) log "$file is neither .sh nor .sql: ignored" ;;
        esac
    done
}

# "$@" is mysqld with its options: some of them count when the files are made.
initialise() {
    local root_password setup server
    root_password=$(setting MYSQL_ROOT_PASSWORD)
    if [ -z "$root_password" ]; then
        log "MYSQL_ROOT_PASSWORD or MYSQL_ROOT_PASSWORD_FILE is needed to make a database"
        return 1
    fi
    setup=$(setup_sql "$root_password")
    log "making the database"
    : >"$marker"
    # What an interrupted attempt left; the marker stays until the end.
    find "$data" -mindepth 1 -not -path "$marker" -delete
    # This script is PID 1 now: without a trap, a stop would wait for the kill. The next start begins again.
    # Both servers run in the background, since bash runs a trap only between commands.
    trap 'kill -TERM "$server" 2>/dev/null; wait "$server"; exit 143' TERM INT
    "$@" --initialize-insecure &
    server=$!
    wait "$server"
    "$@" --skip-networking --mysqlx=OFF --socket="$socket" &
    server=$!
    until client --execute='SELECT 1' >/dev/null 2>&1; do
        if ! kill -0 "$server" 2>/dev/null; then
            log "the temporary server ended"
            return 1
        fi
        sleep 0.1
    done
    client <<<"$setup"
    run_extra_files
    client <<<"ALTER USER 'root'@'localhost' IDENTIFIED BY $(quoted "$root_password");"
    kill -TERM "$server"
    wait "$server"
    trap - TERM INT
    sync -f "$data"
    rm "$marker"
    log "the database is made"
}

if [ "$#" -eq 0 ] || [ "${1#-}" != "$1" ]; then
    set -- mysqld "$@"
fi
if [ "$1" = mysqld ]; then
    if [ "$(id -u)" = 0 ]; then
        # Here, since only root may be able to read them.
        for name in MYSQL_ROOT_PASSWORD MYSQL_PASSWORD; do
            value=$(setting "$name")
            unset "${name}_FILE"
            export "$name=$value"
        done
        find "$data" /var/run/mysqld \! -user mysql -exec chown --no-dereference mysql '{}' +
        exec setpriv --reuid=mysql --regid=mysql --init-groups "$0" "$@"
    fi
    # Known to this script only: what it starts need not see them.
    export -n MYSQL_ROOT_PASSWORD MYSQL_PASSWORD
    case " $* " in
        *' --help '* | *' --version '* | *' -V '*) exec "$@" ;;
    esac
    # A directory with anything else in it is somebody's; mysqld itself then refuses to initialise.
    if [ -e "$marker" ] || [ ! -d "$data/mysql" ]; then
        if [ ! -e "$marker" ] && [ -n "$(find "$data" -mindepth 1 -not -name lost+found -print -quit)" ]; then
            log "$data has files in it, but no database and no mark of ours: left as it is"
            exit 1
        fi
        initialise "$@"
    fi
fi
exec "$@"
