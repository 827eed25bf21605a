/** The situations of the vectors, by name: what is asked of a guard, and what it knows. */
import type { Reason } from '../../src/domain/access/principal.ts'
import { entryOf } from '../../src/decision/guard-sessions/entry.ts'
import type { KeyFacts, TokenFacts } from '../../src/domain/access/facts.ts'
import type { ApiKey } from '../../src/domain/credentials/api-key.ts'
import { errorStyleNames, takesKeysAsBearer } from '../../src/domain/resources/style.ts'
import { noLimits, type Consumer, type Limits } from '../../src/domain/tenancy/limits.ts'
import {
  client, denying, keyFacts, now, organization, principalOf, tokenFacts
} from '../../test/support/facts.ts'
import type { Situation, VectorNeeds, VectorRequest, WireEntry } from './answers.ts'
import { resources } from './resources.ts'

export interface VectorCase extends Situation { name: string, resource: string }

type Changes = Partial<Omit<Situation, 'request' | 'needs'>> & {
  request?: Partial<VectorRequest>, needs?: Partial<VectorNeeds>
}

const moment = now.getTime()
const seconds = moment / 1_000
export const keyText = 'lb_live_0123456789abcdefghijklmnopq012345'
/** A JWT by its form; the guard reads no more of it. */
export const tokenText = 'eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCJ9.e30.c2lnbmF0dXJl'
const host: [string, string] = ['host', 'api.example.test']
const bearer = (text: string): [string, string] => ['authorization', `Bearer ${text}`]

const request: VectorRequest = {
  method: 'GET', target: '/v1/invoices', headers: [host], address: '192.0.2.1', tls: true, requestId: 'req-1'
}
const needs: VectorNeeds = {
  scopes: [], apiKeyOnly: false, organization: null, feature: null, object: null, environment: null, credits: 0
}

/** As a key travels to a resource. */
function keyHeader (resource: string, text = keyText): [string, string] {
  return takesKeysAsBearer(resources.get(resource)!.style) ? bearer(text) : ['x-api-key', text]
}

function situation (name: string, resource: string, changes: Changes): VectorCase {
  return {
    name,
    resource,
    refusal: null,
    now: moment,
    earlier: [],
    ...changes,
    entry: changes.entry == null ? null : entryFor(resource, changes.entry),
    request: { ...request, ...changes.request },
    needs: { ...needs, ...changes.needs }
  }
}

/** The entry of a credential for this resource. */
function entryFor (name: string, { facts, ...entry }: WireEntry): WireEntry {
  const { id, identifier } = resources.get(name)!
  return {
    ...entry,
    facts: {
      ...facts,
      principal: { ...facts.principal, resource: identifier, resourceId: id },
      ...(facts.claims && { claims: { ...facts.claims, aud: identifier } })
    }
  }
}

/** The wire form of an entry. */
function entry (facts: KeyFacts | TokenFacts, follows: string[]): WireEntry {
  return JSON.parse(JSON.stringify(entryOf(facts, follows))) as WireEntry
}

function ofKey (changes: Partial<ApiKey> = {}, more: Partial<KeyFacts> = {}): WireEntry {
  const facts = keyFacts(changes, more)
  const { allowlist, expiresAt } = facts.key
  const principal = { ...facts.principal!, allowlist, expiresAt }
  return entry({ ...facts, principal }, ['key:k', 'organization:org_own', 'policies', 'policies:org_own'])
}

function ofToken (changes: Partial<TokenFacts['claims']> = {}, more: Partial<TokenFacts> = {}): WireEntry {
  const facts = tokenFacts(changes, more)
  const principal = {
    ...facts.principal!, allowlist: facts.client!.allowlist, expiresAt: new Date(facts.claims.exp * 1_000)
  }
  return entry({ ...facts, principal }, [
    'token:jti', 'client:cli_a', 'client', 'signing-keys', 'policies', 'organization:org_own', 'policies:org_own'
  ])
}

