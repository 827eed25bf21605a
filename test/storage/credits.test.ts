/** Credits, allowances and usage on both databases. */
import t from 'tap'
import type { Repositories } from '../../src/domain/store.ts'
import {
  balancesOf, grantCredits, greatestCredits, refundCredits, spendCredits, type CreditEntry, type Spending,
  type SpendVerdict
} from '../../src/domain/metering/credit.ts'
import { noLimits } from '../../src/domain/tenancy/limits.ts'
import type { Operation } from '../../src/domain/core/operation.ts'
import { newId } from '../../src/secrets/random.ts'
import { refuseAuditRows } from '../support/audit-tampering.ts'
import { databases } from '../support/databases.ts'
import { noon, openMetering } from '../support/metering.ts'

const january = { from: '2026-01-01', to: '2026-01-31' }

async function entriesOf (
  store: Operation<Repositories>['store'], filter: Parameters<Operation<Repositories>['store']['credits']['page']>[1]
): Promise<CreditEntry[]> {
  return (await store.credits.page({ limit: 200, after: null }, filter)).items
}

function spending (consumer: Spending['consumer'], credits: number, now = noon): Spending {
  return { id: newId('crd'), consumer, organization: noLimits, credits, now }
}

const count = (verdicts: SpendVerdict[], reason?: string) =>
  verdicts.filter(each => each.ok ? reason === undefined : each.reason === reason).length

