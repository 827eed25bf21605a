/**
 * Every variable that Latchkey reads. The table drives reading, .env.example, the README's table and `latchkey doctor`:
 * a name, a default and a description stand here and nowhere else.
 */
import {
  offOr, oneOf, readDatabaseUrl, readDomains, readHeaders, readIssuer, readMetrics, readPath, readPort, readRatio,
  readSchemes, readSecret, readSecrets, readText, readTracesUrl, readTrustProxy, wellKnownSchemes, wholeNumber
} from './readers.ts'
import { readProviderIssuer, readProviderScopes } from './identity-providers.ts'
import type { Settings as SettingsOf, Table, Variable } from './table.ts'

/** The longest LATCHKEY_REPLICA_LEASE, in milliseconds. */
export const longestLease = 60_000

/** Read by a server, in the order of the documentation. Each key is a setting. */
export const variables = {
  port: { name: 'PORT', default: '3000', description: 'The port to listen on.', read: readPort },
  host: {
    name: 'HOST',
    default: '127.0.0.1',
    description:
      'The address to listen on. A non-loopback address requires `LATCHKEY_ISSUER`, `LATCHKEY_SECRET` and ' +
      '`LATCHKEY_ADMIN_TOKEN`.',
    read: readText,
  },
  dataFolder: {
    name: 'LATCHKEY_DATA',
    default: './data',
    description: 'The folder for the SQLite database and the secrets that a local server generates.',
    read: readPath,
  },
  databaseUrl: {
    name: 'DATABASE_URL',
    inFile: true,
    default: 'file:<LATCHKEY_DATA>/latchkey.db',
    description: '`file:…` (SQLite) or `postgresql://…` (parameters: docs/postgresql.md).',
    read: readDatabaseUrl,
  },
  issuer: {
    name: 'LATCHKEY_ISSUER',
    default: 'http://localhost:<PORT>',
    description: 'The issuer identifier: the origin at which clients reach this server. https, except on loopback.',
    read: readIssuer,
  },
  secrets: {
    name: 'LATCHKEY_SECRET',
    inFile: true,
    whenUnset: 'generated into `LATCHKEY_DATA` when local',
    description:
      'Encrypts the signing keys; 32 characters or more. For rotation: several, separated by commas, newest first.',
    read: readSecrets,
  },
  signingKeyDays: {
    name: 'LATCHKEY_SIGNING_KEY_DAYS',
    default: '90',
    description: 'Days between rotations of the signing key; `0`: rotation by command only.',
    read: wholeNumber(0, 3_650),
  },
  adminToken: {
    name: 'LATCHKEY_ADMIN_TOKEN',
    inFile: true,
    whenUnset: 'generated into `LATCHKEY_DATA` when local',
    description:
      'The automation and break-glass credential of the management API; 32 characters or more. Must differ from ' +
      'every other secret here.',
    read: readSecret,
  },
  registration: {
    name: 'LATCHKEY_REGISTRATION',
    default: 'token',
    description:
      'Dynamic client registration: `closed`, `token` (with a registration token) or `open` (without a token; such ' +
      'clients get no scopes).',
    read: oneOf('closed', 'token', 'open'),
  },
  clientDomains: {
    name: 'LATCHKEY_CLIENT_DOMAINS',
    default: '*',
    description:
      'Domains of clients that identify themselves by the URL of a metadata document: `example.com` (that host), ' +
      '`*.example.com` (those below it), `*` or `none`, separated by commas.',
    read: readDomains,
  },
  deniedClientDomains: {
    name: 'LATCHKEY_CLIENT_DOMAINS_DENIED',
    default: 'none',
    description: 'Domains of which no such client is taken, though the variable above has them.',
    read: readDomains,
  },
  redirectSchemes: {
    name: 'LATCHKEY_REDIRECT_SCHEMES',
    default: wellKnownSchemes.join(','),
    description:
      'Private schemes without a dot that redirect URIs of native clients may have, separated by commas, or `none`. ' +
      'Schemes such as `com.example.app` need no entry.',
    read: readSchemes,
  },
  authorizeManagement: {
    name: 'LATCHKEY_AUTHORIZE_MANAGEMENT',
    default: 'off',
    description:
      'Whether members may allow clients to read through the management API: `off`, or `read` (scopes for reading ' +
      'records of their own organization, never for changes).',
    read: oneOf('off', 'read'),
  },
  trustProxy: {
    name: 'LATCHKEY_TRUST_PROXY',
    default: '',
    description: 'Addresses and CIDR ranges of trusted proxies, separated by commas.',
    read: readTrustProxy,
  },
  logLevel: {
    name: 'LATCHKEY_LOG_LEVEL',
    default: 'info',
    description: '`fatal`, `error`, `warn`, `info`, `debug`, `trace` or `silent`.',
    read: oneOf('fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'),
  },
  metrics: {
    name: 'LATCHKEY_METRICS',
    default: 'on',
    description:
      'Where `/prom` is served: `on` (with the other routes), `off`, or a separate address and port such as ' +
      '`127.0.0.1:9464`, which also serves `/healthz` and `/readyz`.',
    read: readMetrics,
  },
  shedLag: {
    name: 'LATCHKEY_SHED_LAG',
    default: 'off',
    description:
      'Event loop lag in milliseconds (mean over half a second; 50 or more) above which new requests get 503 until ' +
      'it has halved. `500` is a good start.',
    read: offOr(wholeNumber(50, 60_000)),
  },
  shutdownDelay: {
    name: 'LATCHKEY_SHUTDOWN_DELAY',
    default: '0',
    description: 'Seconds to keep serving after SIGTERM with `/readyz` failing, so that load balancers drain.',
    read: wholeNumber(0, 600),
  },
  shutdownPatience: {
    name: 'LATCHKEY_SHUTDOWN_PATIENCE',
    default: '10',
    description:
      'Seconds for requests in progress to finish once new ones are rejected, and for usage and refusals to be ' +
      'written.',
    read: wholeNumber(0, 600),
  },
  replicaLease: {
    name: 'LATCHKEY_REPLICA_LEASE',
    default: '2000',
    description:
      'PostgreSQL only: milliseconds that a change waits at most for another server that does not respond, 200 to ' +
      `${longestLease}. A server that joins others adopts their lease.`,
    read: wholeNumber(200, longestLease),
  },
  usageDays: {
    name: 'LATCHKEY_USAGE_DAYS',
    default: '400',
    description: 'Days to keep usage of keys and authorizations; at least 31.',
    read: wholeNumber(31, 36_500),
  },
  requestLog: {
    name: 'LATCHKEY_REQUEST_LOG',
    default: 'on',
    description:
      'Which requests are kept for `latchkey explain` and the pages of keys, at most 100 of each credential: `on` ' +
      '(admitted ones sampled, and refused ones), `refused` or `off` (docs/why-refused.md).',
    read: oneOf('on', 'refused', 'off'),
  },
  sessionIdle: {
    name: 'LATCHKEY_SESSION_IDLE',
    default: '3600',
    description: 'Seconds without use after which a person has to sign in again; 300 or more.',
    read: wholeNumber(300, 604_800),
  },
  sessionMax: {
    name: 'LATCHKEY_SESSION_MAX',
    default: '43200',
    description: 'Seconds after a sign-in at which a person has to sign in again, however active; 300 or more.',
    read: wholeNumber(300, 999_999),
  },
  oidcIssuers: {
    name: 'LATCHKEY_OIDC_<ID>_ISSUER',
    required: true,
    description:
      'An OpenID provider that people sign in with: its issuer. `<ID>` is yours to choose, such as `GOOGLE`; set the ' +
      'variables of each provider with an ID of its own (docs/sign-in-with-providers.md).',
    read: readProviderIssuer,
  },
  oidcClientIds: {
    name: 'LATCHKEY_OIDC_<ID>_CLIENT_ID',
    required: true,
    description: 'The client identifier of this server at the provider.',
    read: readText,
  },
  oidcClientSecrets: {
    name: 'LATCHKEY_OIDC_<ID>_CLIENT_SECRET',
    inFile: true,
    required: true,
    description: 'The client secret of this server at the provider.',
    read: readText,
  },
  oidcNames: {
    name: 'LATCHKEY_OIDC_<ID>_NAME',
    default: '<ID>',
    description: 'The name of the provider on the sign-in page.',
    read: readText,
  },
  oidcScopes: {
    name: 'LATCHKEY_OIDC_<ID>_SCOPES',
    default: 'openid email profile',
    description: 'The scopes that are requested from the provider; add the one that its groups need.',
    read: readProviderScopes,
  },
  tracesUrl: {
    name: 'OTEL_EXPORTER_OTLP_ENDPOINT',
    whenUnset: 'none',
    description: 'Enables tracing: the base URL of an OTLP/HTTP collector, to which `/v1/traces` is appended.',
    read: readTracesUrl,
  },
  tracesHeaders: {
    name: 'OTEL_EXPORTER_OTLP_HEADERS',
    inFile: true,
    default: '',
    description: 'Headers for the collector: `name=value`, percent-encoded, separated by commas.',
    read: readHeaders,
  },
  serviceName: {
    name: 'OTEL_SERVICE_NAME', default: 'latchkey', description: 'The service name in traces.', read: readText
  },
  tracesRatio: {
    name: 'OTEL_TRACES_SAMPLER_ARG',
    default: '1',
    description: 'The share of traces that is recorded, 0 to 1.',
    read: readRatio,
  },
} as const satisfies Table

/** The value of each variable of a server. */
export type Settings = SettingsOf<typeof variables>

/** Read by commands, which also read LATCHKEY_DATA and LATCHKEY_ADMIN_TOKEN. */
export const commandVariables = {
  url: {
    name: 'LATCHKEY_URL',
    whenUnset: 'the server on this machine',
    description: 'The server that commands call.',
    read: readText,
  },
  token: {
    name: 'LATCHKEY_TOKEN',
    inFile: true,
    whenUnset: 'the admin token, for the server on this machine',
    description: 'The credential that commands send.',
    read: readText,
  },
} as const satisfies Table

/** The rows of both tables, in the order of the documentation. */
export const allVariables: readonly Variable[] = [...Object.values(variables), ...Object.values(commandVariables)]