/** A token by which a client acts for a person, with the limits of what they allowed. */
function ofPerson (limits: Partial<Limits> = {}, more: Partial<TokenFacts> = {}): WireEntry {
  const [gnt, sub] = ['aut_a', 'mem_a']
  const consumer: Consumer = {
    ...noLimits, ...limits, id: gnt, chainId: gnt, organizationId: organization.id, environment: 'live'
  }
  const principal = principalOf({
    kind: 'access_token', id: sub, actingFor: { clientId: client.id, authorizationId: gnt }
  })
  return ofToken({ gnt, sub }, { consumer, principal, ...more })
}

/** A request with a key. */
function withKey (name: string, resource: string, found: WireEntry | null, changes: Changes = {}): VectorCase {
  const { headers = [host, keyHeader(resource)], ...more } = changes.request ?? {}
  return situation(name, resource, { entry: found, ...changes, request: { ...more, headers } })
}

/** A request with an access token. */
function withToken (name: string, resource: string, found: WireEntry | null, changes: Changes = {}): VectorCase {
  const { headers = [host, bearer(tokenText)], ...more } = changes.request ?? {}
  return situation(name, resource, { entry: found, ...changes, request: { ...more, headers } })
}

/** What a look-up may refuse, by what was presented. */
const refusedAtLookup: Readonly<Record<'api_key' | 'access_token', readonly Reason[]>> = {
  api_key: [
    'malformed', 'unknown', 'foreign_deployment', 'wrong_resource', 'revoked', 'expired', 'rotated',
    'disabled', 'organization_suspended', 'feature_missing'
  ],
  access_token: [
    'malformed', 'wrong_resource', 'revoked', 'expired', 'disabled', 'superseded', 'organization_suspended', 'unknown'
  ]
}

/** In every style: each reason that a guard finds, for what it can be found. */
function reasonsIn (style: string): VectorCase[] {
  const lookups = (['api_key', 'access_token'] as const).flatMap(presented =>
    refusedAtLookup[presented].map(reason => {
      const make = presented === 'api_key' ? withKey : withToken
      return make(`${reason} at the look-up (${presented})`, style, null, { refusal: { reason, presented } })
    })
  )
  const limited = ofKey({ callsPerMinute: 2 })
  return [
    withKey('a key passes', style, ofKey(), { needs: { scopes: ['read'] } }),
    withToken('a token passes', style, ofToken(), { needs: { scopes: ['read'] } }),
    situation('no_credential', style, {}),
    situation('several_credentials', style, { request: { headers: [host, keyHeader(style), keyHeader(style)] } }),
    situation('credential_in_query: access_token', style, {
      request: { target: `/v1/invoices?access_token=${tokenText}` }
    }),
    situation('malformed: the text after Bearer', style, { request: { headers: [host, bearer('a b')] } }),
    withKey('expired key', style, ofKey({ expiresAt: now })),
    withToken('expired token', style, ofToken({ exp: seconds })),
    withToken('malformed: a token from the future', style, ofToken({ iat: seconds + 16 })),
    withKey('rotated', style, ofKey({ expiresAt: now, rotatedTo: 'key_b' })),
    withKey('address_not_allowed (key)', style, ofKey({ allowlist: ['198.51.100.0/24'] })),
    withToken('address_not_allowed (token)', style, ofToken({}, {
      client: { ...client, allowlist: ['198.51.100.7'] }
    })),
    withKey('wrong_environment (key)', style, ofKey({ environment: 'test' }), { needs: { environment: 'live' } }),
    withToken('wrong_environment (token)', style, ofToken(), { needs: { environment: 'test' } }),
    withKey('organization_not_found (key)', style, ofKey(), { needs: { organization: 'org_foreign' } }),
    withToken('organization_not_found (token)', style, ofToken(), { needs: { organization: 'org_foreign' } }),
    withKey('feature_missing (key)', style, ofKey(), { needs: { feature: 'exports' } }),
    withToken('feature_missing (token)', style, ofToken(), { needs: { feature: 'exports' } }),
    withToken('api_key_required', style, ofToken(), { needs: { apiKeyOnly: true } }),
    withKey('insufficient_scope (key)', style, ofKey(), { needs: { scopes: ['read', 'write'] } }),
    withToken('insufficient_scope (token)', style, ofToken(), { needs: { scopes: ['write'] } }),
    withKey('policy_denied (key)', style, ofKey({}, { policies: [denying({ kinds: ['api_key'] })] })),
    withToken('policy_denied (token)', style, ofToken({}, { policies: [denying({ kinds: ['access_token'] })] })),
    withKey('object_not_allowed (key)', style, ofKey({ objects: { templates: ['tpl_1'] } }), {
      needs: { object: { type: 'templates', id: 'tpl_2' } }
    }),
    withKey('rate_limited', style, limited, { earlier: [moment - 100, moment] }),
    withKey('one call less than the limit', style, limited, { earlier: [moment] }),
    withKey('unavailable: no server answers', style, null),
    situation('tls_required, or nothing', style, { request: { tls: false } }),
    ...lookups
  ]
}

