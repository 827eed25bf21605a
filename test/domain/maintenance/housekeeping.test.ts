/** What housekeeping deletes, when, and what it keeps. */
import tap from 'tap'
import { systemActor } from '../../../src/domain/core/actor.ts'
import { runHousekeeping } from '../../../src/domain/maintenance/housekeeping.ts'
import { reserve } from '../../../src/domain/spending/reserve.ts'
import type { Reservation } from '../../../src/domain/spending/reservation.ts'
import { settleReservation } from '../../../src/domain/spending/settlement.ts'
import type { Store } from '../../../src/domain/store.ts'
import { noLimits } from '../../../src/domain/tenancy/limits.ts'
import { newMetrics } from '../../../src/telemetry/metrics.ts'
import { openStorage } from '../../../src/storage/index.ts'
import { databases } from '../../support/databases.ts'
import { patientLimits } from '../../support/waiting.ts'

const fresh = await Promise.all(databases.map(async ({ name, fresh }) => ({ name, database: await fresh() })))
tap.teardown(async () => { for (const { database } of fresh) await database.drop() })

const now = new Date('2027-03-15T12:00:00Z')

/** An open reservation. */
async function reservedAt (store: Store, at: Date): Promise<Reservation> {
  const verdict = await reserve({ store, clock: () => at }, {
    clientId: 'cli_x',
    reference: at.toISOString(),
    fingerprint: 'x',
    organizationId: 'org_x',
    credentialId: 'key_x',
    account: null,
    model: 'm',
    estimate: 7
  })
  if (!verdict.ok) throw new Error('over budget')
  return verdict.reservation
}

/** Invitations that ended more than thirty days ago, and lately, in each way; and one that is open. */
async function insertInvitations (store: Pick<Store, 'invitations'>): Promise<void> {
  const [before, lately] = [-1, 1].map(more => new Date(now.getTime() - 30 * 86_400_000 + more))
  const open = { acceptedAt: null, revokedAt: null, expiresAt: new Date(now.getTime() + 1) }
  const ended = Object.entries({ before: before!, lately: lately! }).flatMap(([when, at]): [string, object][] => [
    [`accepted_${when}`, { ...open, acceptedAt: at }],
    [`revoked_${when}`, { ...open, revokedAt: at }],
    [`expired_${when}`, { ...open, expiresAt: at }],
  ])
  for (const [name, times] of [...ended, ['open', {}] as const]) {
    await store.invitations.insert({
      ...open,
      ...times,
      id: `inv_${name}`,
      organizationId: 'org_x',
      email: 'a@x.example',
      normalEmail: 'a@x.example',
      role: 'viewer',
      groups: [],
      memberId: null,
      createdBy: 'admin',
      creatorId: null,
      createdAt: now,
      revision: 1
    })
  }
}

