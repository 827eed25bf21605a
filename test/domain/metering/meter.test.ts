/** Monthly quotas, rate limits and credits of a key, on both databases and over the death of a server. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import t from 'tap'
import type { ApiKey } from '../../../src/domain/credentials/api-key.ts'
import { blockSize, quotaLeases } from '../../../src/domain/metering/quota-lease.ts'
import { noLimits, type Limits } from '../../../src/domain/tenancy/limits.ts'
import { meter, type Meter, type MeterVerdict } from '../../../src/domain/metering/meter.ts'
import { openStorage } from '../../../src/storage/index.ts'
import { databases } from '../../support/databases.ts'
import { noon, openMetering } from '../../support/metering.ts'
import { patientLimits } from '../../support/waiting.ts'

const january = { from: '2026-01-01', to: '2026-01-31' }
const everyDay = { from: '2025-01-01', to: '2026-12-31' }
/** The rest of January at noon of the 15th. */
const restOfJanuary = 16.5 * 86_400

const month = (quota: number, remaining: number, days = 31, resetSeconds = restOfJanuary) =>
  ({ policy: 'month', quota, windowSeconds: days * 86_400, remaining, resetSeconds })

async function admitMany (
  meters: readonly Meter[],
  calls: number,
  keys: ApiKey | readonly ApiKey[],
  credits = 0,
  now = noon,
  organization: Readonly<Limits> = noLimits
): Promise<MeterVerdict[]> {
  const each = [keys].flat() as ApiKey[]
  return await Promise.all(
    Array.from({ length: calls }, (_, i) =>
      meters[i % meters.length]!.admit({ consumer: each[i % each.length]!, organization, credits, now }))
  )
}

const admitted = (verdicts: MeterVerdict[]) => verdicts.filter(({ ok }) => ok).length

t.test('Y4: towards the end of a quota blocks are single calls', async t => {
  t.strictSame([1, 9, 10, 19, 20, 999, 1_000, 5_000_000].map(blockSize), [1, 1, 1, 1, 2, 99, 100, 100])
})

