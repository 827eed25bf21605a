/** Descriptions of the groups of operations. Groups of an embedding application have none. */
export const groupDescriptions: Readonly<Record<string, string>> = {
  documentation: 'Documentation of this API, for programs, people and language models.',
  oauth:
    'Endpoints for OAuth clients: tokens, introspection, revocation, registration. Errors have the form of RFC 6749 ' +
      '§5.2.',
  discovery: 'Well-known documents, from which a client discovers every other endpoint.',
  organizations: 'The tenants of the deployment. Every other record belongs to one of them, or to the deployment.',
  'organization-templates': 'Limits and features of the organizations that partners provision. The deployment\'s.',
  portal: 'For partners: their API keys provision organizations, and mint sign-in links for these.',
  'sign-in': 'Pages on which people sign in and out, and what their sessions are.',
  members: 'The people of an organization, whose permissions bound keys and tokens.',
  invitations: 'People who become members by a verified e-mail.',
  'identity-providers': 'Identity providers that the deployment configures.',
  'trusted-providers': 'Which organization trusts which identity provider, and what that may do.',
  'email-domains': 'E-mail domains, which the deployment gives to organizations.',
  groups: 'Sets of members that share scopes.',
  policies:
    'Rules that restrict credentials by address, time and resource. docs/policies.md describes their evaluation.',
  'effective access':
    'Effective access of credentials after scopes and policies, and drift between servers and database.',
  resources: 'Protected APIs, each with an identifier, scopes, and a style of keys and errors.',
  clients: 'OAuth clients, which obtain access tokens for their grants.',
  'client-approvals': 'Unverified clients that administrators of an organization approve.',
  authorizations: 'What members have allowed clients: one for each installation, until it ends.',
  consents: 'What members have ever allowed a client, so that they are not asked again.',
  'api-keys': 'Long-lived secrets that programs send with each request: scoped, limited, rotated with an overlap.',
  'publishable-keys':
    'Keys that a web page may contain: their holder signs assertions, which start short sessions for end users.',
  'webhook-tokens': 'Tokens for the URL of a webhook, each bound to one object of an API key.',
  'registration-tokens': 'Tokens that clients register with (RFC 7591).',
  'access-tokens': 'Tokens of this API for automation, valid until they expire or are revoked.',
  'mcp-servers': 'MCP servers as resources, with the metadata that their clients discover.',
  'signing-keys': 'Keys that sign access tokens. They belong to the deployment.',
  'forward-auth': 'Decisions for proxies in front of APIs that run no code of Latchkey.',
  usage: 'Calls, credits and issued tokens.',
  credits: 'Balances of organizations, and the entries that changed them.',
  audit: 'The log of every change and refusal, chained so that tampering is detected.',
  server: 'This server, and the other servers on its database.',
  decisions: 'Checks for APIs in other processes, by the judge of the guard.',
  self: 'A credential reads about itself.',
  operation: 'For operation: load balancers, orchestrators, Prometheus.',
}
