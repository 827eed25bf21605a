# The image of a Latchkey server: docs/deployment.md. It contains no secret; the server gets them from its environment.
# The version is that of tools/node/package.json.
ARG NODE_VERSION=24.21.0

# Packs Latchkey as `npm pack` does, and installs its dependencies from the lockfile: the versions that were tested.
FROM docker.io/library/node:${NODE_VERSION}-bookworm-slim AS build
WORKDIR /source
COPY package.json package-lock.json ./
COPY tools tools
RUN npm ci --ignore-scripts --omit=optional --no-audit --no-fund
COPY . .
RUN npm pack --silent \
  && mkdir /image \
  && tar -xzf latchkey-*.tgz -C /image --strip-components=1 --no-same-owner
WORKDIR /image
RUN cp /source/package-lock.json . \
  && npm ci --prefer-offline --omit=dev --omit=optional --ignore-scripts --no-audit --no-fund \
  && rm package-lock.json

FROM docker.io/library/node:${NODE_VERSION}-bookworm-slim
# A server installs nothing; without npm there is less to update, and less for an intruder.
RUN rm -rf /usr/local/lib/node_modules /usr/local/bin/npm /usr/local/bin/npx /usr/local/bin/corepack \
    /usr/local/bin/yarn /usr/local/bin/yarnpkg /opt/yarn-* \
  && ln -s /opt/latchkey/bin/latchkey.js /usr/local/bin/latchkey \
  && install --directory --owner=1000 --group=1000 --mode=0700 /var/lib/latchkey
COPY --from=build /image /opt/latchkey
# On all addresses of the container, so the server demands its issuer and its secrets.
ENV HOST=0.0.0.0 LATCHKEY_DATA=/var/lib/latchkey
# The account `node` of the base image, by number: Kubernetes checks that it is not root.
USER 1000:1000
WORKDIR /var/lib/latchkey
VOLUME /var/lib/latchkey
EXPOSE 3000
# Whether the process answers; /readyz also depends on the database, which no restart of the server repairs.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 CMD ["node", "-e", \
  "fetch(`http://127.0.0.1:${process.env.PORT || 3000}/healthz`).then(answer => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["latchkey"]
CMD ["serve"]
