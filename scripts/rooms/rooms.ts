/** The floors and rooms of src/: their order, a sentence for each, and the reason for its place. Stands here alone. */

/** A folder or a file at the top of src/; `name` as in imports. */
export interface TopRoom { name: string, sentence: string }

export interface Floor { rooms: readonly TopRoom[], why: string }

/** The floors, the highest first: a file imports files of its own floor or of a lower one. */
export const floors: readonly Floor[] = [
  {
    rooms: [{ name: 'cli', sentence: 'The command line: reads flags, calls the management API, prints its answers.' }],
    why: 'commands start servers, and no part of a server starts a command',
  },
  {
    rooms: [{ name: 'index.ts', sentence: 'The public interface of the library.' }],
    why: 'it exports parts of lower floors to applications',
  },
  {
    rooms: [{ name: 'server', sentence: 'The process: listens, shuts down, and runs the commands without a server.' }],
    why: 'it runs what app.ts composes',
  },
  {
    rooms: [{ name: 'app.ts', sentence: 'The composition root: each part with the fields that it needs.' }],
    why: 'the only file that connects the parts of a server',
  },
  {
    rooms: [
      { name: 'dashboard', sentence: 'Pages for operators over the management API.' },
      { name: 'pages', sentence: 'Pages for people: sign-in, links, errors, the first page.' },
      { name: 'management', sentence: 'The management API: for operators and automation.' },
      { name: 'decision', sentence: 'Decisions for APIs in other processes: verify, forward-auth, remote guards.' },
    ],
    why: 'what operators use is a guarded resource like any other, and decisions combine the guard with its clients',
  },
  {
    rooms: [
      { name: 'protocol', sentence: 'The authorization server: the OAuth endpoints and the discovery documents.' },
      { name: 'guard', sentence: 'The resource server\'s side: a verdict on each request to a protected route.' },
      { name: 'storage', sentence: 'The ports of the domain on SQLite and PostgreSQL, with the cached registry.' },
      { name: 'fetch', sentence: 'The one fetcher of documents from other hosts.' },
    ],
    why: 'edges: each works without the others',
  },
  {
    rooms: [{ name: 'domain', sentence: 'The rules: records, operations on them, and the verdict on a credential.' }],
    why: 'the rules know neither HTTP nor a database',
  },
  {
    rooms: [{ name: 'observability', sentence: 'Metrics, traces, readiness and load shedding of one server.' }],
    why: 'metrics and traces depend on no rule',
  },
  {
    rooms: [
      { name: 'http', sentence: 'HTTP apart from any route: schemas, body limits, proxies.' },
      { name: 'config', sentence: 'The configuration: one table of variables, and what is read from it.' },
      { name: 'secrets', sentence: 'Everything that makes, digests, recognizes or encrypts a secret.' },
      { name: 'telemetry', sentence: 'The interfaces of metrics, traces and services, for all layers.' },
    ],
    why: 'ground: any part may use them',
  },
  {
    rooms: [{ name: 'base', sentence: 'Clock, errors, addresses, bounded caches: without any knowledge of Latchkey.' }],
    why: 'ground of the ground: it uses nothing else of Latchkey',
  },
]

/** Edges of one floor that do not import each other. */
export const strangers: readonly { names: readonly string[], why: string }[] = [
  { names: ['protocol', 'guard'], why: 'a guard can run in another process than the authorization server' },
  { names: ['guard', 'storage'], why: 'a guard works without a database' },
  { names: ['protocol', 'storage'], why: 'the endpoints use the ports of the domain' },
  { names: ['dashboard', 'domain'], why: 'pages have no way to a record but the management API' },
  { names: ['dashboard', 'storage'], why: 'pages have no way to a record but the management API' },
  { names: ['guard', 'config'], why: 'a guard in another process has no configuration of ours' },
]

/** Rooms of the domain, the highest first: a room imports rooms below it. */
export const domainRooms: readonly (readonly string[])[] = [
  ['store.ts'],
  ['maintenance'],
  ['providers'],
  ['access', 'disabling', 'metering', 'partners'],
  ['people'],
  ['authorizations'],
  ['credentials'],
  ['declaration'],
  ['policy', 'members'],
  ['resources'],
  ['tokens', 'tenancy', 'client-metadata'],
  ['audit'],
  ['core'],
]

