# As the entrypoint of docker.io/library/postgres: makes the cluster, the role and the database once, while PostgreSQL
# listens on its socket only; then starts it.
set -eu
data=/var/lib/postgresql/data
postgres () { setpriv --reuid=postgres --regid=postgres --init-groups "$@"; }
mkdir --parents /var/run/postgresql
chown postgres:postgres "$data" /var/run/postgresql
chmod 0700 "$data"
if [ ! -e "$data/PG_VERSION" ]; then
  # The password file belongs to root.
  cat "$POSTGRES_PASSWORD_FILE" > /tmp/password
  chown postgres /tmp/password
  postgres initdb --pgdata="$data" --username="$POSTGRES_USER" --pwfile=/tmp/password --auth-host=scram-sha-256 --encoding=UTF8
  rm /tmp/password
  echo 'host all all all scram-sha-256' >> "$data/pg_hba.conf"
  postgres pg_ctl --pgdata="$data" --wait --options="-c listen_addresses=''" start
  postgres createdb --username="$POSTGRES_USER" --maintenance-db=postgres "$POSTGRES_DB" || true
  postgres pg_ctl --pgdata="$data" --wait --mode=fast stop
fi
exec setpriv --reuid=postgres --regid=postgres --init-groups postgres -D "$data" -c listen_addresses='*'