const bearerStyles = ['crane-ledger', 'craftkit', 'craftdesk', 'opencrane']

/** How credentials travel. */
const transports: readonly VectorCase[] = [
  withKey('a key in the query', 'ledgerbee', ofKey(), {
    request: { headers: [host], target: `/v1/invoices?a=1&x-api-key=${keyText}` }
  }),
  withKey('a key in the query, its name escaped', 'rfc9457', ofKey(), {
    request: { headers: [host], target: `/v1/invoices?x%2Dapi%2Dkey=${keyText}` }
  }),
  withKey('a key in the query with escapes and a plus', 'ledgerbee', null, {
    refusal: { reason: 'malformed', presented: 'api_key' },
    request: { headers: [host], target: '/v1/invoices?x-api-key=a+b%2Bc%C3%A9=d' }
  }),
  situation('a key twice in the query', 'ledgerbee', {
    request: { target: `/v1/invoices?x-api-key=${keyText}&x-api-key=${keyText}` }
  }),
  situation('an empty key in the query', 'ledgerbee', { request: { target: '/v1/invoices?x-api-key=' } }),
  situation('a name without a value in the query', 'ledgerbee', { request: { target: '/v1/invoices?x-api-key' } }),
  situation('the name in the query is not the same in other letters', 'ledgerbee', {
    request: { target: `/v1/invoices?X-Api-Key=${keyText}` }
  }),
  situation('a key in the query and another in the header', 'ledgerbee', {
    request: { headers: [host, ['x-api-key', keyText]], target: `/v1/invoices?x-api-key=${keyText}` }
  }),
  situation('a key in the query where keys travel in a header alone', 'header-only', {
    request: { target: `/v1/invoices?x-api-key=${keyText}` }
  }),
  ...bearerStyles.map(style => situation('a key in the query is not seen where keys travel as bearer', style, {
    request: { target: `/v1/invoices?x-api-key=${keyText}` }
  })),
  ...bearerStyles.map(style => situation('a header for keys is not seen where keys travel as bearer', style, {
    request: { headers: [host, ['x-api-key', keyText]] }
  })),
  ...['ledgerbee', 'rfc9457', 'header-only'].map(style => situation('key_as_bearer', style, {
    request: { headers: [host, bearer(keyText)] }
  })),
  withKey('the name of the header in other letters', 'ledgerbee', ofKey(), {
    request: { headers: [host, ['X-API-Key', keyText]] }
  }),
  situation('the header twice, in other letters', 'ledgerbee', {
    request: { headers: [['X-API-KEY', keyText], host, ['x-api-key', keyText]] }
  }),
  situation('an empty header', 'ledgerbee', { request: { headers: [host, ['x-api-key', '']] } }),
  situation('a key and a token', 'ledgerbee', {
    request: { headers: [host, ['x-api-key', keyText], bearer(tokenText)] }
  }),
  situation('a token in the header and in the query', 'opencrane', {
    request: { headers: [host, bearer(tokenText)], target: `/v1/invoices?access_token=${tokenText}` }
  }),
  situation('a token twice in the query', 'opencrane', {
    request: { target: '/v1/invoices?access_token=a&access_token=b' }
  }),
  situation('an empty token in the query', 'opencrane', { request: { target: '/v1/invoices?access_token=' } }),
  ...['bearer', 'BEARER', 'bEaReR'].map(scheme => withKey(`the scheme as ${scheme}`, 'opencrane', ofKey(), {
    request: { headers: [host, ['authorization', `${scheme} ${keyText}`]] }
  })),
  withToken('several spaces after the scheme', 'ledgerbee', ofToken(), {
    request: { headers: [host, ['authorization', `Bearer   ${tokenText}`]] }
  }),
  situation('the scheme alone', 'ledgerbee', { request: { headers: [host, ['authorization', 'Bearer']] } }),
  situation('the scheme alone, keys as bearer', 'opencrane', {
    request: { headers: [host, ['authorization', 'bearer']] }
  }),
  situation('a tab after the scheme', 'opencrane', {
    request: { headers: [host, ['authorization', `Bearer\t${keyText}`]] }
  }),
  situation('another scheme is no credential', 'opencrane', {
    request: { headers: [host, ['authorization', 'Basic dXNlcjpwYXNz']] }
  }),
  withKey('another scheme beside a key', 'ledgerbee', ofKey(), {
    request: { headers: [host, ['authorization', 'Basic dXNlcjpwYXNz'], ['x-api-key', keyText]] }
  }),
  situation('a scheme that begins like Bearer', 'opencrane', {
    request: { headers: [host, ['authorization', `Bearerer ${keyText}`]] }
  }),
  situation('two Authorization headers, one of another scheme', 'opencrane', {
    request: { headers: [host, ['authorization', 'Basic dXNlcjpwYXNz'], bearer(keyText)] }
  }),
  situation('characters that no bearer token has', 'opencrane', { request: { headers: [host, bearer('abc,def')] } }),
  withKey('three parts that are no JWT are a key', 'opencrane', ofKey(), {
    request: { headers: [host, bearer('not-a-jwt-header.but.three-parts')] }
  }),
  withKey('a JWT without an algorithm is a key', 'opencrane', ofKey(), {
    request: { headers: [host, bearer(`${Buffer.from('{"typ":"JWT","x":1}').toString('base64url')}.e30.c2ln`)] }
  }),
  withKey('a header of a JWT that is an array is a key', 'craftkit', ofKey(), {
    request: { headers: [host, bearer(`${Buffer.from('["alg","ES256"]').toString('base64url')}.e30.c2ln`)] }
  }),
  withToken('a JWT without a signature is a token', 'opencrane', null, {
    refusal: { reason: 'malformed', presented: 'access_token' },
    request: { headers: [host, bearer(`${Buffer.from('{"alg":"none"}').toString('base64url')}.e30.`)] }
  }),
  withToken('what is no JWT is a token where keys travel in a header', 'ledgerbee', null, {
    refusal: { reason: 'malformed', presented: 'access_token' }, request: { headers: [host, bearer('abc.def==')] }
  }),
  situation('padding in the middle', 'ledgerbee', { request: { headers: [host, bearer('ab==cd')] } }),
  situation('tls_required before the credential is looked at', 'crane-ledger', {
    request: { headers: [host, bearer(keyText), bearer(keyText)], tls: false }
  }),
  withKey('no TLS where none is required', 'opencrane', ofKey(), { request: { tls: false } })
]