/** The rooms within rooms, by their path, in the order of reading. */
export const innerRooms: Readonly<Record<string, string>> = {
  'cli/flags': 'Flags that several commands have: lists, keys, clients, scopes, limits, notes.',
  'cli/commands': 'The commands, one file each.',
  'server/doctor': 'The checks of `latchkey doctor`, one file each.',
  'server/doctor/mcp': 'The way of a client from the URL of an MCP server to its token, step by step.',
  'management/routes': 'The collections of the API, one file each: path, schema and handler of every route.',
  'management/schemas': 'Schemas that are too long for the file of their routes.',
  'management/explanation': 'Why a request was refused: the credential, the verdict on it now, and its refusals.',
  'management/conventions': 'The rules that hold for every route: operations, pages, ETags, idempotency, errors.',
  'management/documentation': 'The OpenAPI document, its reference page and llms.txt, from the schemas of the routes.',
  'dashboard/api-keys': 'API keys: the list, creation, one key, and the ways to disable, replace and revoke it.',
  'dashboard/clients': 'Clients: the list, creation, one client, a test token, and the ways to end it or its secret.',
  'dashboard/apis': 'APIs and MCP servers: the lists, their scopes and refusals, and the lines that protect them.',
  'dashboard/applications': 'Applications that act for members: in use, remembered, approved, and their registration.',
  'dashboard/publishable-keys': 'Publishable keys: the list, creation, and revoking.',
  'dashboard/webhook-tokens': 'Webhook tokens: the list, creation, and revoking.',
  'dashboard/audit': 'The audit log: its events, their number by day, and the chain that they stand in.',
  'dashboard/overview': 'The first screen: calls, refusals, keys that need somebody, servers, and first steps.',
  'dashboard/members': 'Members: the list, one member, how they sign in, and their removal.',
  'dashboard/invitations': 'Invitations of people by e-mail.',
  'dashboard/groups': 'Groups, with their members.',
  'dashboard/policies': 'Access policies: the list, their form with its dry run, change and end.',
  'dashboard/organizations': 'Organizations: the list, one organization, and its suspension.',
  'dashboard/sign-in': 'Signing in: own ways and sessions, trusted providers, e-mail domains.',
  'dashboard/signing-keys': 'Signing keys: the list, rotation and revocation.',
  'dashboard/servers': 'The servers of the deployment, and changes that the database lost.',
  'dashboard/usage': 'Usage of an organization: by day, by key, against its limits, and the tokens of its clients.',
  'dashboard/explain': 'Why was it refused? A credential, a request id or an address, explained.',
  'pages/consent': 'The page on which a person decides what a client may do for them.',
  'pages/applications': 'The page on which a person sees and ends what they allowed clients.',
  'decision/guard-sessions': 'Sessions of remote guards: what each may keep, and the changes that wait for it.',
  'decision/forward-auth': 'Forward-auth: answers to the subrequests of nginx, Caddy, Traefik and Envoy.',
  'protocol/endpoints': 'Introspection, revocation, sessions and discovery.',
  'protocol/fast-path': 'Plain token and introspection requests, answered without oidc-provider.',
  'protocol/grants': 'The grants of the token endpoint, one file each.',
  'protocol/authorization': 'The authorization code grant: requests, sessions, consent, and what is kept of them.',
  'protocol/hosted-clients': 'Clients that a document on their own host describes.',
  'protocol/registration': 'Dynamic client registration and its management.',
  'protocol/provider': 'oidc-provider: its configuration, client authentication, and the adapter to Fastify.',
  'protocol/shared': 'Paths, limits, options, errors and schemas that several endpoints share.',
  'guard/refusal': 'What a caller learns of a refusal: status, headers and body, in the style of its resource.',
  'guard/remote': 'The guard in another process: its memory, its session with the server, and its decisions.',
  'storage/cache': 'The cached registry, and the changes that it applies.',
  'storage/replication': 'Several servers on one PostgreSQL: the change feed, the lease and the barrier.',
  'storage/lost-changes': 'Changes that a failover of the database has lost.',
  'storage/store': 'The repositories of the domain, and its transactions.',
  'storage/tables': 'The tables, one file each: rows to records and back.',
  'storage/tables/audit': 'The tables of the audit log.',
  'storage/rows': 'Conventions of rows that all tables share.',
  'storage/engine': 'The database itself: connections, transactions, prepared reads, failures, backup.',
  'storage/engine/sqlite': 'What only SQLite needs.',
  'storage/engine/postgresql': 'What only PostgreSQL needs.',
  'storage/migrations': 'Migrations: inspected and applied.',
  'domain/maintenance': 'Work beside requests: housekeeping, cache drift, lost changes, the list of servers.',
  'domain/access': 'From a credential to a verdict: facts, the judge, the registry, effective access.',
  'domain/access/checks': 'The facts of each kind of credential, one file each.',
  'domain/metering': 'Usage, rate limits, quotas and credits.',
  'domain/providers': 'Identity providers: trust, e-mail domains, invitations, and who a vouched person is here.',
  'protocol/upstream': 'This server as a client of identity providers: discovery, sign-in, logout tokens.',
  'domain/people': 'People: identities, sessions and sign-in links.',
  'domain/authorizations': 'What members allow clients: authorizations, consents, and their end.',
  'domain/disabling': 'Keys and clients that are disabled and enabled again, and what ends with that.',
  'domain/partners': 'Partners: organizations that their keys provision, and sign-in links for these.',
  'domain/credentials': 'API keys, clients and the other credentials: their records and changes.',
  'domain/declaration': 'How resources, scopes and MCP servers are declared and changed.',
  'domain/policy': 'Access policies: their records and their evaluation.',
  'domain/members': 'Members: permissions, and the bounds of delegation.',
  'domain/resources': 'Resources: identifiers, scopes, styles, metadata.',
  'domain/tokens': 'Access tokens, sessions and signing keys.',
  'domain/tenancy': 'Organizations and their limits.',
  'domain/client-metadata': 'What clients say of themselves: redirect URIs, and URLs as client identifiers.',
  'domain/audit': 'The audit log: events, sealed chains, verification; and the one way to change a record.',
  'domain/core': 'Operation, actor, page: what every operation of the domain stands on.',
  'config/postgresql': 'The parameters of a PostgreSQL URL.',
  'base/node': 'Which Node.js this is, and what keeps it fast.',
}