for (const { name, database } of fresh) {
  tap.test(`usage older than it is to be kept goes, what is younger stays, and the rows are counted [${name}]`, async t => {
    const { store, close } = await openStorage(database.url, { limits: patientLimits })
    t.teardown(close)
    const operation = { store, clock: () => now, actor: systemActor }
    await store.usage.add(
      ['2027-03-15', '2027-02-13', '2027-02-12', '2026-12-31'].map(day => ({
        consumerId: 'key_x', day, calls: 1, credits: 0
      }))
    )
    for (const month of ['2027-03', '2027-02', '2027-01', '2026-12']) {
      await store.allowances.takeCalls('key_x', month, 1, 10)
    }
    // A day past their end, in case the clock is ahead.
    const dayBefore = new Date(now.getTime() - 86_400_000)
    await store.usedAssertions.remember('spent', new Date(dayBefore.getTime() - 1))
    await store.revokedTokens.insert({
      jti: 'dead', clientId: 'cli_x', revokedAt: now, expiresAt: new Date(dayBefore.getTime() - 1)
    })
    await store.revokedTokens.insert({
      jti: 'alive', clientId: 'cli_x', revokedAt: now, expiresAt: new Date(dayBefore.getTime() + 1_000)
    })
    const answer = { fingerprint: 'x', sealedAnswer: 'x', createdAt: now }
    await store.rememberedAnswers.insert({ id: 'spent', ...answer, expiresAt: new Date(dayBefore.getTime() - 1) })
    await store.rememberedAnswers.insert({ id: 'fresh', ...answer, expiresAt: new Date(dayBefore.getTime() + 1) })
    const key = {
      algorithm: 'ES256' as const,
      publicJwk: {},
      sealedPrivateKey: 'x',
      createdAt: now,
      activatedAt: now,
      retiredAt: now,
      revokedAt: null,
      revokedReason: null,
      revision: 1
    }
    await store.signingKeys.insert({ kid: 'gone', ...key, publishedUntil: dayBefore })
    await store.signingKeys.insert({ kid: 'published', ...key, publishedUntil: new Date(dayBefore.getTime() + 1) })
    await store.organizations.insert({
      id: 'org_x',
      name: 'x',
      status: 'active',
      features: [],
      ...noLimits,
      createdAt: now,
      suspendedAt: null,
      deletedAt: null,
      requiresProvider: false,
      unverifiedClients: 'allow',
      revision: 1
    })
    await store.members.insert({
      id: 'mem_x',
      organizationId: 'org_x',
      name: 'x',
      email: null,
      role: 'owner',
      scopes: null,
      operator: false,
      groups: [],
      createdAt: now,
      removedAt: null,
      revision: 1
    })
    for (const [id, ago] of [['spent', 1], ['fresh', -1]] as const) {
      const expiresAt = new Date(dayBefore.getTime() - ago)
      await store.personSessions.insert({
        id: `pse_${id}`,
        digest: id,
        memberId: 'mem_x',
        identityId: null,
        amr: ['otp'],
        provider: null,
        providerSession: null,
        vouchedBy: null,
        authenticatedAt: now,
        authTimeKnown: true,
        createdAt: now,
        lastUsedAt: now,
        expiresAt,
        endedAt: now,
        endedReason: 'sign-out'
      })
      await store.signInLinks.insert({
        id: `sil_${id}`,
        digest: id,
        memberId: 'mem_x',
        createdBy: 'admin',
        vouchedBy: null,
        createdAt: now,
        expiresAt,
        creatorId: null,
        sessionEndsAt: null,
        usedAt: null
      })
    }
    await insertInvitations(store)
    const [old, lost] = [
      await reservedAt(store, new Date('2027-01-10T12:00:00Z')),
      await reservedAt(store, new Date(now.getTime() - 600_000))
    ]
    const then = { ...operation, clock: () => old.createdAt }
    await settleReservation(then, 'cli_x', old.id, { amount: 5, force: false, inputTokens: 0, outputTokens: 0 })
    const metrics = newMetrics()
    await runHousekeeping(operation, { usageDays: 30 }, metrics)
    const { items } = await store.invitations.page({ limit: 200, after: null }, {})
    t.strictSame(items.map(({ id }) => id).sort(), [
      'inv_accepted_lately', 'inv_expired_lately', 'inv_open', 'inv_revoked_lately'
    ])
    t.equal(await store.personSessions.byDigest('spent'), null)
    t.match(await store.personSessions.byDigest('fresh'), { id: 'pse_fresh', amr: ['otp'], endedReason: 'sign-out' })
    t.equal(await store.signInLinks.byDigest('spent'), null)
    t.ok(await store.signInLinks.byDigest('fresh'))
    t.strictSame((await store.usage.of('key_x', { from: '2026-01-01', to: '2027-12-31' })).map(({ day }) => day), [
      '2027-02-13', '2027-03-15'
    ])
    const months = await Promise.all(
      ['2027-03', '2027-02', '2027-01', '2026-12'].map(async month =>
        (await store.allowances.taken('key_x', month)).calls
      )
    )
    t.strictSame(months, [1, 1, 0, 0], 'a month goes as a whole')
    t.equal(await store.reservations.get(old.id), null)
    t.match(await store.reservations.get(lost.id), { status: 'unsettled', amount: 7 })
    t.ok(await store.revokedTokens.has('alive'))
    t.notOk(await store.revokedTokens.has('dead'))
    t.strictSame(metrics.pruned.entries().map(([kind, , count]) => [kind, count]), [
      ['revoked_token', 1], ['used_assertion', 1], ['remembered_answer', 1], ['person_session', 1],
      ['invitation', 3], ['sign_in_link', 1], ['authorization', 0], ['authorization_step', 0], ['signing_key', 1],
      ['idle_client', 0],
      ['key_usage', 2], ['token_usage', 0], ['logged_request', 0], ['allowance', 2], ['unsettled_reservation', 1],
      ['spend_reservation', 1], ['spend_line', 1], ['spend_total', 4]
    ])
    t.strictSame((await store.signingKeys.all()).map(({ kid }) => kid), ['published'])
    t.equal(await store.rememberedAnswers.get('spent'), null)
    t.ok(await store.rememberedAnswers.get('fresh'))
    t.equal(metrics.prunedAt, now.getTime())
    await runHousekeeping(operation, { usageDays: 30 }, metrics)
    t.equal(metrics.pruned.total, 20, 'a second round finds nothing')
  })

  tap.test(`one chore that fails is reported and keeps none of the others from its work [${name}]`, async t => {
    const { store, close } = await openStorage(database.url, { limits: patientLimits })
    t.teardown(close)
    await store.usage.add([{ consumerId: 'key_y', day: '2020-01-01', calls: 1, credits: 0 }])
    const broken = { ...store, revokedTokens: { ...store.revokedTokens, prune: async () => { throw new Error('no') } } }
    const metrics = newMetrics()
    await t.rejects(
      runHousekeeping({ store: broken, clock: () => now, actor: systemActor }, { usageDays: 30 }, metrics),
      { message: 'no' }
    )
    t.strictSame(await store.usage.of('key_y', { from: '2019-12-31', to: '2020-12-30' }), [])
    t.equal(metrics.prunedAt, null, 'and the round does not count as done')
  })
}
