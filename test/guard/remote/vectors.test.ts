/** The vectors of guards, asked of the guard of Node: its server answers what each case says. */
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import tap from 'tap'
import { readTarget } from '../../../packages/guard/src/http.ts'
import {
  openGuard, type Decision, type GuardedRequest, type Needs, type RemoteGuard
} from '../../../packages/guard/src/index.ts'
import { file } from '../../../scripts/vectors.ts'
import type { Answered, Situation } from '../../../scripts/vectors/answers.ts'
import type { GuardedResource } from '../../../scripts/vectors/resources.ts'
import { unknownAddress } from '../../../src/base/ip-address.ts'
import { noNeeds } from '../../support/guard-requests.ts'

type Vector = Situation & Answered & { name: string, resource: string }
type Answer = [status: number, body: object]

const { resources, cases } = JSON.parse(readFileSync(file, 'utf8')) as {
  resources: Record<string, GuardedResource>, cases: Vector[]
}

/** The case under way, and what was asked about it. No entry is kept: the next case is about the same credential. */
let present: Vector = cases[0]!
let lookups: object[] = []
let questions: { organization?: string, scopes: string[] }[] = []

const unavailable: Answer = [503, { error: 'no', code: 'STORAGE_UNAVAILABLE' }]
const asked = { status: 418, headers: { 'x-asked': 'yes' }, body: 'asked' }
/** Polls that are held, by session. */
const held = new Map<string, () => void>()
let sessions = 0

function opened ({ resource: name }: { resource: string }): Answer {
  const { refusals, unavailable, ...resource } = resources[name]!
  const session = `gds_${++sessions}`
  return [201, {
    session,
    position: 0,
    lease: 60_000,
    issuer: 'https://server.test',
    keys: [],
    resource
  }]
}

/** The first poll of a session is answered at once, and the next when the session ends. */
async function polled (session: string): Promise<Answer> {
  if (held.has(session)) await new Promise<void>(resolve => held.set(session, resolve))
  held.set(session, () => {})
  return [200, { position: 0, changes: [], trustFor: 60_000 }]
}

function lookedUp ({ credential, kind }: { credential: string, kind: string }): Answer {
  lookups.push({ credential, kind })
  const { entry, refusal } = present
  if (entry !== null) return [200, { position: null, entry }]
  return refusal === null
    ? unavailable
    : [200, { position: null, refusal: { ...refusal, subject: null, organizationId: null } }]
}

function verified (body: typeof questions[number]): Answer {
  questions.push(body)
  return present.entry === null ? unavailable : [200, { allowed: false, reason: 'asked', refusal: asked }]
}

async function answerTo (method: string, path: string, body: any): Promise<Answer> {
  const [, session = '', kind = ''] = /\/sessions\/(\w+)\/?(\w*)$/.exec(path) ?? []
  if (path.endsWith('/verify')) return verified(body)
  if (session === '') return opened(body)
  if (method === 'DELETE') held.get(session)?.()
  return kind === 'poll' ? await polled(session) : kind === 'lookup' ? lookedUp(body) : [204, {}]
}

const server = createServer(async (request, response) => {
  let text = ''
  for await (const chunk of request) text += String(chunk)
  const [status, body] = await answerTo(request.method!, request.url!, text === '' ? {} : JSON.parse(text))
  response.writeHead(status).end(status === 204 ? undefined : JSON.stringify(body))
})
await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))

/** One for each resource and environment, and for each case with limits: what others took does not count there. */
const guards = new Map<string, RemoteGuard>()
let now = 0

async function guardFor ({ name, resource, needs: { environment }, entry }: Vector): Promise<RemoteGuard> {
  const { key: { callsPerMinute = null } = {}, organization } = entry?.facts ?? {}
  const isLimited = callsPerMinute !== null || typeof organization?.callsPerMinute === 'number'
  const key = JSON.stringify([resource, environment, isLimited ? name : null])
  const known = guards.get(key)
  if (known !== undefined) return known
  const guard = await openGuard({
    server: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    clientId: 'cli_1',
    clientSecret: 'secret',
    resource,
    clock: () => new Date(now),
    onError: () => {},
    ...(environment === null ? {} : { environment })
  })
  guards.set(key, guard)
  return guard
}

tap.teardown(async () => {
  for (const guard of guards.values()) await guard.stop()
  server.close()
  server.closeAllConnections()
})

function requestOf ({ request: { method, target, headers, address, tls, requestId } }: Vector): GuardedRequest {
  const known: Record<string, string> = {}
  for (const [name, value] of headers) known[name.toLowerCase()] ??= value
  return {
    raw: { headers: known, rawHeaders: headers.flat() },
    ...readTarget(target),
    method,
    address: address ?? unknownAddress,
    isOverTls: tls,
    id: requestId
  }
}

function needsOf ({ needs: { scopes, apiKeyOnly, organization, feature, object, credits } }: Vector): Needs {
  return {
    ...noNeeds,
    scopes,
    apiKeyOnly,
    feature,
    object: object && { type: object.type },
    credits,
    organizationId: organization,
    objectId: object?.id ?? null
  }
}

/** As the vectors have it. */
function shown (decision: Decision): unknown {
  return decision.ok
    ? { admitted: JSON.parse(JSON.stringify(decision.principal)), headers: decision.headers }
    : decision.answer
}

for (const resource of Object.keys(resources)) {
  tap.test(`the guard of Node answers as the vectors say: ${resource}`, async t => {
    for (const each of cases.filter(vector => vector.resource === resource)) {
      present = each
      const guard = await guardFor(each)
      const decide = async (at: number): Promise<Decision> => {
        now = at
        return await guard.decide(requestOf(each), needsOf(each))
      }
      for (const at of each.earlier) await decide(at)
      lookups = []
      questions = []
      const expected = each.evaluated ?? each.answer
      const isAsked = 'asks' in expected
      t.strictSame(shown(await decide(each.now)), isAsked ? asked : expected, each.name)
      t.strictSame(lookups, each.lookup === null ? [] : [each.lookup], `${each.name}: what it looks up`)
      if (each.entry !== null) t.equal(questions.length, isAsked ? 1 : 0, `${each.name}: what it asks`)
    }
  })
}