const v6 = { allowlist: ['2001:db8::/32', '203.0.113.7'] }

function from (name: string, allowlist: readonly string[], address: string | null): VectorCase {
  return withKey(`from ${name}`, 'opencrane', ofKey({ allowlist }), { request: { address } })
}

const addresses: readonly VectorCase[] = [
  from('an address in a range', ['192.0.2.0/24'], '192.0.2.255'),
  from('an address behind a range', ['192.0.2.0/24'], '192.0.3.0'),
  from('an address in a range that is no whole byte', ['192.0.2.128/25'], '192.0.2.129'),
  from('an address before a range that is no whole byte', ['192.0.2.128/25'], '192.0.2.127'),
  from('an IPv4-mapped address', ['192.0.2.1'], '::ffff:192.0.2.1'),
  from('an IPv4-mapped address in hexadecimal', ['192.0.2.1'], '::ffff:c000:201'),
  from('an IPv4-mapped address in a range', ['192.0.2.0/24'], '::FFFF:192.0.2.9'),
  from('everywhere in IPv4 alone', ['::/0'], '192.0.2.1'),
  from('an IPv6 address', v6.allowlist, '2001:db8:1::1'),
  from('an IPv6 address in another spelling', ['2001:db8::1'], '2001:0DB8:0:0:0:0:0:1'),
  from('an IPv6 address outside', v6.allowlist, '2001:db9::1'),
  from('an IPv6 address with a zone', ['fe80::/10'], 'fe80::1%eth0'),
  from('an unknown address', ['0.0.0.0/0', '::/0'], null),
  from('a text that is no address', ['0.0.0.0/0', '::/0'], 'unknown'),
  from('octets with leading zeros', ['192.0.2.1'], '192.0.2.01'),
  withKey('from an unknown address without an allowlist', 'opencrane', ofKey(), { request: { address: null } })
]

