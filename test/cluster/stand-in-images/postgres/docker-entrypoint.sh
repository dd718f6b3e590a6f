#!/bin/sh
# Makes the database cluster when there is none, then becomes the server. Understands POSTGRES_USER, POSTGRES_PASSWORD, POSTGRES_DB (each also
# as …_FILE), POSTGRES_INITDB_ARGS, POSTGRES_HOST_AUTH_METHOD and *.sql and *.sh in /docker-entrypoint-initdb.d.
set -eu

from_file() { # VARIABLE: takes its value from the file that VARIABLE_FILE names
  eval "file=\${${1}_FILE:-}"
  [ -z "$file" ] || export "$1=$(cat "$file")"
}

initialize() {
  for variable in POSTGRES_USER POSTGRES_PASSWORD POSTGRES_DB POSTGRES_INITDB_ARGS; do from_file "$variable"; done
  user=${POSTGRES_USER:-postgres}
  method=${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}
  if [ -z "${POSTGRES_PASSWORD:-}" ] && [ "$method" != trust ]; then
    echo 'POSTGRES_PASSWORD is required.' >&2
    exit 1
  fi
  password_file=$(mktemp /var/run/postgresql/password.XXXXXX)
  printf '%s\n' "${POSTGRES_PASSWORD:-}" >"$password_file"
  # shellcheck disable=SC2086  # a list of arguments
  initdb --pgdata="$PGDATA" --username="$user" --pwfile="$password_file" --auth-local=trust --auth-host="$method" --encoding=UTF8 ${POSTGRES_INITDB_ARGS:-}
  rm -f "$password_file"
  printf '\nhost all all all %s\n' "$method" >>"$PGDATA/pg_hba.conf"
  # The first start listens on the socket alone.
  pg_ctl --pgdata="$PGDATA" --options="-c listen_addresses='' -c unix_socket_directories=/var/run/postgresql" --wait start
  run_sql() { psql --host=/var/run/postgresql --username="$user" --no-password --no-psqlrc --set=ON_ERROR_STOP=1 "$@"; }
  database=${POSTGRES_DB:-$user}
  [ "$database" = postgres ] || printf 'CREATE DATABASE :"name";\n' | run_sql --dbname=postgres --set=name="$database"
  for file in /docker-entrypoint-initdb.d/*; do
    case $file in
      *.sql) run_sql --dbname="$database" --file="$file" ;;
      *.sh) PGHOST=/var/run/postgresql sh "$file" ;;
    esac
  done
  pg_ctl --pgdata="$PGDATA" --mode=fast --wait stop
}

case ${1:-} in -*) set -- postgres "$@" ;; esac
if [ "${1:-}" = postgres ]; then
  mkdir -p "$PGDATA"
  chmod 0700 "$PGDATA" || true
  if [ "$(id -u)" = 0 ]; then
    chown -R postgres "$PGDATA" /var/run/postgresql
    exec setpriv --reuid=postgres --regid=postgres --clear-groups "$0" "$@"
  fi
  [ -s "$PGDATA/PG_VERSION" ] || initialize
  shift
  set -- postgres -c listen_addresses='*' -c unix_socket_directories=/var/run/postgresql "$@"
fi
exec "$@"