for (const { name, fresh } of databases) {
  t.test(`credits [${name}]`, async t => {
    const { newTenant, url } = await openMetering(t, fresh)

    await t.test(`CL-03: live and test credits are two accounts, and spending from one leaves the other [${name}]`, async t => {
      const { store, test, organizationId, operation, newKey, grant } = await newTenant(t)
      const other = await newTenant(t)
      await grant(1_000)
      const testKey = await newKey({ environment: 'test' })
      await grant(5, 'test')
      await other.grant(7)
      t.strictSame(await spendCredits(store, [spending(testKey, 5), spending(testKey, 1)]), [{
        ok: true, spentThisMonth: { consumer: null, organization: null }
      }, { ok: false, reason: 'insufficient_credits', spentThisMonth: { consumer: null, organization: null } }])
      t.strictSame(await balancesOf(operation, organizationId), { live: 1_000, test: 0 })
      t.strictSame(await balancesOf(operation, other.organizationId), { live: 7, test: 0 })
      t.same(
        (await entriesOf(store, test)).map(({ amount, balance, consumerId }) => ({ amount, balance, consumerId }))
          .toSorted((a, b) => b.amount - a.amount),
        [
          { amount: 5, balance: 5, consumerId: null }, { amount: -5, balance: 0, consumerId: testKey.id }
        ]
      )
    })

    await t.test(`CL-03: of two requests that race for the last credit exactly one wins, on whatever server [${name}]`, async t => {
      const { store, live, newKey, grant, elsewhere } = await newTenant(t)
      for (let round = 0; round < 10; round++) {
        const key = await newKey()
        await grant(1)
        const verdicts =
          (await Promise.all([spendCredits(store, [spending(key, 1)]), spendCredits(elsewhere, [spending(key, 1)])]))
            .flat()
        t.strictSame(verdicts.map(({ ok }) => ok).toSorted(), [false, true], `round ${round}`)
        t.equal(count(verdicts, 'insufficient_credits'), 1)
        t.equal(await store.credits.balance(live), 0)
      }
    })

    await t.test(`CL-03: whatever races, an account's entries sum up to its balance, and each entry says the balance after it [${name}]`, async t => {
      const { store, live, newKey, grant, elsewhere } = await newTenant(t)
      await grant(100)
      const keys = await Promise.all([1, 2, 3].map(() => newKey()))
      const load = Array.from(
        { length: 60 }, (_, i) => spendCredits(i % 2 === 0 ? store : elsewhere, [spending(keys[i % 3]!, 1 + i % 4)])
      )
      const grants = Array.from({ length: 5 }, () => grant(2))
      const verdicts = (await Promise.all(load)).flat()
      await Promise.all(grants)
      const entries = await entriesOf(store, live)
      t.equal(entries.reduce((sum, { amount }) => sum + amount, 0), await store.credits.balance(live))
      t.equal(entries.filter(({ consumerId }) => consumerId !== null).length, count(verdicts))
      t.ok(entries.every(({ balance }) => balance >= 0))
      const spent = -entries.reduce((sum, { amount }) => sum + Math.min(amount, 0), 0)
      const usage = await Promise.all(keys.map(key => store.usage.of(key.id, january)))
      const taken = await Promise.all(keys.map(key => store.allowances.taken(key.id, '2026-01')))
      t.equal(usage.flat().reduce((sum, { credits }) => sum + credits, 0), spent, 'the usage of the keys says the same')
      t.equal(taken.reduce((sum, { credits }) => sum + credits, 0), spent, 'and so do their months')
      t.equal(
        (await store.allowances.taken(`${live.organizationId}:live`, '2026-01')).credits, spent,
        'and that of the organization, without a limit too'
      )
    })

    await t.test(`CL-08: a key spends no more in a month than it may, and what it may not spend stays on the account [${name}]`, async t => {
      const { store, live, newKey, grant, elsewhere } = await newTenant(t)
      await grant(1_000)
      const key = await newKey({ creditsPerMonth: 10 })
      const verdicts = (await Promise.all(Array.from({ length: 12 }, (_, i) =>
        spendCredits(i % 2 === 0 ? store : elsewhere, [spending(key, 3)])))).flat()
      t.equal(count(verdicts), 3)
      t.equal(count(verdicts, 'quota_exceeded'), 9)
      t.equal(await store.credits.balance(live), 991)
      t.strictSame(await spendCredits(store, [spending(key, 11), spending(key, 2), spending(key, 1)]), [
        { ok: false, reason: 'quota_exceeded', spentThisMonth: { consumer: 9, organization: null } },
        { ok: false, reason: 'quota_exceeded', spentThisMonth: { consumer: 9, organization: null } },
        { ok: true, spentThisMonth: { consumer: 10, organization: null } }
      ])
      const february = new Date('2026-02-01T00:00:00.000Z')
      t.strictSame(
        await spendCredits(store, [spending(key, 1, new Date(february.getTime() - 1)), spending(key, 10, february)]),
        [
          { ok: false, reason: 'quota_exceeded', spentThisMonth: { consumer: 10, organization: null } },
          { ok: true, spentThisMonth: { consumer: 10, organization: null } }
        ]
      )
    })

    await t.test(`CL-03: credits are whole numbers from 1; anything else is refused and moves nothing [${name}]`, async t => {
      const { store, live, operation, newKey, grant } = await newTenant(t)
      await grant(1_000)
      const key = await newKey()
      const refusal = {
        name: 'Failure', code: 'invalid_request', message: 'Credits are whole numbers from 1 to 9007199254740991.'
      }
      for (const amount of [0, -1, 1.5, NaN, Infinity, 2 ** 53]) {
        await t.rejects(grantCredits(operation, { ...live, amount, reason: 'x' }), refusal, `granting ${amount}`)
        await t.rejects(spendCredits(store, [spending(key, 1), spending(key, amount)]), refusal, `spending ${amount}`)
      }
      t.equal(await store.credits.balance(live), 1_000)
    })

    await t.test(`CL-03: an account holds the greatest number that is exact, and not one more [${name}]`, async t => {
      const { store, live, operation, newKey } = await newTenant(t)
      const key = await newKey()
      const entry = await grantCredits(operation, { ...live, amount: greatestCredits, reason: 'all' })
      t.equal(entry.balance, 9_007_199_254_740_991)
      await t.rejects(grantCredits(operation, { ...live, amount: 1, reason: 'more' }), {
        code: 'invalid_request', message: 'An account holds at most 9007199254740991 credits; grant less.'
      })
      await spendCredits(store, [spending(key, 1)])
      t.equal(await store.credits.balance(live), 9_007_199_254_740_990)
      await grantCredits(operation, { ...live, amount: 1, reason: 'more' })
      t.equal(await store.credits.balance(live), 9_007_199_254_740_991)
      t.equal(
        count(await spendCredits(store, [spending(key, greatestCredits)]), 'quota_exceeded'), 1,
        'a month counts no further than exact either'
      )
    })

    await t.test(`CL-03: a grant is an entry and an audit row, in one transaction [${name}]`, async t => {
      const { store, live, organizationId, operation, grant } = await newTenant(t)
      await grant(1_000)
      const [entry] = await entriesOf(store, live)
      t.match(entry, {
        organizationId,
        environment: 'live',
        consumerId: null,
        amount: 1_000,
        balance: 1_000,
        reason: 'test',
        createdAt: noon
      })
      const [row] =
        (await store.audit.page({ limit: 10, after: null }, { organizationId, type: 'credits.granted' })).items
      t.match(row, {
        organizationId,
        subject: organizationId,
        actor: 'system',
        detail: { environment: 'live', amount: 1_000, balance: 1_000, reason: 'test', entry: entry!.id }
      })
      await t.rejects(grantCredits(operation, { ...live, organizationId: 'org_x', amount: 1, reason: 'x' }), {
        code: 'not_found'
      })
      const foreign = { ...operation, actor: { ...operation.actor, organizationId: 'org_b' } }
      await t.rejects(grantCredits(foreign, { ...live, amount: 1, reason: 'x' }), { code: 'not_found' })
      await t.rejects(balancesOf(foreign, organizationId), { code: 'not_found' })
      t.equal(
        (await store.audit.page({ limit: 10, after: null }, { organizationId, type: 'credits.granted' })).items.length,
        1
      )
      const allow = await refuseAuditRows(url, 'credits.granted')
      await t.rejects(grant(1)).finally(allow)
      t.strictSame(
        await balancesOf(operation, organizationId), { live: 1_000, test: 0 }, 'without its row nothing is granted'
      )
      t.strictSame(await entriesOf(store, live), [entry])
    })

    await t.test(`CL-03: a refund gives account, month and day their credits back, once, however often and at once it is asked for [${name}]`, async t => {
      const { store, live, operation, clock, newKey, grant, elsewhere } = await newTenant(t)
      await grant(1_000)
      const key = await newKey({ creditsPerMonth: 4 })
      const spent = spending(key, 4)
      await spendCredits(store, [spent])
      clock.advance(31 * 86_400)
      await Promise.all(Array.from({ length: 6 }, (_, i) =>
        refundCredits({ store: i % 2 === 0 ? store : elsewhere, clock: operation.clock }, spent.id, 'render failed')))
      await refundCredits(operation, spent.id, 'again')
      t.equal(await store.credits.balance(live), 1_000)
      t.strictSame(await store.allowances.taken(key.id, '2026-01'), { calls: 0, credits: 0 })
      t.strictSame(await store.usage.of(key.id, january), [{ day: '2026-01-15', calls: 0, credits: 0 }])
      t.match((await entriesOf(store, live))[0], {
        consumerId: key.id, amount: 4, balance: 1_000, reason: 'render failed', createdAt: clock.now()
      })
      const granted = (await entriesOf(store, live)).find(({ consumerId }) =>
        consumerId === null
      )!
      await t.rejects(refundCredits(operation, granted.id, 'x'), { code: 'not_found' }, 'a grant is no spending')
      await t.rejects(
        refundCredits(operation, spent.id.replace('crd_', 'rfd_'), 'x'), { code: 'not_found' }, 'nor is a refund'
      )
      await t.rejects(refundCredits(operation, 'crd_unknown', 'x'), { code: 'not_found' })
      const later = spending(key, 1)
      await spendCredits(store, [later])
      await grant(greatestCredits - 999)
      await t.rejects(refundCredits(operation, later.id, 'x'), { code: 'conflict', message: /account is full/ })
      t.equal(await store.credits.balance(live), greatestCredits, 'and nothing of it is done')
    })

    await t.test(`CL-08: entries are paged newest first, by account, and an organization's have nothing of another's [${name}]`, async t => {
      const { store, live, organizationId, clock, grant } = await newTenant(t)
      const other = await newTenant(t)
      for (let i = 1; i <= 5; i++) {
        clock.advance(1)
        await grant(i, i % 2 === 0 ? 'test' : 'live')
      }
      await other.grant(9)
      const first = await store.credits.page({ limit: 3, after: null }, { organizationId })
      t.strictSame(first.items.map(({ amount }) => amount), [5, 4, 3])
      t.equal(first.hasMore, true)
      const second = await store.credits.page({ limit: 3, after: first.items[2]! }, { organizationId })
      t.strictSame(second.items.map(({ amount }) => amount), [2, 1])
      t.equal(second.hasMore, false)
      t.strictSame((await entriesOf(store, live)).map(({ amount }) => amount), [5, 3, 1])
      t.strictSame(await store.credits.entry(first.items[0]!.id), first.items[0])
      t.equal(await store.credits.entry('crd_unknown'), null)
    })

    await t.test(`Y4: what is taken of a month never passes the quota, and giving back never goes below nothing [${name}]`, async t => {
      const { store: { allowances }, newKey } = await newTenant(t)
      const { id } = await newKey()
      t.strictSame(await allowances.taken(id, '2026-01'), { calls: 0, credits: 0 })
      t.equal(await allowances.takeCalls(id, '2026-01', 11, 10), null)
      const taken = await Promise.all(Array.from({ length: 15 }, () => allowances.takeCalls(id, '2026-01', 3, 10)))
      t.strictSame(taken.filter(each => each !== null).toSorted(), [3, 6, 9])
      t.equal(await allowances.takeCalls(id, '2026-01', 1, 10), 10)
      t.equal(await allowances.takeCalls(id, '2026-02', 1, 10), 1)
      await allowances.giveBackCalls([{ holder: id, month: '2026-01', calls: 4 }])
      await allowances.giveBackCalls([{ holder: id, month: '2026-01', calls: 7 }])
      t.strictSame(await allowances.taken(id, '2026-01'), { calls: 6, credits: 0 })
    })

    await t.test(`Y4: calls are given back for many holders at once, by two servers at the same time too, and to nobody who took none [${name}]`, async t => {
      const { store: { allowances }, elsewhere, organizationId } = await newTenant(t)
      const holders = Array.from({ length: 600 }, (_, i) => `${organizationId} ${i}`)
      for (const holder of holders) await allowances.takeCalls(holder, '2026-01', 10, 10)
      await allowances.takeCredits(holders[0]!, '2026-01', 5, null)
      const given = (calls: number) =>
        [...holders, `${organizationId} nobody`].map(holder => ({ holder, month: '2026-01', calls }))
      await Promise.all([
        allowances.giveBackCalls([...given(1), ...given(2), { holder: holders[0]!, month: '2026-02', calls: 1 }]),
        elsewhere.allowances.giveBackCalls(given(4).reverse()),
      ])
      const left = []
      for (const holder of holders) left.push(await allowances.taken(holder, '2026-01'))
      t.strictSame(left[0], { calls: 3, credits: 5 })
      t.ok(left.every(({ calls }) => calls === 3))
      t.strictSame(await elsewhere.allowances.taken(`${organizationId} nobody`, '2026-01'), { calls: 0, credits: 0 })
      t.equal(
        await allowances.takeCalls(`${organizationId} nobody`, '2026-01', 10, 10), 10,
        'it owes nothing, and has no more'
      )
    })

    await t.test(`CL-08: usage is added up by key and day, for many keys at once [${name}]`, async t => {
      const { store, organizationId, newKey } = await newTenant(t)
      const other = await newTenant(t)
      const key = await newKey()
      const keys = [key, await newKey({ environment: 'test' }), await other.newKey()]
      const many = Array.from(
        { length: 1_200 }, (_, i) => ({ consumerId: `key_${i}`, day: '2026-01-15', calls: 1, credits: 0 })
      )
      const named = keys.map(({ id }) => ({ consumerId: id, day: '2026-01-15', calls: 2, credits: 3 }))
      await Promise.all(Array.from({ length: 8 }, (_, i) =>
        store.usage.add(i % 2 === 0 ? [...many, ...named] : [...named, ...many].reverse())))
      await store.usage.add([{ consumerId: key.id, day: '2026-01-16', calls: 1, credits: 0 }, {
        consumerId: key.id, day: '2026-01-16', calls: 4, credits: 1
      }, { consumerId: key.id, day: '2026-02-01', calls: 9, credits: 0 }])
      await store.usage.add([])
      t.strictSame(await store.usage.of('key_1199', january), [{ day: '2026-01-15', calls: 8, credits: 0 }])
      t.strictSame(await store.usage.of(key.id, january), [{ day: '2026-01-15', calls: 16, credits: 24 }, {
        day: '2026-01-16', calls: 5, credits: 1
      }])
      t.strictSame(await store.usage.of('key_nobody', january), [])
      t.strictSame(await store.usage.ofOrganization(organizationId, january), {
        live: [{ day: '2026-01-15', calls: 16, credits: 24 }, { day: '2026-01-16', calls: 5, credits: 1 }],
        test: [{ day: '2026-01-15', calls: 16, credits: 24 }]
      })
      t.strictSame(await store.usage.ofOrganization(other.organizationId, { from: '2026-01-16', to: '2026-01-31' }), {
        live: [], test: []
      })
    })
  })
}