/** Milliseconds and seconds at which a credential begins and ends. */
const moments: readonly VectorCase[] = [
  withKey('a key in its last millisecond', 'opencrane', ofKey({ expiresAt: new Date(moment + 1) })),
  withKey('a key at its very end', 'opencrane', ofKey({ expiresAt: now })),
  withKey('a key that ended by a fraction of a second', 'opencrane', ofKey({ expiresAt: new Date(moment + 500) }), {
    now: moment + 501
  }),
  withKey('a key in its overlap', 'opencrane', ofKey({ expiresAt: new Date(moment + 1), rotatedTo: 'key_b' })),
  withToken('a token in its last millisecond', 'opencrane', ofToken({ exp: seconds }), { now: moment - 1 }),
  withToken('a token at its very end', 'opencrane', ofToken({ exp: seconds })),
  withToken('a token that is 15 seconds early', 'opencrane', ofToken({ iat: seconds + 15 })),
  withToken('a token that is 15 seconds early, a millisecond before', 'opencrane', ofToken({ iat: seconds + 15 }), {
    now: moment - 1
  }),
  withToken('a token that is valid later', 'opencrane', ofToken({ nbf: seconds + 16 } as never)),
  withToken('a token that is expired and from the future', 'opencrane', ofToken({ iat: seconds + 60, exp: seconds }))
]

const organizationless = {
  client: { ...client, organizationId: null },
  organization: null,
  principal: principalOf({ kind: 'access_token', id: 'cli_a', organizationId: null, organizations: [] })
}

