// The scopes that the challenge of a route names (RFC 6750 §3), by what the route takes.
import tap from 'tap'
import { tokenScopesOf } from '../../../src/domain/resources/token-scopes.ts'
import { challenge, challengeScopes, type TokenNeeds } from '../../../src/guard/refusal/challenge.ts'
import { resource } from '../../support/facts.ts'

const scopes = ['read', 'write', 'pay'].map(name => ({ name, keyOnly: name === 'pay', description: null }))
const api = tokenScopesOf({ ...resource, scopes, defaultScopes: ['read'] })
const mcp = tokenScopesOf({ kind: 'mcp', scopes, defaultScopes: ['pay', 'read'] })
const needs: TokenNeeds = { scopes: [], apiKeyOnly: false, session: false }

tap.test('D3: a challenge names the scopes that the route needs of a token, all of them and no other', async t => {
  t.strictSame(challengeScopes(api, { ...needs, scopes: ['read', 'write'] }), ['read', 'write'])
  t.strictSame(challengeScopes(api, needs), [], 'any valid credential passes')
})

tap.test('D3: a route that no access token passes names no scope', async t => {
  const closed: [string, Partial<TokenNeeds>][] = [
    ['an API-key-only scope', { scopes: ['pay'] }],
    ['an API-key-only scope beside another', { scopes: ['read', 'pay'] }],
    ['a scope that is not declared', { scopes: ['read', 'other'] }],
    ['API keys only', { scopes: ['read'], apiKeyOnly: true }],
    ['sessions of end users only', { scopes: ['read'], session: true }],
    ['people only', { person: true }],
    ['the token of a webhook', { webhook: { param: 'token', type: 'templates' } }]
  ]
  for (const [what, more] of closed) {
    for (const served of [api, mcp]) {
      t.strictSame(challengeScopes(served, { ...needs, ...more }), [], what)
    }
  }
})

tap.test('D3: an MCP server whose route needs no scope names its default scopes, as far as tokens have them', async t => {
  t.strictSame(challengeScopes(mcp, needs), ['read'])
  t.strictSame(challengeScopes(mcp, { ...needs, scopes: ['write'] }), ['write'], 'those of the route stand before them')
})

tap.test('D3: without a credential a challenge has scopes and metadata, and no error', async t => {
  const none = { reason: 'no_credential', presented: null, subject: null, organizationId: null } as const
  const metadataUrl = 'https://api.test/.well-known/oauth-protected-resource'
  for (const [challenged, text] of [
    [{ metadataUrl, scopes: ['read', 'write'] }, `Bearer resource_metadata="${metadataUrl}", scope="read write"`],
    [{ metadataUrl, scopes: [] }, `Bearer resource_metadata="${metadataUrl}"`],
    [{ metadataUrl: null, scopes: ['read'] }, 'Bearer scope="read"'],
    [{ metadataUrl: null, scopes: [] }, 'Bearer']
  ] as const) t.equal(challenge(none, challenged), text)
})
