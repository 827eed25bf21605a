/**
 * Retention of audit rows: in small batches until nothing is left to remove, with a valid chain at every moment, and
 * never of a row that proves another.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import tap, { type Test } from 'tap'
import { deploymentChain, link, sealHead, type ChainedEvent } from '../../src/domain/audit/chain.ts'
import { closeOffOlderRows, pruneAudit } from '../../src/domain/audit/retention.ts'
import { enterChain } from '../../src/domain/audit/chain-walk.ts'
import type { VerifiedPlace } from '../../src/domain/audit/chain-fault.ts'
import { compareHead, verifyStep } from '../../src/domain/audit/verification.ts'
import { auditEvent } from '../../src/domain/audit/event.ts'
import { systemActor } from '../../src/domain/core/actor.ts'
import type { Store, Repositories } from '../../src/domain/store.ts'
import type { Operation } from '../../src/domain/core/operation.ts'
import { auditKeys } from '../../src/secrets/authentication-code.ts'
import { migrate, openDatabase } from '../../src/storage/engine/database.ts'
import { openStorage } from '../../src/storage/index.ts'
import type { Storage } from '../../src/storage/storage.ts'
import { at, rowOf, secret, verify, written } from '../support/audit-chains.ts'
import { behindTheServer, dropTriggers } from '../support/audit-tampering.ts'
import { databases, type FreshDatabase } from '../support/databases.ts'
import { patientLimits } from '../support/waiting.ts'

const keys = auditKeys([secret])
const after = (seconds: number) => new Date(at.getTime() + seconds * 1_000)
const operationOn = ({ store }: Pick<Storage, 'store'>): Operation<Repositories> => ({
  store, clock: () => after(1_000_000), actor: systemActor
})

/** A database whose chain `org_long` has `count` rows; `older`: as written by a version before the chains. */
async function longChain (
  t: Test, fresh: () => Promise<FreshDatabase>, count: number, older = false
): Promise<{ url: string, storage: Storage }> {
  const { url, drop } = await fresh()
  await migrate(url)
  const { queries, close } = await openDatabase(url)
  const rows: ChainedEvent[] = []
  for (let i = 1; i <= count; i++) {
    const row = link(rowOf('org_long', i), i, rows.at(-1)?.hash ?? '', keys)
    rows.push(older ? { ...row, previous: '', hash: '', mac: '', key: '' } : row)
  }
  for (let i = 0; i < count; i += 500) {
    await queries.auditEvent.createMany({
      data: rows.slice(i, i + 500).map(row => ({ ...row, sequence: BigInt(row.sequence), detail: row.detail as {} }))
    })
  }
  const head = sealHead({
    id: 'org_long', createdAt: at, sequence: count, hash: rows.at(-1)!.hash, pruned: 0, prunedHash: '', kept: ''
  }, keys)
  await queries.auditChain.create({
    data: { ...head, ...(older ? { mac: '', key: '' } : {}), sequence: BigInt(count), pruned: 0n }
  })
  await close()
  const storage = await openStorage(url, { limits: patientLimits, secrets: [secret] })
  if (!older) {
    await storage.store.audit.append(
      auditEvent(systemActor, at, 'audit.chain_opened', { organizationId: null, subject: 'org_long' })
    )
  }
  t.teardown(async () => {
    await storage.close()
    await drop()
  })
  return { url, storage }
}

const rowsOf = async ({ store }: Storage, chain: string) =>
  await store.audit.chained({ chain, sequence: 0 }, 10_000, {})