/** What comes first, and what a guard has to ask. */
const order: readonly VectorCase[] = [
  withKey('an ended key from a wrong address has ended', 'opencrane', ofKey({
    expiresAt: now, allowlist: ['198.51.100.7']
  })),
  withKey('404 before 403', 'opencrane', ofKey(), { needs: { organization: 'org_foreign', scopes: ['write'] } }),
  withToken('the kind before the scope', 'opencrane', ofToken(), { needs: { apiKeyOnly: true, scopes: ['write'] } }),
  withKey('the scope before the policies', 'opencrane', ofKey({}, { policies: [denying({ kinds: ['api_key'] })] }), {
    needs: { scopes: ['write'] }
  }),
  withKey('the policies before the object', 'opencrane', ofKey({ objects: { templates: ['tpl_1'] } }, {
    policies: [denying({ kinds: ['api_key'] })]
  }), { needs: { object: { type: 'templates', id: 'tpl_2' } } }),
  withKey('a policy that leaves a scope', 'opencrane', ofKey({}, { policies: [denying({ scopes: ['other:*'] })] }), {
    needs: { scopes: ['read'] }
  }),
  withKey('a policy that takes a needed scope', 'opencrane', ofKey({}, { policies: [denying({ scopes: ['read'] })] }), {
    needs: { scopes: ['read'] }
  }),
  withKey('its own organization', 'opencrane', ofKey(), { needs: { organization: 'org_own' } }),
  withKey('another organization that it reaches: asks', 'opencrane', ofKey(), { needs: { organization: 'org_other' } }),
  withKey('another organization, with an ended key', 'opencrane', ofKey({ expiresAt: now }), {
    needs: { organization: 'org_other' }
  }),
  withKey('another organization, in another environment', 'opencrane', ofKey(), {
    needs: { organization: 'org_other', environment: 'test' }
  }),
  withKey('another organization before the scope: asks', 'opencrane', ofKey(), {
    needs: { organization: 'org_other', scopes: ['write'] }
  }),
  withToken('a token without organization', 'opencrane', ofToken({}, organizationless)),
  withToken('a feature, of no organization', 'opencrane', ofToken({}, organizationless), {
    needs: { feature: 'reports' }
  }),
  withToken('any organization, of none', 'opencrane', ofToken({}, organizationless), {
    needs: { organization: 'org_own' }
  }),
  withKey('a feature that the plan has', 'opencrane', ofKey(), { needs: { feature: 'reports' } }),
  withKey('an object that it may touch', 'opencrane', ofKey({ objects: { templates: ['tpl_1', 'tpl_2'] } }), {
    needs: { object: { type: 'templates', id: 'tpl_2' } }
  }),
  withKey('an object of a type that is not restricted', 'opencrane', ofKey({ objects: { projects: [] } }), {
    needs: { object: { type: 'templates', id: 'tpl_2' } }
  }),
  withKey('an object of a type of which it may touch none', 'opencrane', ofKey({ objects: { templates: [] } }), {
    needs: { object: { type: 'templates', id: 'tpl_1' } }
  }),
  withKey('a monthly quota: asks', 'opencrane', ofKey({ callsPerMonth: 100 })),
  withKey('a monthly quota, without the scope', 'opencrane', ofKey({ callsPerMonth: 100 }), {
    needs: { scopes: ['write'] }
  }),
  withKey('a monthly quota of the organization: asks', 'opencrane', ofKey({}, {
    organization: { ...organization, callsPerMonth: 100 }
  })),
  withKey('a limit of credits: asks', 'opencrane', ofKey({ creditsPerMonth: 100 })),
  withKey('a call that costs credits: asks', 'opencrane', ofKey(), { needs: { credits: 1 } }),
  withToken('a call that costs credits, with a token of a machine', 'opencrane', ofToken(), { needs: { credits: 1 } }),
  withToken('a call that costs credits, for a person: asks', 'opencrane', ofPerson(), { needs: { credits: 1 } }),
  withToken('a call for a person, with keys alone', 'opencrane', ofPerson(), { needs: { apiKeyOnly: true } }),
  withToken('a monthly quota for a person: asks', 'opencrane', ofPerson({ callsPerMonth: 100 })),
  withToken('a limit of credits for a person: asks', 'opencrane', ofPerson({ creditsPerMonth: 100 })),
  withToken('a monthly quota of the organization of a person: asks', 'opencrane', ofPerson({}, {
    organization: { ...organization, callsPerMonth: 100 }
  })),
  withToken('limits of an organization are not those of its machines', 'opencrane', ofToken({}, {
    organization: { ...organization, callsPerMonth: 100, callsPerMinute: 1 }
  }), { earlier: [moment] })
]

const ofOrganization = ofKey({}, { organization: { ...organization, callsPerMinute: 2 } })
const ofBoth = ofKey({ callsPerMinute: 3, chainId: 'key_first' }, {
  organization: { ...organization, callsPerMinute: 2 }
})

