/** Partners in tests: their keys, and people who come in by the links that these mint. */
import { fromOwnPages } from './people.ts'
import type { Answer, Json, TestServer } from './test-server.ts'

/** The scopes of a partner's key. */
export const partnersScopes = ['portal-provision', 'portal-sso-mint']
let count = 0

/** The body of an answer that says yes. */
export async function made (answering: Promise<Answer>): Promise<Json> {
  const answer = await answering
  if (answer.status >= 300) throw new Error(`${answer.status} ${answer.text}`)
  return answer.json
}

/** A template of the deployment. */
export function createTemplate (server: TestServer, more: Json = {}): Promise<Json> {
  return made(server.admin('POST', '/organization-templates', {
    name: 'Partner plan', callsPerMonth: 1_000, callsPerMinute: 60, features: ['reports'], ...more
  }))
}

/** A partner's key, with both scopes unless given. */
export async function createPartner (server: TestServer, portal: Json = {}, more: Json = {}): Promise<Json> {
  return await made(server.admin('POST', '/api-keys', {
    organization: (await server.createOrganization(`Partner ${++count}`)).id,
    resource: `${server.issuer}/api/v1`,
    environment: 'live',
    name: 'portal',
    scopes: partnersScopes,
    portal: { template: (await createTemplate(server)).id, ...portal },
    ...more
  }))
}

/** Requests of a partner's system. */
export function withPartnerKey ({ send }: Pick<TestServer, 'send'>, { key }: Json) {
  return (method: string, path: string, body?: Json): Promise<Answer> =>
    send({ method, path: `/api/v1${path}`, headers: { 'x-api-key': key }, ...(body === undefined ? {} : { body }) })
}

/** What a partner sends of a new customer. */
export const customer = (more: Json = {}): Json => ({
  externalId: `c-${++count}`, name: 'Acme', owner: { name: 'Ada', email: 'ada@acme.test' }, ...more
})

/** Signs the member in by a link that the key mints. */
export async function enter (server: TestServer, key: Json, memberId: string): Promise<{ cookie: string }> {
  const { url } = await made(withPartnerKey(server, key)('POST', `/portal/members/${memberId}/sign-in-links`))
  const answer = await openLink(server, url)
  if (answer.status !== 204) throw new Error(`${answer.status} ${answer.text}`)
  return { cookie: answer.headers['set-cookie']![0]!.split(';', 1)[0]! }
}

export function openLink (server: TestServer, url: string): Promise<Answer> {
  const body = new URLSearchParams({ token: url.slice(url.indexOf('#') + 1) })
  return server.send({ method: 'POST', path: '/api/v1/auth/link', headers: fromOwnPages, body })
}
