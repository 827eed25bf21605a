#!/bin/sh
# Makes the secrets of deploy/compose.yaml, once: deploy/secrets is left as it is when it exists.
#
# Compose mounts each file as it is, so the account of the container must be able to read it; on this machine the folder
# keeps other accounts out.
set -eu
cd "$(dirname "$0")"
if [ -e secrets ]; then
  echo "deploy/secrets exists already: nothing was changed." >&2
  exit 1
fi
umask 077
making=$(mktemp -d ./secrets.XXXXXX)
trap 'rm -rf "$making"' EXIT
random () { openssl rand -hex 32; }
random > "$making/secret"
random > "$making/admin-token"
random > "$making/database-password"
echo "postgresql://latchkey:$(cat "$making/database-password")@postgres:5432/latchkey" > "$making/database-url"
chmod 0444 "$making"/*
mv "$making" secrets
echo "deploy/secrets has the secrets of this deployment. Keep a copy of it in a safe place."
