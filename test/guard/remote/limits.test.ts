/** Limits per minute at several remote guards: each owes what others counted, and nothing is counted twice. */
import { setTimeout as pause } from 'node:timers/promises'
import tap, { type Test } from 'tap'
import { updateResource } from '../../../src/domain/declaration/resource-change.ts'
import { hostResourceId } from '../../../src/domain/resources/resource.ts'
import { openGuard, type RemoteGuard } from '../../../packages/guard/src/index.ts'
import { databases } from '../../support/databases.ts'
import { basic, MovableClock, startServer, type Json, type TestServer } from '../../support/test-server.ts'
import { patience, until } from '../../support/waiting.ts'
import { decide, left, passes } from './asking.ts'
import { startGuarded } from '../../support/guarded-node-api.ts'

/** Two servers on one database, on a clock that stands still, and a way to open guards of either. */
async function twoServers (t: Test) {
  const clock = new MovableClock()
  const database = await databases.find(({ name }) => name === 'postgresql')!.fresh()
  // A busy machine is no reason for a guard to lose its trust.
  const lease = { LATCHKEY_REPLICA_LEASE: '20000' }
  const first = await startServer({ database: database.url, clock, environment: lease })
  const environment = { ...lease, LATCHKEY_SECRET: first.secret, LATCHKEY_ADMIN_TOKEN: first.adminToken }
  const second = await startServer({ database: database.url, issuer: first.issuer, environment, clock, bare: true })
  const client = await first.createClient({ introspects: [first.issuer] })
  const guards: RemoteGuard[] = []
  t.teardown(async () => {
    for (const guard of guards) await guard.stop()
    await second.close()
    await first.close()
    await database.drop()
  })
  const guardOf = async ({ url }: TestServer): Promise<RemoteGuard> => {
    const { clientId, clientSecret } = client
    const guard = await openGuard({
      server: url, clientId, clientSecret, resource: first.issuer, clock: clock.now, onError: () => {}
    })
    guards.push(guard)
    await until('the guard is trusted', () => guard.isTrusted)
    return guard
  }
  clock.stop()
  const verify = async ({ send }: TestServer, credential: string): Promise<Json> => {
    const headers = { authorization: basic(client.clientId, client.clientSecret) }
    const body = { credential, resource: first.issuer, scopes: [] }
    return (await send({ method: 'POST', path: '/api/v1/verify', headers, body })).json
  }
  return { clock, first, second, guardOf, verify }
}

/** More than a guard is asked for here before it is told. */
const quota = 100_000

/**
 * Resolves once every guard knows all that the others have counted before: what is told of a call of one to another is
 * told after it.
 */
async function settled (server: TestServer, guards: readonly RemoteGuard[]): Promise<void> {
  for (const from of guards) {
    for (const to of guards.filter(guard => guard !== from)) {
      const { key } = await server.createKey({ callsPerMinute: quota })
      await passes(to, key)
      await passes(from, key)
      let own = 1
      await until('one guard knows of a call of the other', async () => await left(to, key) === quota - 1 - ++own)
    }
  }
}

/** Asks at full speed until the key has to wait for `seconds`; returns how many calls passed. */
async function askUntilOwed (guard: RemoteGuard, key: string, seconds: number): Promise<number> {
  let passed = 0
  for (const began = performance.now(); performance.now() < began + patience;) {
    const wait = await left(guard, key)
    if (wait === -seconds) return passed
    if (wait >= 0) passed++
    // Refused, it asks a thousand times a second: its server runs in the same process.
    await (wait >= 0 ? new Promise(setImmediate) : pause(1))
  }
  throw new Error(`it does not owe ${seconds} seconds: ${await left(guard, key)}`)
}

tap.test('LK-03: three guards on two servers owe what each of them let pass before it knew of the others', async t => {
  const { clock, first, second, guardOf, verify } = await twoServers(t)
  const guards = [await guardOf(first), await guardOf(first), await guardOf(second)]
  const { key } = await first.createKey({ callsPerMinute: 60 })
  const all = async (seconds: number): Promise<number[]> =>
    await Promise.all(guards.map(guard => askUntilOwed(guard, key, seconds)))

  const burst = await all(61)
  t.ok(burst.every(passed => passed <= 60), `at full speed: ${burst}, each at most its limit until it knows`)
  await settled(first, guards)
  t.match(await verify(first, key), { allowed: false, reason: 'rate_limited' }, 'its server knows')
  t.match(await verify(second, key), { allowed: false, reason: 'rate_limited' }, 'and the other one')
  t.equal(await passes(await guardOf(second), key), false, 'a guard that asks now begins with what was counted')

  clock.advance(60)
  for (const guard of guards) t.equal(await left(guard, key), -1, 'a minute later the limit is still owed')
  clock.advance(1)
  t.strictSame(await all(3), [1, 1, 1], 'then each lets one pass, and owes those of the two others')
  clock.advance(2)
  t.strictSame(await all(1), [0, 0, 0])
  clock.advance(1)
  t.ok(await passes(guards[1]!, key), 'and so all of them keep the rate of one')
})