/** Limits per minute, with their fields. */
const limits: readonly VectorCase[] = [
  withToken('a call for a person', 'ledgerbee', ofPerson()),
  withToken('the last of three calls for a person', 'ledgerbee', ofPerson({ callsPerMinute: 3 }), {
    earlier: [moment, moment]
  }),
  withToken('one call for a person too many', 'ledgerbee', ofPerson({ callsPerMinute: 2 }), {
    earlier: [moment, moment]
  }),
  withToken('one call for a person too many for the organization', 'opencrane', ofPerson({ callsPerMinute: 3 }, {
    organization: { ...organization, callsPerMinute: 2 }
  }), { earlier: [moment, moment] }),
  withKey('the first of three calls', 'ledgerbee', ofKey({ callsPerMinute: 3 })),
  withKey('the last of three calls', 'ledgerbee', ofKey({ callsPerMinute: 3 }), { earlier: [moment, moment] }),
  withKey('a call that has leaked', 'ledgerbee', ofKey({ callsPerMinute: 1 }), { earlier: [moment - 60_000] }),
  withKey('a call that leaks in a millisecond', 'ledgerbee', ofKey({ callsPerMinute: 1 }), {
    earlier: [moment - 59_999]
  }),
  withKey('the clock was set back', 'ledgerbee', ofKey({ callsPerMinute: 1 }), { earlier: [moment + 30_000] }),
  withKey('a limit of the organization', 'ledgerbee', ofOrganization, { earlier: [moment, moment] }),
  withKey('limits of both, the second is reached', 'rfc9457', ofBoth, { earlier: [moment, moment] }),
  withKey('limits of both, room in both', 'rfc9457', ofBoth, { earlier: [moment] }),
  withKey('what is refused takes nothing', 'ledgerbee', ofBoth, {
    earlier: [moment - 30_000, moment - 30_000, moment - 30_000, moment - 20_000, moment]
  }),
  withKey('a refusal for a scope has no fields', 'ledgerbee', ofKey({ callsPerMinute: 1 }), {
    needs: { scopes: ['write'] }
  }),
  withKey('many calls', 'ledgerbee', ofKey({ callsPerMinute: 600 }), {
    earlier: Array.from({ length: 600 }, (_, i) => moment - 1_500 + i)
  }),
  withKey('a limit and a key in the query', 'ledgerbee', ofKey({ callsPerMinute: 3 }), {
    request: { headers: [host], target: `/v1/invoices?x-api-key=${keyText}` }
  })
]

const odd = '/v1/"quoted"\\back/<b>&c/%22%C3%A9'

/** Texts of the request in answers. */
const texts: readonly VectorCase[] = [
  ...['ledgerbee', 'rfc9457'].flatMap(style => [
    situation('a path with quotes', style, { request: { target: odd } }),
    situation('a path with the marks of the templates', style, {
      request: { target: '/{timestamp}/{scope}/{path}/{requestId}/$&' }
    }),
    situation('a query is not in the path', style, { request: { target: '/v1/a?b=/c?d' } }),
    situation('an absolute target', style, { request: { target: 'https://api.example.test/v1/a?b=c' } })
  ]),
  ...['ledgerbee', 'rfc9457', 'craftdesk', 'crane-ledger'].flatMap(style => [
    withKey('scopes with special characters', style, ofKey(), {
      needs: { scopes: ['read', 'a<b>&c', "o'r", '{path}', '$&'] }
    }),
    withKey('unavailable, with a request id with quotes', style, null, { request: { requestId: 'a"b\\c<d>' } })
  ]),
  situation('a moment with milliseconds', 'ledgerbee', { now: moment + 7 })
]

/** The scopes that a challenge names, by what the route needs. */
const challenges = [...errorStyleNames.slice(0, 1), 'mcp', 'urn'].flatMap(style => [
  ['no scope', {}],
  ['one scope', { scopes: ['write'] }],
  ['two scopes', { scopes: ['read', 'write'] }],
  ['an API-key-only scope', { scopes: ['pay'] }],
  ['an API-key-only scope beside another', { scopes: ['read', 'pay'] }],
  ['a scope that is not declared', { scopes: ['read', 'other'] }],
  ['an API key', { scopes: ['read'], apiKeyOnly: true }],
  ['credits', { scopes: ['read'], credits: 1 }]
].flatMap(([what, needs]) => [
  situation(`challenge without a credential, for ${String(what)}`, style, { needs: needs as Partial<VectorNeeds> }),
  withToken(`challenge of an expired token, for ${String(what)}`, style, ofToken({ exp: seconds }), {
    needs: needs as Partial<VectorNeeds>
  }),
  withToken(`challenge of a token without scopes, for ${String(what)}`, style, withoutScopes(ofToken()), {
    needs: needs as Partial<VectorNeeds>
  })
]))

/** An entry whose principal has no scope. */
function withoutScopes (of: WireEntry): WireEntry {
  return { ...of, facts: { ...of.facts, principal: { ...of.facts.principal, scopes: [] } } }
}

export const cases: readonly VectorCase[] = [
  ...errorStyleNames.flatMap(reasonsIn),
  ...transports, ...addresses, ...moments, ...order, ...limits, ...texts, ...challenges
]