for (const { name, fresh } of databases) {
  t.test(`metering [${name}]`, async t => {
    const { newTenant } = await openMetering(t, fresh)

    await t.test(`CD-10: a key without limits is admitted in the same turn, with nothing asked and nothing told [${name}]`, async t => {
      const { store, newMeter, newKey } = await newTenant(t)
      const meter = newMeter()
      const key = await newKey()
      t.strictSame(meter.admit({ consumer: key, organization: noLimits, credits: 0, now: noon }), {
        ok: true, spending: null, limits: []
      })
      await meter.flush()
      t.strictSame(await store.usage.of(key.id, january), [{ day: '2026-01-15', calls: 1, credits: 0 }])
      t.strictSame(await store.allowances.taken(key.id, '2026-01'), { calls: 0, credits: 0 })
    })

    await t.test(`Y4: of 1,000 parallel calls on two servers exactly the quota of 100 passes [${name}]`, async t => {
      const { store, newMeter, newKey, newMeterElsewhere } = await newTenant(t)
      const meters = [newMeter(), newMeterElsewhere()]
      const key = await newKey({ callsPerMonth: 100 })
      const verdicts = await admitMany(meters, 1_000, key)
      t.equal(admitted(verdicts), 100)
      const refusals = verdicts.filter(({ ok }) => !ok)
      for (const refusal of refusals) {
        t.strictSame(refusal, {
          ok: false, reason: 'quota_exceeded', retryAfterSeconds: restOfJanuary, limits: [month(100, 0)]
        })
      }
      for (const meter of meters) await meter.stop()
      t.strictSame(
        await store.usage.of(key.id, january), [{ day: '2026-01-15', calls: 100, credits: 0 }],
        'refused calls are no usage'
      )
      t.strictSame(await store.allowances.taken(key.id, '2026-01'), { calls: 100, credits: 0 })
    })

    await t.test(`Y4: used from one server, one call after the other, a key has its whole quota, and is told what remains [${name}]`, async t => {
      const { newMeter, newKey } = await newTenant(t)
      const meter = newMeter()
      const key = await newKey({ callsPerMonth: 25 })
      for (let remaining = 24; remaining >= 0; remaining--) {
        t.strictSame(await meter.admit({ consumer: key, organization: noLimits, credits: 0, now: noon }), {
          ok: true, spending: null, limits: [month(25, remaining)]
        })
      }
      t.match(await meter.admit({ consumer: key, organization: noLimits, credits: 0, now: noon }), {
        ok: false, reason: 'quota_exceeded'
      })
      t.notOk(
        meter.admit({ consumer: key, organization: noLimits, credits: 0, now: noon }) instanceof Promise,
        'for a second, no is an answer from memory too'
      )
    })

    await t.test(`Y4: while a block lasts, calls are answered in the same turn; what is left of it is given back at the end [${name}]`, async t => {
      const { store, newMeter, newKey } = await newTenant(t)
      const meter = newMeter()
      const key = await newKey({ callsPerMonth: 10_000 })
      t.ok(meter.admit({ consumer: key, organization: noLimits, credits: 0, now: noon }) instanceof Promise)
      t.notOk((await meter.admit({ consumer: key, organization: noLimits, credits: 0, now: noon })) instanceof Promise)
      for (let i = 0; i < 98; i++) {
        t.notOk(meter.admit({ consumer: key, organization: noLimits, credits: 0, now: noon }) instanceof Promise)
      }
      t.ok(
        meter.admit({ consumer: key, organization: noLimits, credits: 0, now: noon }) instanceof Promise,
        'the next block has to be taken'
      )
      t.equal((await store.allowances.taken(key.id, '2026-01')).calls % 100, 0)
      await meter.stop()
      t.equal((await store.allowances.taken(key.id, '2026-01')).calls, 101)
    })

    await t.test(`Y4: what one server gave back another hands out, after a second [${name}]`, async t => {
      const { newMeter, newKey, newMeterElsewhere } = await newTenant(t)
      const [one, two] = [newMeter(), newMeterElsewhere()]
      const key = await newKey({ callsPerMonth: 50 })
      await one.admit({ consumer: key, organization: noLimits, credits: 0, now: noon })
      t.equal(admitted(await admitMany([two], 60, key)), 45, 'the first holds a block of 5')
      await one.stop()
      t.match(await two.admit({ consumer: key, organization: noLimits, credits: 0, now: noon }), { ok: false })
      const secondLater = new Date(noon.getTime() + 1_000)
      t.equal(admitted(await admitMany([two], 60, key, 0, secondLater)), 4)
    })

    await t.test(`Y4: what is held for a key that nobody uses is given back after ten seconds, and for one too many at once [${name}]`, async t => {
      const { store: { allowances } } = await newTenant(t)
      let uptime = 1
      const held = quotaLeases(allowances, 2, () => uptime)
      const taken = async (id: string) => (await allowances.taken(id, '2026-01')).calls
      await held.take('key_a', 1_000, noon)
      await held.take('key_b', 1_000, noon)
      t.strictSame([await taken('key_a'), await taken('key_b')], [100, 100])
      uptime += 6_000
      await held.take('key_b', 1_000, noon)
      uptime += 6_000
      await held.giveBackIdle()
      t.strictSame([await taken('key_a'), await taken('key_b')], [1, 100])
      await held.take('key_c', 1_000, noon)
      await held.take('key_d', 1_000, noon)
      await held.giveBackIdle()
      t.equal(await taken('key_b'), 2)
      await held.stop()
      t.strictSame([await taken('key_c'), await taken('key_d')], [1, 1])
    })

    await t.test(`Y4: one statement takes a block, and never more than a tenth of what is left, whatever was thought to be [${name}]`, async t => {
      const { store: { allowances }, organizationId } = await newTenant(t)
      const asked: string[] = []
      const watched = {
        ...allowances,
        taken: async (...of: Parameters<typeof allowances.taken>) => {
          asked.push('taken')
          return await allowances.taken(...of)
        },
        takeCalls: async (...of: Parameters<typeof allowances.takeCalls>) => {
          asked.push('takeCalls')
          return await allowances.takeCalls(...of)
        }
      }
      const holder = `${organizationId} watched`
      const taken = async () => (await allowances.taken(holder, '2026-01')).calls
      const one = quotaLeases(watched)
      const other = quotaLeases(watched)
      await one.take(holder, 10_000, noon)
      t.strictSame([asked.splice(0), await taken()], [['takeCalls'], 100])
      for (let i = 0; i < 100; i++) await one.take(holder, 10_000, noon)
      t.strictSame([asked.splice(0), await taken()], [['takeCalls'], 200])
      await allowances.takeCalls(holder, '2026-01', 9_000, 10_000)
      await other.take(holder, 10_000, noon)
      t.strictSame([asked.splice(0), await taken()], [['takeCalls', 'taken', 'takeCalls'], 9_280], '80, a tenth of 800')
      await one.stop()
      await other.stop()
    })

    await t.test(`Y4: what is held for many keys is given back together [${name}]`, async t => {
      const { store: { allowances }, organizationId } = await newTenant(t)
      const given: number[] = []
      const counted = {
        ...allowances,
        giveBackCalls: async (back: Parameters<typeof allowances.giveBackCalls>[0]) => {
          given.push(back.length)
          await allowances.giveBackCalls(back)
        }
      }
      const held = quotaLeases(counted)
      const holders = Array.from({ length: 30 }, (_, i) => `${organizationId} ${i}`)
      for (const holder of holders) await held.take(holder, 1_000, noon)
      await held.stop()
      t.strictSame(given, [30])
      t.ok(
        (await Promise.all(holders.map(holder => allowances.taken(holder, '2026-01')))).every(({ calls }) =>
          calls === 1
        )
      )
    })

    await t.test(`Y4: the month ends at 00:00 UTC of the first, of a leap February too [${name}]`, async t => {
      const { newMeter, newKey } = await newTenant(t)
      const meter = newMeter()
      const key = await newKey({ callsPerMonth: 1 })
      const ends = [['2028-02-29T23:59:59.999Z', '2028-03-01T00:00:00.000Z', 29], [
        '2026-12-31T23:59:59.999Z', '2027-01-01T00:00:00.000Z', 31
      ], ['2026-03-31T23:59:59.999Z', '2026-04-01T00:00:00.000Z', 31]] as const
      for (const [last, first, days] of ends) {
        t.strictSame(await meter.admit({ consumer: key, organization: noLimits, credits: 0, now: new Date(last) }), {
          ok: true, spending: null, limits: [month(1, 0, days, 1)]
        })
        t.match(await meter.admit({ consumer: key, organization: noLimits, credits: 0, now: new Date(last) }), {
          ok: false, reason: 'quota_exceeded', retryAfterSeconds: 1
        })
        t.match(
          await meter.admit({ consumer: key, organization: noLimits, credits: 0, now: new Date(first) }),
          { ok: true },
          first
        )
        t.match(await meter.admit({ consumer: key, organization: noLimits, credits: 0, now: new Date(first) }), {
          ok: false, reason: 'quota_exceeded'
        })
      }
    })

    await t.test(`Y4: a clock that steps back over the end of a month hands nothing out twice [${name}]`, async t => {
      const { newMeter, newKey, store } = await newTenant(t)
      const meter = newMeter()
      const key = await newKey({ callsPerMonth: 3 })
      const before = new Date('2026-01-31T23:59:59Z')
      const after = new Date('2026-02-01T00:00:01Z')
      const passed = { before: 0, after: 0 }
      for (let i = 0; i < 10; i++) {
        if ((await meter.admit({ consumer: key, organization: noLimits, credits: 0, now: before })).ok) passed.before++
        if ((await meter.admit({ consumer: key, organization: noLimits, credits: 0, now: after })).ok) passed.after++
      }
      t.strictSame(passed, { before: 3, after: 3 })
      await meter.stop()
      t.strictSame(await store.usage.of(key.id, everyDay), [{ day: '2026-01-31', calls: 3, credits: 0 }, {
        day: '2026-02-01', calls: 3, credits: 0
      }])
    })

    await t.test(`Y4: a quota that is changed counts from the next call on, with what was taken before [${name}]`, async t => {
      const { newMeter, newKey } = await newTenant(t)
      const meter = newMeter()
      const key = await newKey({ callsPerMonth: 1_000 })
      t.equal(admitted(await admitMany([meter], 100, key)), 100)
      t.match(
        await meter.admit({ consumer: { ...key, callsPerMonth: 50 }, organization: noLimits, credits: 0, now: noon }),
        { ok: false, reason: 'quota_exceeded' }
      )
      t.equal(admitted(await admitMany([meter], 400, { ...key, callsPerMonth: 300 })) <= 200, true)
    })

    await t.test(`N3: one key's limits do not touch another's [${name}]`, async t => {
      const { newMeter, newKey, grant } = await newTenant(t)
      const meter = newMeter()
      const limits = { callsPerMonth: 2, callsPerMinute: 5, creditsPerMonth: 2 }
      const [one, two] = [await newKey(limits), await newKey(limits)]
      await grant(100)
      t.equal(admitted(await admitMany([meter], 20, one, 1)), 2)
      t.equal(admitted(await admitMany([meter], 20, two, 1)), 2)
    })

    await t.test(`CD-10: past the calls of a minute a key is refused until there is room, and the month is not touched [${name}]`, async t => {
      const { store, newMeter, newKey } = await newTenant(t)
      const meter = newMeter()
      const key = await newKey({ callsPerMinute: 2, callsPerMonth: 100 })
      t.equal(admitted(await admitMany([meter], 10, key)), 2)
      t.strictSame(await meter.admit({ consumer: key, organization: noLimits, credits: 0, now: noon }), {
        ok: false,
        reason: 'rate_limited',
        retryAfterSeconds: 30,
        limits: [{ policy: 'minute', quota: 2, windowSeconds: 60, remaining: 0, resetSeconds: 30 }]
      })
      const later = new Date(noon.getTime() + 30_000)
      t.match(await meter.admit({ consumer: key, organization: noLimits, credits: 0, now: later }), {
        ok: true
      })
      await meter.stop()
      t.equal((await store.allowances.taken(key.id, '2026-01')).calls, 3)
    })

    await t.test(`CL-03: credits are taken with the call; when they are not to be had, nothing is taken at all [${name}]`, async t => {
      const { store, live, newMeter, newKey, grant } = await newTenant(t)
      const meter = newMeter()
      const key = await newKey({ callsPerMinute: 10, callsPerMonth: 10, creditsPerMonth: 7 })
      await grant(8)
      const minute = (remaining: number, resetSeconds: number) => ({
        policy: 'minute', quota: 10, windowSeconds: 60, remaining, resetSeconds
      })
      const credits = (remaining: number) => ({
        policy: 'credits', quota: 7, windowSeconds: 31 * 86_400, remaining, resetSeconds: restOfJanuary
      })
      const verdict = await meter.admit({ consumer: key, organization: noLimits, credits: 3, now: noon })
      t.strictSame(verdict, {
        ok: true, spending: (verdict as { spending: string }).spending, limits: [minute(9, 6), month(10, 9), credits(4)]
      })
      t.match(await store.credits.entry((verdict as { spending: string }).spending), {
        consumerId: key.id, amount: -3, balance: 5, reason: 'call', createdAt: noon
      })
      for (let i = 0; i < 20; i++) {
        t.strictSame(await meter.admit({ consumer: key, organization: noLimits, credits: 5, now: noon }), {
          ok: false,
          reason: 'quota_exceeded',
          retryAfterSeconds: restOfJanuary,
          limits: [minute(8, 12), month(10, 8), credits(4)]
        })
        t.match(await meter.admit({ consumer: key, organization: noLimits, credits: 6, now: noon }), {
          ok: false, reason: 'insufficient_credits', retryAfterSeconds: null
        })
      }
      await meter.stop()
      t.equal(await store.credits.balance(live), 5)
      t.strictSame(await store.allowances.taken(key.id, '2026-01'), { calls: 1, credits: 3 })
      t.strictSame(await store.usage.of(key.id, january), [{ day: '2026-01-15', calls: 1, credits: 3 }])
    })

    await t.test(`CL-03: of many calls on two servers exactly as many pass as there are credits, each paid once [${name}]`, async t => {
      const { store, live, newMeter, newKey, grant, newMeterElsewhere } = await newTenant(t)
      const meters = [newMeter(), newMeterElsewhere()]
      const keys = await Promise.all([newKey(), newKey(), newKey()])
      await grant(101)
      const verdicts = (await Promise.all(keys.map(key => admitMany(meters, 100, key, 2)))).flat()
      t.equal(admitted(verdicts), 50)
      t.equal(await store.credits.balance(live), 1)
      const { items } = await store.credits.page({ limit: 200, after: null }, live)
      t.equal(items.reduce((sum, { amount }) => sum + amount, 0), 1)
      t.strictSame(
        items.filter(({ amount }) => amount < 0).map(({ id }) => id).toSorted(),
        verdicts.flatMap(each => each.ok ? [each.spending!] : []).toSorted()
      )
    })

    await t.test(`CL-03: a cost that is no whole number fails alone, not the calls that came with it [${name}]`, async t => {
      const { store, live, newMeter, newKey, grant } = await newTenant(t)
      const meter = newMeter()
      const key = await newKey()
      await grant(2)
      const calls = [1, -1, 0.5, 1].map(async credits =>
        await meter.admit({ consumer: key, organization: noLimits, credits, now: noon })
      )
      const outcomes = await Promise.allSettled(calls)
      t.match(outcomes, [{ value: { ok: true } }, { reason: { code: 'invalid_request' } }, {
        reason: { code: 'invalid_request' }
      }, { value: { ok: true } }])
      t.equal(await store.credits.balance(live), 0)
    })

    await t.test(`CL-03: a call that failed by our own fault is refunded [${name}]`, async t => {
      const { store, live, newMeter, newKey, grant } = await newTenant(t)
      const meter = newMeter()
      const key = await newKey({ creditsPerMonth: 3 })
      await grant(3)
      const verdict = await meter.admit({ consumer: key, organization: noLimits, credits: 3, now: noon })
      t.match(await meter.admit({ consumer: key, organization: noLimits, credits: 3, now: noon }), { ok: false })
      await meter.refund((verdict as { spending: string }).spending, 'render failed')
      await meter.refund((verdict as { spending: string }).spending, 'render failed')
      t.equal(await store.credits.balance(live), 3)
      t.match(await meter.admit({ consumer: key, organization: noLimits, credits: 3, now: noon }), { ok: true })
    })

    await t.test(`CL-08: calls over midnight count on both days, UTC, and are written within a second and at the end [${name}]`, async t => {
      const { store, newMeter, newKey } = await newTenant(t)
      const meter = newMeter()
      const key = await newKey()
      for (
        const time of [
          '2026-01-31T23:59:59.999Z', '2026-02-01T00:00:00.000Z', '2026-02-01T00:00:00.001Z',
          '2026-01-31T23:59:59.999Z', '2026-02-01T23:59:59.999Z'
        ]
      ) {
        t.match(meter.admit({ consumer: key, organization: noLimits, credits: 0, now: new Date(time) }), { ok: true })
      }
      await meter.stop()
      t.strictSame(await store.usage.of(key.id, everyDay), [{ day: '2026-01-31', calls: 2, credits: 0 }, {
        day: '2026-02-01', calls: 3, credits: 0
      }])
    })
  })

  t.test(`limits that several keys share [${name}]`, async t => {
    const { newTenant } = await openMetering(t, fresh)
    const organizationMonth = (quota: number, remaining: number) => ({
      ...month(quota, remaining), policy: 'organization-month'
    })

    await t.test(`Y4: a key that was rotated has no other month and no other minute than the one before; usage is told apart [${name}]`, async t => {
      const { store, newMeter, newMeterElsewhere, newKey, grant } = await newTenant(t)
      const meters = [newMeter(), newMeterElsewhere()]
      const limits = { callsPerMonth: 20, creditsPerMonth: 12 }
      const old = await newKey(limits)
      const successor = await newKey({ ...limits, chainId: old.id, rotatedFrom: old.id })
      await grant(100)
      t.equal(admitted(await admitMany(meters, 60, [old, old, successor, successor])), 20)
      for (const meter of meters) await meter.stop()
      t.strictSame(await store.allowances.taken(old.id, '2026-01'), { calls: 20, credits: 0 })
      t.strictSame(await store.allowances.taken(successor.id, '2026-01'), { calls: 0, credits: 0 })
      const usage = await Promise.all([old, successor].map(key => store.usage.of(key.id, january)))
      t.equal(usage.flat().reduce((sum, { calls }) => sum + calls, 0), 20)
      t.ok(usage.every(([day]) => day!.calls > 0))

      const meter = newMeter()
      const unmetered = { callsPerMonth: null }
      const verdicts = await admitMany([meter], 8, [{ ...old, ...unmetered }, { ...successor, ...unmetered }], 3)
      t.equal(admitted(verdicts), 4, 'and their credits')
      const spending = verdicts.flatMap(each => each.ok ? [each.spending!] : [])[1]!
      t.equal((await store.credits.entry(spending))?.consumerId, successor.id)
      await meter.refund(spending, 'failed')
      t.equal((await store.allowances.taken(old.id, '2026-01')).credits, 9, 'a refund goes back to what they share')
      t.equal(admitted(await admitMany([meter], 2, { ...old, ...unmetered }, 3)), 1)

      const minute = { callsPerMonth: null, callsPerMinute: 5, creditsPerMonth: null }
      t.equal(admitted(await admitMany([meter], 20, [{ ...old, ...minute }, { ...successor, ...minute }])), 5)
    })

    await t.test(`Y4: an organization's month binds all its keys together, on all servers; another organization has its own [${name}]`, async t => {
      const { store, organizationId, newMeter, newMeterElsewhere, newKey } = await newTenant(t)
      const meters = [newMeter(), newMeterElsewhere()]
      const keys = await Promise.all([1, 2, 3].map(() => newKey({ callsPerMonth: 1_000 })))
      const organization = { ...noLimits, callsPerMonth: 50 }
      const verdicts = await admitMany(meters, 300, keys, 0, noon, organization)
      t.equal(admitted(verdicts), 50)
      const refused = await meters[0]!.admit({ consumer: keys[0]!, organization, credits: 0, now: noon })
      t.strictSame(refused, {
        ok: false,
        reason: 'quota_exceeded',
        retryAfterSeconds: restOfJanuary,
        limits: [refused.limits[0], organizationMonth(50, 0)]
      })
      for (const meter of meters) await meter.stop()
      t.equal((await store.allowances.taken(`${organizationId}:live`, '2026-01')).calls, 50)
      for (const { id } of keys) {
        const [own] = await store.usage.of(id, january)
        t.equal(
          (await store.allowances.taken(id, '2026-01')).calls, own?.calls ?? 0,
          'what the organization refused is back in the month of the key'
        )
      }
      const other = await newTenant(t)
      t.equal(admitted(await admitMany([other.newMeter()], 60, await other.newKey(), 0, noon, organization)), 50)
    })

    await t.test(`CL-03: live and test have each the whole of the organization's limits [${name}]`, async t => {
      const { newMeter, newKey } = await newTenant(t)
      const meter = newMeter()
      const organization = { ...noLimits, callsPerMonth: 3, callsPerMinute: 3 }
      t.equal(admitted(await admitMany([meter], 9, await newKey(), 0, noon, organization)), 3)
      t.equal(admitted(await admitMany([meter], 9, await newKey({ environment: 'test' }), 0, noon, organization)), 3)
    })

    await t.test(`Y4: while blocks last, an organization's calls are answered in the same turn [${name}]`, async t => {
      const { newMeter, newKey } = await newTenant(t)
      const meter = newMeter()
      const key = await newKey({ callsPerMonth: 10_000, callsPerMinute: 1_000 })
      const organization = { ...noLimits, callsPerMonth: 10_000, callsPerMinute: 1_000 }
      await meter.admit({ consumer: key, organization, credits: 0, now: noon })
      const call = { consumer: key, organization, credits: 0, now: noon }
      for (let i = 0; i < 90; i++) t.notOk(meter.admit(call) instanceof Promise)
    })

    await t.test(`CD-10: what one of the two minutes refuses is taken from neither [${name}]`, async t => {
      const { newMeter, newKey } = await newTenant(t)
      const meter = newMeter()
      const [one, two] = [await newKey({ callsPerMinute: 3 }), await newKey({ callsPerMinute: 3 })]
      const organization = { ...noLimits, callsPerMinute: 2 }
      t.equal(admitted(await admitMany([meter], 10, one, 0, noon, organization)), 2)
      const minute = { policy: 'minute', quota: 3, windowSeconds: 60, remaining: 0, resetSeconds: 20 }
      t.strictSame(await meter.admit({ consumer: one, organization, credits: 0, now: noon }), {
        ok: false,
        reason: 'rate_limited',
        retryAfterSeconds: 30,
        limits: [{ ...minute, resetSeconds: 20 }, {
          ...minute, policy: 'organization-minute', quota: 2, resetSeconds: 30
        }]
      })
      t.equal(admitted(await admitMany([meter], 10, one)), 1, 'the bucket of the key has one left')
      t.equal(admitted(await admitMany([meter], 10, two)), 3)
      const wide = { ...noLimits, callsPerMinute: 4 }
      const half = new Date(noon.getTime() + 60_000)
      t.equal(admitted(await admitMany([meter], 10, one, 0, half, wide)), 3, 'refused by the key')
      t.equal(admitted(await admitMany([meter], 10, two, 0, half, wide)), 1, 'and not taken from the organization')
    })

    await t.test(`CL-03: an organization's credits of a month bind all its keys; what is refused is taken from nobody [${name}]`, async t => {
      const { store, live, organizationId, newMeter, newMeterElsewhere, newKey, grant } = await newTenant(t)
      const meters = [newMeter(), newMeterElsewhere()]
      const keys = [await newKey({ callsPerMinute: 1_000, callsPerMonth: 1_000, creditsPerMonth: 100 }), await newKey()]
      const organization = { callsPerMinute: 1_000, callsPerMonth: 1_000, creditsPerMonth: 10 }
      await grant(1_000)
      const verdicts = await admitMany(meters, 40, keys, 3, noon, organization)
      t.equal(admitted(verdicts), 3)
      const refusal = await meters[0]!.admit({ consumer: keys[1]!, organization, credits: 3, now: noon })
      t.match(refusal, { ok: false, reason: 'quota_exceeded', retryAfterSeconds: restOfJanuary })
      t.match(refusal.limits.at(-1), {
        policy: 'organization-credits', quota: 10, remaining: 1, resetSeconds: restOfJanuary
      })
      for (const meter of meters) await meter.stop()
      t.equal(await store.credits.balance(live), 991)
      t.strictSame(await store.allowances.taken(`${organizationId}:live`, '2026-01'), { calls: 3, credits: 9 })
      const taken = await Promise.all(keys.map(key => store.allowances.taken(key.id, '2026-01')))
      t.equal(taken[0]!.credits + taken[1]!.credits, 9)
      t.equal(taken[0]!.calls, taken[0]!.credits / 3)
      const meter = newMeter()
      await meter.refund(verdicts.flatMap(each => each.ok ? [each.spending!] : [])[0]!, 'failed')
      t.equal(
        admitted(await admitMany([meter], 5, keys, 4, noon, organization)), 1, 'what was refunded can be spent again'
      )
    })
  })

  t.test(`B3: without a database a call that has to be counted exactly is no pass, and one that has not is not lost [${name}]`, async t => {
    const { newTenant, close } = await openMetering(t, fresh)
    const { newMeter, newKey } = await newTenant(t)
    const meter = newMeter()
    const key = await newKey()
    await close()
    await t.rejects(
      Promise.resolve(
        meter.admit({ consumer: { ...key, callsPerMonth: 5 }, organization: noLimits, credits: 0, now: noon })
      ),
      { code: 'storage_unavailable' }
    )
    const once = {
      consumer: { ...key, callsPerMinute: 1 },
      organization: { ...noLimits, callsPerMonth: 5 },
      credits: 0,
      now: noon
    }
    for (let i = 0; i < 3; i++) {
      await t.rejects(Promise.resolve(meter.admit(once)), { code: 'storage_unavailable' }, 'its minute is given back')
    }
    await t.rejects(Promise.resolve(meter.admit({ consumer: key, organization: noLimits, credits: 1, now: noon })), {
      code: 'storage_unavailable'
    })
    t.match(meter.admit({ consumer: key, organization: noLimits, credits: 0, now: noon }), { ok: true })
    await meter.flush()
  })

  t.test(`CL-08: a server that is killed under load loses no credit, spends none twice, and at most a block of calls [${name}]`, async t => {
    // One server on a SQLite file at a time: the second starts after the first has died.
    const { url, drop } = await fresh()
    t.teardown(drop)
    let prepared: ApiKey | undefined
    await t.test('prepared', async t => {
      const { newTenant } = await openMetering(t, async () => ({ url, drop: async () => {} }))
      const { newKey, grant } = await newTenant(t)
      prepared = await newKey({ callsPerMonth: 1_000 })
      await grant(100_000)
    })
    const key = prepared!
    const live = { organizationId: key.organizationId, environment: 'live' } as const
    const acknowledged = await killUnderLoad(url, key.id, 150)
    await t.test('reopened', async t => {
      const { store, close } = await openStorage(url, { limits: patientLimits })
      t.teardown(close)
      const entries = []
      for (let after = null as { createdAt: Date, id: string } | null; ;) {
        const { items, hasMore } = await store.credits.page({ limit: 200, after }, live)
        entries.push(...items)
        if (!hasMore) break
        after = items.at(-1)!
      }
      const spent = entries.filter(({ amount }) => amount < 0)
      t.equal(
        entries.reduce((sum, { amount }) => sum + amount, 0), await store.credits.balance(live),
        'the sum of the entries is the balance'
      )
      t.equal(await store.credits.balance(live), 100_000 - 2 * spent.length)
      const ids = new Set(spent.map(({ id }) => id))
      t.strictSame(acknowledged.filter(id => !ids.has(id)), [], 'whatever was admitted was paid')
      t.equal(new Set(acknowledged).size, acknowledged.length, 'no entry paid for two calls')
      t.ok(
        spent.length - acknowledged.length <= 20,
        `at most what was under way was paid and not heard of: ${spent.length - acknowledged.length}`
      )
      const usage = await store.usage.of(key.id, january)
      t.equal(usage[0]?.credits, 2 * spent.length, 'the usage says the same')
      t.ok((usage[0]?.calls ?? 0) <= spent.length, 'calls may lag, but are never too many')
      const { calls, credits } = await store.allowances.taken(key.id, '2026-01')
      t.equal(credits, 2 * spent.length, 'and so does the month')
      t.ok(calls >= spent.length && calls - spent.length <= 100, `at most a block was lost: ${calls - spent.length}`)
      const successor = meter(store, () => noon)
      t.equal(admitted(await admitMany([successor], 1_100, key)), 1_000 - calls, 'the successor hands out the rest')
      await successor.stop()
    })
  })
}

/**
 * Runs a server under load, kills it once it has admitted so many calls, and returns the spendings of all admitted
 * calls.
 */
async function killUnderLoad (url: string, consumerId: string, calls: number): Promise<string[]> {
  const child = spawn(process.execPath, [join(import.meta.dirname, '../../support/metered-load.ts'), url, consumerId], {
    stdio: ['ignore', 'pipe', 'inherit']
  })
  const lines: string[] = []
  for await (const line of createInterface({ input: child.stdout })) {
    lines.push(line)
    if (lines.length === calls) child.kill('SIGKILL')
  }
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  // The last line may have been cut in the middle.
  return lines.filter(line => /^crd_[0-9A-Za-z]{22}$/.test(line))
}