for (const { name, fresh } of databases) {
  tap.test(`retention of ten times what one batch holds leaves nothing, in batches that let others have their turn [${name}]`, async t => {
    const { storage } = await longChain(t, fresh, 5_020)
    const head = await storage.store.audit.head('org_long')
    const sizes: number[] = []
    const { store } = storage
    const transaction: Store['transaction'] = async (work, isolation) => await store.transaction(async tx => {
      const before = (await tx.audit.head('org_long'))!.pruned
      const result = await work(tx)
      sizes.push((await tx.audit.head('org_long'))!.pruned - before)
      return result
    }, isolation)
    const state = { running: true }
    const pruning = pruneAudit(operationOn({ store: { ...store, transaction } }), keys, 'org_long', after(5_001))
      .finally(() => {
        state.running = false
      })
    let others = 0
    for (; state.running; others++) {
      await store.audit.append(rowOf('org_long', 6_000))
      // As requests do: on SQLite a change takes one turn of the event loop.
      await nextTurn()
    }
    t.strictSame(await pruning, { chain: 'org_long', rows: 5_000, through: 5_000, more: false })
    t.ok(others > 2, `${others} changes of the same chain meanwhile`)
    t.strictSame(sizes.filter(size => size > 0), Array(10).fill(500), 'a transaction for each batch')
    const left = await rowsOf(storage, 'org_long')
    t.equal(left[0]!.sequence, 5_001)
    t.match(left.filter(({ type }) => type === 'audit.pruned').map(({ detail }) => detail), [{
      rows: 5_000, through: 5_000
    }], 'one row says so')
    t.equal((await verify(storage, [secret], 1_000)).fault, null)
    t.equal(
      await compareHead({ audit: store.audit, keys }, {
        chain: 'org_long', sequence: head!.sequence, hash: head!.hash
      }),
      null
    )
    t.equal(
      await compareHead({ audit: store.audit, keys }, { chain: 'org_long', sequence: 4_000, hash: 'gone' }), null,
      'a head whose row retention removed'
    )
  })

  tap.test(`retention does not disturb a verification that is in the middle of a chain [${name}]`, async t => {
    const { storage } = await written(t, fresh)
    const verification = { audit: storage.store.audit, keys }
    let place = (await enterChain(verification, 'org_a')).next!
    place = (await verifyStep(verification, place, 3)).next!
    t.strictSame([place.chain, place.sequence], ['org_a', 3])
    await pruneAudit(operationOn(storage), keys, 'org_a', after(6))
    let checked = 0
    for (let next: VerifiedPlace | null = place; next?.chain === 'org_a';) {
      const step = await verifyStep(verification, next, 3)
      t.equal(step.fault, null)
      checked += step.checked
      next = step.next
    }
    t.equal(checked, 2, 'the row that is left, and the one about the removal')
  })

  tap.test(`L2: a head that was sealed as if retention had removed rows is found without its row [${name}]`, async t => {
    const { url, storage } = await written(t, fresh)
    const [, second, third] = await rowsOf(storage, 'org_a')
    const { mac, pruned, prunedHash } = sealHead(
      { ...(await storage.store.audit.head('org_a'))!, pruned: 2, prunedHash: second!.hash }, keys
    )
    await dropTriggers(url)
    await behindTheServer(url, [
      `UPDATE "AuditChain" SET "pruned" = ${pruned}, "prunedHash" = '${prunedHash}', "mac" = '${mac}' ` +
        "WHERE \"id\" = 'org_a'",
      'DELETE FROM "AuditEvent" WHERE "chain" = \'org_a\' AND "sequence" < 3'
    ])
    t.match((await verify(storage)).fault, { chain: 'org_a', sequence: 3, id: third!.id, problem: 'no_checkpoint' })
  })

  tap.test(`retention that is short of time says so, and goes on when it is asked again [${name}]`, async t => {
    const { storage } = await longChain(t, fresh, 1_600)
    let removed = 0
    for (let more = true, calls = 1; more; calls++) {
      const answer = await pruneAudit(operationOn(storage), keys, 'org_long', after(1_501), 0)
      t.equal(answer.rows, calls < 4 ? 500 : 0)
      removed += answer.rows
      more = answer.more
      t.equal((await verify(storage, [secret], 1_000)).fault, null)
    }
    t.equal(removed, 1_500)
  })

  tap.test(`retention that is killed between two batches leaves a chain that is whole, and the next one removes the rest [${name}]`, async t => {
    const { storage } = await longChain(t, fresh, 1_600)
    const { store } = storage
    let transactions = 0
    const transaction: Store['transaction'] = async (work, isolation) => {
      if (++transactions === 3) throw new Error('killed')
      return await store.transaction(work, isolation)
    }
    await t.rejects(pruneAudit(operationOn({ store: { ...store, transaction } }), keys, 'org_long', after(1_501)), {
      message: 'killed'
    })
    t.equal((await rowsOf(storage, 'org_long'))[0]!.sequence, 501)
    t.equal((await verify(storage, [secret], 1_000)).fault, null)
    t.match(await pruneAudit(operationOn(storage), keys, 'org_long', after(1_501)), {
      rows: 1_000, through: 1_500, more: false
    })
    t.equal((await verify(storage, [secret], 1_000)).fault, null)
  })

  tap.test(`rows that are older than the chains go in batches too, and what is left of them stays proved [${name}]`, async t => {
    const { url, storage } = await longChain(t, fresh, 1_200, true)
    await closeOffOlderRows(storage.store, () => after(2_000))
    t.equal((await verify(storage, [secret], 1_000)).fault, null)
    t.match(await pruneAudit(operationOn(storage), keys, 'org_long', after(701)), { rows: 700, through: 700 })
    t.equal((await verify(storage, [secret], 1_000)).fault, null)
    await dropTriggers(url)
    await behindTheServer(url, [
      'UPDATE "AuditEvent" SET "actor" = \'somebody\' WHERE "chain" = \'org_long\' AND "sequence" = 900'
    ])
    t.match((await verify(storage, [secret], 1_000)).fault, {
      chain: 'org_long', sequence: 1_201, problem: 'pinned_edited'
    })
    await behindTheServer(url, [
      'UPDATE "AuditEvent" SET "actor" = \'admin\' WHERE "chain" = \'org_long\' AND "sequence" = 900'
    ])
    t.match(await pruneAudit(operationOn(storage), keys, 'org_long', after(1_500)), { rows: 500, through: 1_200 })
    t.equal((await verify(storage, [secret], 1_000)).fault, null)
  })

  tap.test(`L2: retention removes no row that is not what was written: it would be gone as evidence [${name}]`, async t => {
    const { url, storage } = await written(t, fresh)
    await dropTriggers(url)
    const rows = await rowsOf(storage, 'org_a')
    for (
      const edit of [
        '"actor" = \'somebody\'', '"key" = \'invented\'', '"createdAt" = (SELECT MIN("createdAt") FROM "AuditEvent")'
      ]
    ) {
      await behindTheServer(url, [
        'CREATE TABLE "saved" AS SELECT * FROM "AuditEvent"',
        `UPDATE "AuditEvent" SET ${edit} WHERE "chain" = 'org_a' AND "sequence" = 3`
      ])
      await t.rejects(pruneAudit(operationOn(storage), keys, 'org_a', after(60)), {
        code: 'audit_chain_broken', message: /Row 3 of the chain org_a .*latchkey audit recover --org org_a/s
      })
      await behindTheServer(url, [
        'DELETE FROM "AuditEvent"', 'INSERT INTO "AuditEvent" SELECT * FROM "saved"', 'DROP TABLE "saved"'
      ])
    }
    await behindTheServer(url, ['UPDATE "AuditChain" SET "pruned" = 2 WHERE "id" = \'org_a\''])
    await t.rejects(pruneAudit(operationOn(storage), keys, 'org_a', after(60)), {
      code: 'audit_chain_broken', message: /its head is not sealed/
    })
    t.strictSame(await rowsOf(storage, 'org_a'), rows)
  })

  tap.test(`L2: retention leaves the rows that say which chains there are: one that is gone is missed, and not opened again [${name}]`, async t => {
    const { url, storage } = await written(t, fresh)
    t.match(await pruneAudit(operationOn(storage), keys, null, after(60)), { rows: 6, through: 8 })
    t.strictSame((await rowsOf(storage, deploymentChain)).map(({ sequence, type }) => [sequence, type]), [
      [1, 'audit.chain_opened'], [2, 'audit.chain_opened'], [9, 'audit.pruned']
    ])
    t.equal((await verify(storage)).fault, null)
    for (const limit of [1, 2]) t.equal((await verify(storage, [secret], limit)).fault, null, `${limit} rows a step`)
    t.match(await pruneAudit(operationOn(storage), keys, null, after(60)), { rows: 0, through: 8 })
    await dropTriggers(url)
    await behindTheServer(url, [
      'DELETE FROM "AuditEvent" WHERE "chain" = \'org_b\'', 'DELETE FROM "AuditChain" WHERE "id" = \'org_b\''
    ])
    t.match((await verify(storage)).fault, { chain: 'org_b', problem: 'chain_gone' })
    await t.rejects(storage.store.audit.append(rowOf('org_b', 7)), {
      code: 'audit_chain_broken', message: /its head is gone, and row 2 of the chain deployment says that it was opened/
    })
    await storage.store.audit.append(rowOf('org_c', 7))
    t.match((await verify(storage)).fault, { chain: 'org_b', problem: 'chain_gone' })
  })
}