tap.test('LK-03: the limit of an organization is that of all its keys at all guards', async t => {
  const { first, second, guardOf } = await twoServers(t)
  const [one, other] = [await guardOf(first), await guardOf(second)]
  const organization = await first.createOrganization()
  await first.admin('PATCH', `/organizations/${organization.id}`, { callsPerMinute: 5 })
  const key = async (): Promise<string> => (await first.createKey({ organization: organization.id })).key
  const [a, b] = [await key(), await key()]
  t.ok(await passes(other, b))
  for (let i = 0; i < 4; i++) await passes(one, a)
  await until('the other one refuses its own key', async () => !await passes(other, b))
  t.match(await decide(other, b), { ok: false, refusal: { reason: 'rate_limited' } })
})

/** A guard and another one of the same server, on a clock that stands still. */
async function twoGuards (t: Test, tampering: Parameters<typeof startGuarded>[2] = {}) {
  const clock = new MovableClock()
  const guarded = await startGuarded(t, { clock: clock.now }, tampering, { clock })
  const { server, client, guard } = guarded
  const { clientId, clientSecret } = client
  const other = await openGuard({
    server: server.url, clientId, clientSecret, resource: server.url, clock: clock.now, onError: () => {}
  })
  t.teardown(() => other.stop())
  await until('the guards are trusted', () => guard.isTrusted && other.isTrusted)
  clock.stop()
  const { id, key } = await guarded.key({ callsPerMinute: quota })
  const counted = async (calls: number): Promise<void> => {
    await until(`${calls} calls are counted`, async () =>
      (await server.admin('GET', `/api-keys/${id}/usage`)).json.callsToday === calls)
  }
  /** Calls of a guard until it knows of so many of the other; returns how many of its own it took. */
  const hears = async (by: RemoteGuard, calls: number, own: number): Promise<number> => {
    await until('it knows of the calls of the other', async () => await left(by, key) === quota - calls - ++own)
    return own
  }
  return { ...guarded, other, text: key, counted, hears }
}

tap.test('what a guard counted itself never comes back to it, and another one is told of it once', async t => {
  const { guard, other, text, counted, hears, passed } = await twoGuards(t)
  const polls = (): number => passed.filter(({ path }) => path.endsWith('/poll')).length
  t.equal(await left(other, text), quota - 1)
  for (let i = 0; i < 10; i++) await passes(guard, text)
  const own = await hears(other, 10, 1)
  await counted(10 + own)
  const mine = await hears(guard, own, 10)
  const before = polls()
  await counted(mine + own)
  await until('it has polled again', () => polls() > before + 4)
  t.equal(await left(guard, text), quota - mine - 1 - own)
  await hears(other, mine + 1, own)
})

tap.test('a guard that opens another session begins with what the server has counted, its own calls once', async t => {
  const { server, guard, text, counted, passed } = await twoGuards(t)
  const opened = (): number => passed.filter(({ path, status }) => path.endsWith('/sessions') && status === 201).length
  for (let i = 0; i < 10; i++) await passes(guard, text)
  await counted(10)
  await updateResource(server.latchkey.operation, hostResourceId, { mostCredits: 1 })
  await until('another session', () => opened() === 2 && guard.isTrusted)
  t.equal(await left(guard, text), quota - 11)
})

tap.test('a report whose answer is lost is sent again under its number, and told to others once', async t => {
  const isReport = (path: string): boolean => path.endsWith('/usage')
  let lost = 1
  const { guard, other, text, hears, passed } = await twoGuards(t, {
    hold: path => isReport(path) && lost-- > 0 ? new Promise(() => {}) : null
  })
  t.equal(await left(other, text), quota - 1)
  for (let i = 0; i < 10; i++) await passes(guard, text)
  const reports = (): string[] => passed.filter(({ path }) => isReport(path)).map(({ body }) => body)
  await until('it was sent again', () => reports().length > 1)
  t.equal(reports()[0], reports()[1])
  const own = await hears(other, 10, 1)
  for (let i = 0; i < 5; i++) await passes(guard, text)
  await hears(other, 15, own)
})

tap.test('counts whose answer is lost are told again, and added once', async t => {
  let lost = 2
  const { guard, other, text, hears } = await twoGuards(t, {
    replace: path => path.endsWith('/poll') && lost > 0 && lost-- > 0 ? { status: 500, body: '{}' } : null
  })
  for (let i = 0; i < 10; i++) await passes(other, text)
  await until('it is trusted', () => guard.isTrusted)
  const own = await hears(guard, 10, 0)
  lost = 1
  for (let i = 0; i < 10; i++) await passes(other, text)
  await until('it is trusted', () => lost === 0 && guard.isTrusted)
  await hears(guard, 20, own)
})
