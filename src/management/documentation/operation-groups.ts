/** The groups that operations stand in, and what each is about. A group of an application has a name alone. */
export const groupDescriptions: Readonly<Record<string, string>> = {
  documentation: 'This API about itself, for programs, for people and for language models.',
  oauth:
    'What OAuth clients talk to: tokens, introspection, revocation, registration. Errors are those of RFC 6749 §5.2.',
  discovery: 'The well-known documents, which lead a client from a URL to everything else.',
  organizations: 'The tenants of the deployment. Everything else belongs to one of them, or to the deployment itself.',
  members: 'The people of an organization, as far as keys and tokens are bound to them.',
  groups: 'Members that may do something together.',
  policies:
    'Rules that narrow what credentials may do: from where, when, on what. docs/policies.md says how they are weighed.',
  'effective access':
    'What credentials can do after scopes and policies, and whether every server goes by what the database says.',
  resources: 'Protected APIs: each has an identifier, scopes, and a style of keys and errors.',
  clients: 'OAuth clients, which get access tokens for their grants.',
  'api-keys': 'Keys that programs send as they are: scoped, limited, rotated with an overlap.',
  'publishable-keys':
    'Keys that may stand in a web page: their holder signs assertions, and users get short sessions for them.',
  'webhook-tokens': 'Tokens that stand in the URL of a webhook, bound to one object of an API key.',
  'registration-tokens': 'Tokens with which clients register themselves (RFC 7591).',
  'access-tokens': 'Tokens of this API for automation. They end when they say, or when they are revoked.',
  'mcp-servers': 'MCP servers as resources, with the metadata that their clients look for.',
  'signing-keys': 'The keys that sign access tokens. They are the deployment\'s.',
  usage: 'What credentials did.',
  credits: 'What organizations have to spend, and what became of it.',
  audit: 'The log of every change and refusal, chained so that an edit shows.',
  server: 'The server that answers, and the others on its database.',
  self: 'What a credential can learn about itself.',
  operation: 'For whatever runs the server: balancers, orchestrators, Prometheus.',
}
