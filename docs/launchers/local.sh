#!/usr/bin/env bash
# A search on one machine, its study in a journal file or in a PostgreSQL of its own:
#
#     local.sh FILE DIR [journal|postgresql] [options of growsearch search, such as --workers 8, or --slots 4 for GPUs]
#
# FILE as for growsearch search, DIR the run folder. The same command continues it. Others may join while it runs; what
# STORAGE and NAME are is in DIR/search.json:
#
#     growsearch worker --storage STORAGE --study NAME --out DIR
#
# The database lies in DIR.postgresql and listens on localhost, port PGPORT (default 5433). Its password is made up once
# and kept in DIR.postgresql/password, which only you can read: export PGPASSWORD=$(<DIR.postgresql/password) for workers
# that join. It is stopped when the search ends, and keeps its data. PostgreSQL's programs must be on PATH (on Debian they
# are in /usr/lib/postgresql/*/bin), and they refuse to run as root.

set -euo pipefail
usage="usage: local.sh FILE DIR [journal|postgresql] [options of growsearch search]"
[[ $# -ge 2 ]] || { echo "$usage" >&2; exit 2; }
file=$1 folder=$2 kind=${3:-journal}
shift $(($# < 3 ? 2 : 3))

start_postgresql() { # in a folder, on a port
  if [[ ! -d $1/data ]]; then
    rm -rf "$1/data.new" # a beginning that was cut off
    mkdir -p "$1"
    chmod 700 "$1"
    od -An -N 16 -tx1 /dev/urandom | tr -d ' \n' >"$1/password"
    initdb --pgdata "$1/data.new" --username growsearch --auth scram-sha-256 --pwfile "$1/password" >"$1/log"
    mv "$1/data.new" "$1/data"
  fi
  pg_ctl start --wait --pgdata "$1/data" --log "$1/log" --options "-p $2 -k '' -c max_connections=500" >/dev/null
}

case $kind in
  journal)
    growsearch search "$file" --out "$folder" "$@"
    ;;
  postgresql)
    database=$(realpath --canonicalize-missing "$folder").postgresql port=${PGPORT:-5433}
    start_postgresql "$database" "$port"
    trap 'pg_ctl stop --pgdata "$database/data" --mode fast >/dev/null' EXIT
    PGPASSWORD=$(<"$database/password")
    export PGPASSWORD
    growsearch search "$file" --out "$folder" --storage "postgresql://growsearch@localhost:$port/postgres" \
      --study "$(basename "$folder")" "$@"
    ;;
  *)
    echo "$usage (found storage $kind)" >&2
    exit 2
    ;;
esac
