/** SECURITY L2: verification names every audit row that was edited by hand. On both databases. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import tap from 'tap'
import { deploymentChain } from '../../src/domain/audit/chain.ts'
import { exportAudit } from '../../src/domain/audit/export.ts'
import { closeOffOlderRows, openChains, pruneAudit } from '../../src/domain/audit/retention.ts'
import { compareHead } from '../../src/domain/audit/verification.ts'
import { systemActor } from '../../src/domain/core/actor.ts'
import { createOrganization, updateOrganization } from '../../src/domain/tenancy/organization.ts'
import { auditKeys } from '../../src/secrets/authentication-code.ts'
import { newSecret } from '../../src/secrets/random.ts'
import { openStorage } from '../../src/storage/index.ts'
import { at, rowOf, secret, verify, written } from '../support/audit-chains.ts'
import { behindTheServer, dropTriggers } from '../support/audit-tampering.ts'
import { databases } from '../support/databases.ts'
import { patientLimits } from '../support/waiting.ts'

const columns =
  '"createdAt", "type", "actor", "organizationId", "subject", "address", "requestId", "detail", "previous", "hash", ' +
    '"mac", "key"'

for (const { name, fresh } of databases) {
  tap.test(`L2: an edit, a deletion or another order of any row is found, and the row named [${name}]`, async t => {
    const { url, storage } = await written(t, fresh)
    t.strictSame(
      await verify(storage), { checked: 20, fault: null }, 'what is whole is not complained about, by steps of any size'
    )
    for (const limit of [1, 7, 1_000]) {
      t.strictSame(await verify(storage, [secret], limit), { checked: 20, fault: null })
    }

    for (
      const statement of [
        'UPDATE "AuditEvent" SET "actor" = \'nobody\'', 'DELETE FROM "AuditEvent"',
        'DELETE FROM "AuditEvent" WHERE "sequence" = 6'
      ]
    ) {
      await t.rejects(behindTheServer(url, [statement]), /audit rows are/, 'the database itself refuses')
    }
    await dropTriggers(url)
    await behindTheServer(url, [
      'CREATE TABLE "saved" AS SELECT * FROM "AuditEvent"',
      'CREATE TABLE "savedChain" AS SELECT * FROM "AuditChain"'
    ])
    const restore = () =>
      behindTheServer(url, [
        'DELETE FROM "AuditEvent"', 'INSERT INTO "AuditEvent" SELECT * FROM "saved"', 'DELETE FROM "AuditChain"',
        'INSERT INTO "AuditChain" SELECT * FROM "savedChain"'
      ])
    const found = async (what: string, statements: string[], chain: string, sequence: number, problem: string) => {
      await behindTheServer(url, statements)
      const { fault } = await verify(storage)
      t.match(fault, { chain, sequence, problem }, what)
      await restore()
    }
    const edits = [
      '"type" = \'api_key.revoked\'',
      '"actor" = \'somebody\'',
      '"subject" = \'key_x\'',
      '"subject" = NULL',
      '"address" = \'192.0.2.2\'',
      '"requestId" = NULL',
      '"detail" = \'{"name": "another"}\'',
      '"createdAt" = \'2027-01-01 00:00:00\'',
      '"organizationId" = \'org_b\'',
      '"previous" = \'x\'',
      '"hash" = \'x\''
    ]
    for (const sequence of [1, 2, 5, 6]) {
      for (const edit of edits) {
        await found(
          `row ${sequence}: ${edit}`,
          [`UPDATE "AuditEvent" SET ${edit} WHERE "chain" = 'org_a' AND "sequence" = ${sequence}`], 'org_a', sequence,
          'edited'
        )
      }
      await found(
        'another seal', [`UPDATE "AuditEvent" SET "mac" = 'x' WHERE "chain" = 'org_a' AND "sequence" = ${sequence}`],
        'org_a', sequence, 'forged'
      )
      await found(
        'a deletion', [`DELETE FROM "AuditEvent" WHERE "chain" = 'org_a' AND "sequence" = ${sequence}`], 'org_a',
        sequence, sequence === 6 ? 'cut' : 'missing'
      )
      await found(
        'taken for older than the chain',
        [`UPDATE "AuditEvent" SET "key" = '', "hash" = '', "mac" = '', "previous" = ''
          WHERE "chain" = 'org_a' AND "sequence" = ${sequence}`],
        'org_a', sequence, 'edited'
      )
      await found(
        'under a key that never was',
        [`UPDATE "AuditEvent" SET "key" = 'invented' WHERE "chain" = 'org_a' AND "sequence" = ${sequence}`], 'org_a',
        sequence, 'key_unknown'
      )
    }
    for (const sequence of [1, 4]) {
      await found('two rows in each other\'s place', [
        `UPDATE "AuditEvent" SET "sequence" = 99 WHERE "chain" = 'org_a' AND "sequence" = ${sequence}`,
        `UPDATE "AuditEvent" SET "sequence" = ${sequence} WHERE "chain" = 'org_a' AND "sequence" = ${sequence + 1}`,
        `UPDATE "AuditEvent" SET "sequence" = ${sequence + 1} WHERE "chain" = 'org_a' AND "sequence" = 99`,
      ], 'org_a', sequence, 'edited')
      await found('a row of another chain', [
        `DELETE FROM "AuditEvent" WHERE "chain" = 'org_a' AND "sequence" = ${sequence}`, 'UPDATE "AuditEvent" SET ' +
          `"chain" = 'org_a' WHERE "chain" = 'org_b' AND "sequence" = ${sequence}`,
      ], 'org_a', sequence, 'edited')
    }
    // The index is dropped last: nothing recreates it.
    await behindTheServer(url, ['DROP INDEX "AuditEvent_chain_sequence_key"'])
    for (const sequence of [2, 3, 6]) {
      await found(
        'two rows at one number',
        [`INSERT INTO "AuditEvent" ("id", "chain", "sequence", ${columns}) SELECT 'evt_invented', 'org_a', ` +
          `${sequence}, ${columns} FROM "AuditEvent" WHERE "chain" = 'org_a' AND "sequence" = 1`],
        'org_a', sequence, 'unplaced'
      )
    }
    t.strictSame(await verify(storage), { checked: 20, fault: null }, 'and nothing else was done to it')
  })

  tap.test(`L2: a cut at the end, at the front or of a whole chain is found; with a head that was kept elsewhere, also one that takes the head along [${name}]`, async t => {
    const { url, storage } = await written(t, fresh)
    const heads = (await storage.store.audit.heads({ limit: 200, after: null }, {})).items.map((
      { id, sequence, hash }
    ) => ({ chain: id, sequence, hash }))
    const against = async () =>
      (await Promise.all(
        heads.map(head => compareHead({ audit: storage.store.audit, keys: auditKeys([secret]) }, head))
      )).find(fault => fault !== null) ?? null
    t.equal(await against(), null)
    await behindTheServer(url, ['CREATE TABLE "earlier" AS SELECT * FROM "AuditChain"'])
    for (const organization of ['org_a', 'org_b']) await storage.store.audit.append(rowOf(organization, 7))
    t.equal(await against(), null, 'a chain that has grown still has its old head')
    const later = (await storage.store.audit.heads({ limit: 200, after: null }, {})).items.map((
      { id, sequence, hash }
    ) => ({ chain: id, sequence, hash }))

    await dropTriggers(url)
    await behindTheServer(url, [
      'CREATE TABLE "saved" AS SELECT * FROM "AuditEvent"', 'CREATE TABLE "savedChain" AS SELECT * FROM "AuditChain"'
    ])
    const found = async (
      what: string, statements: string[], expected: object | null, check = async () => (await verify(storage)).fault
    ) => {
      await behindTheServer(url, statements)
      t.match(await check(), expected as never, what)
      await behindTheServer(url, [
        'DELETE FROM "AuditEvent"', 'INSERT INTO "AuditEvent" SELECT * FROM "saved"', 'DELETE FROM "AuditChain"',
        'INSERT INTO "AuditChain" SELECT * FROM "savedChain"'
      ])
    }
    const cut = 'DELETE FROM "AuditEvent" WHERE "chain" = \'org_b\' AND "sequence" > 4'
    await found('the end is gone', [cut], { chain: 'org_b', sequence: 5, problem: 'cut' })
    const hash = 'SELECT "hash" FROM "AuditEvent" WHERE "chain" = \'org_b\' AND "sequence" = 4'
    await found('the end is gone and the head set back', [
      cut, `UPDATE "AuditChain" SET "sequence" = 4, "hash" = (${hash}) WHERE "id" = 'org_b'`
    ], { chain: 'org_b', sequence: 4, problem: 'head_edited' })
    await found('the head alone is set back', [
      'DELETE FROM "AuditChain" WHERE "id" = \'org_b\'',
      'INSERT INTO "AuditChain" SELECT * FROM "earlier" WHERE "id" = \'org_b\''
    ], { chain: 'org_b', sequence: 7, problem: 'beyond_head' })
    await found('the front is gone', ['DELETE FROM "AuditEvent" WHERE "chain" = \'org_b\' AND "sequence" < 3'], {
      chain: 'org_b', sequence: 1, problem: 'missing'
    })
    await found('the front is gone as if retention had done it', [
      'UPDATE "AuditChain" SET "pruned" = 2 WHERE "id" = \'org_b\'',
      'DELETE FROM "AuditEvent" WHERE "chain" = \'org_b\' AND "sequence" < 3'
    ], { chain: 'org_b', problem: 'head_edited' })
    await found('a head is gone', ['DELETE FROM "AuditChain" WHERE "id" = \'org_b\''], {
      chain: 'org_b', sequence: 1, problem: 'no_head'
    })
    await found('a whole chain is gone', [
      'DELETE FROM "AuditChain" WHERE "id" = \'org_b\'', 'DELETE FROM "AuditEvent" WHERE "chain" = \'org_b\''
    ], { chain: 'org_b', problem: 'chain_gone' })
    const back = [
      'DELETE FROM "AuditEvent" WHERE "chain" = \'org_b\' AND "sequence" > 6',
      'DELETE FROM "AuditChain" WHERE "id" = \'org_b\'',
      'INSERT INTO "AuditChain" SELECT * FROM "earlier" WHERE "id" = \'org_b\''
    ]
    await found('somebody kept the old head: the database alone cannot tell', back, null)
    heads.splice(0, heads.length, ...later)
    await found('but the later head can', back, { chain: 'org_b', sequence: 7, problem: 'cut' }, against)
    await found('all of it is gone', ['DELETE FROM "AuditEvent"', 'DELETE FROM "AuditChain"'], {
      problem: 'chain_gone'
    }, against)
    t.strictSame((await verify(storage)).fault, null)
  })

  tap.test(`L2: a head that was put back to its own earlier state is noticed by the next change [${name}]`, async t => {
    const { url, storage } = await written(t, fresh, 2)
    await behindTheServer(url, ['CREATE TABLE "savedChain" AS SELECT * FROM "AuditChain" WHERE "id" = \'org_a\''])
    await storage.store.audit.append(rowOf('org_a', 3))
    await behindTheServer(url, [
      'DELETE FROM "AuditChain" WHERE "id" = \'org_a\'', 'INSERT INTO "AuditChain" SELECT * FROM "savedChain"'
    ])
    await t.rejects(storage.store.audit.append(rowOf('org_a', 4)), {
      code: 'audit_chain_broken', message: /audit chain org_a is broken: row 3 is there already/
    })
    await storage.store.audit.append(rowOf('org_b', 3))
  })

  tap.test(`L2: many changes at once keep every chain unbroken, within a server and between two [${name}]`, async t => {
    const { url, drop } = await fresh()
    const first = await openStorage(url, { limits: patientLimits, secrets: [secret] })
    const second = name === 'postgresql' ? await openStorage(url, { limits: patientLimits, secrets: [secret] }) : first
    t.teardown(async () => {
      await first.close()
      if (second !== first) await second.close()
      await drop()
    })
    const operations = [first, second].map(({ store }) => ({ store, clock: () => at, actor: systemActor }))
    const organization = await createOrganization(operations[0]!, { name: 'busy' })
    const began = performance.now()
    const changes = 150
    await Promise.all(Array.from({ length: changes }, (_, i) => i % 5 === 0
      ? createOrganization(operations[i % 2]!, { name: `another ${i}` })
      : updateOrganization(operations[i % 2]!, organization.id, { name: `name ${i}` })))
    t.comment(`${changes} changes at once in ${Math.round(performance.now() - began)} ms`)
    t.equal((await first.store.audit.head(organization.id))!.sequence, 1 + changes * 4 / 5)
    t.strictSame(
      await verify(first), { checked: 1 + changes + 1 + changes / 5, fault: null },
      'a row for each change, and one for each chain'
    )
  })

  tap.test(`L2: a server that is killed leaves no change without its row and no row without its change [${name}]`, async t => {
    const { url, drop } = await fresh()
    t.teardown(drop)
    await (await openStorage(url, { limits: patientLimits, secrets: [secret] })).close()
    for (const patience of [40, 90, 170]) {
      const child = spawn(process.execPath, [join(import.meta.dirname, '../support/audited-load.ts'), url, secret], {
        stdio: ['ignore', 'pipe', 'inherit']
      })
      await once(child.stdout, 'data')
      await new Promise(resolve => setTimeout(resolve, patience))
      child.kill('SIGKILL')
      await once(child, 'exit')
    }
    const storage = await openStorage(url, { limits: patientLimits, secrets: [secret] })
    t.teardown(() => storage.close())
    const organizations = []
    for (let after = null, more = true; more;) {
      const page = await storage.store.organizations.page({ limit: 200, after }, {})
      organizations.push(...page.items)
      more = page.hasMore
      after = page.items.at(-1) as never
    }
    t.ok(organizations.length >= 3)
    const rows = []
    for await (
      const batch of exportAudit({ store: storage.store, clock: () => new Date() }, { type: 'organization.created' })
    ) rows.push(...batch)
    t.strictSame(rows.map(({ subject }) => subject).sort(), organizations.map(({ id }) => id).sort())
    t.equal((await verify(storage)).fault, null)
  })

  tap.test(`L2: rows seal under the newest secret, and old ones stay good when it is rotated away [${name}]`, async t => {
    const { url, storage: first } = await written(t, fresh, 2)
    await first.close()
    const newer = newSecret()
    const second = await openStorage(url, { limits: patientLimits, secrets: [newer, secret] })
    await openChains(second.store, () => at, auditKeys([newer, secret]))
    await openChains(second.store, () => at, auditKeys([newer, secret]))
    await second.store.audit.append(rowOf('org_a', 3))
    const [recorded] = await second.store.audit.about(deploymentChain, auditKeys([secret])[0]!.id, [
      'audit.key_recorded'
    ])
    t.match(recorded, { sequence: 5, actor: 'system', detail: {} })
    t.strictSame(await verify(second, [newer, secret]), { checked: 10, fault: null }, 'it is recorded once')
    t.strictSame(
      await verify(second, [newer]), { checked: 10, fault: null },
      'the heads are sealed anew: the old secret is not needed any more'
    )
    t.match(await verify(second, [secret]), { fault: { problem: 'head_key_unknown' } })
    t.match(await verify(second, [newSecret()]), { fault: { problem: 'head_key_unknown' } })
    await second.close()
  })

  tap.test(`L2: rows that are older than the chains are closed off, and a change of them is found from then on [${name}]`, async t => {
    const { url, storage } = await written(t, fresh, 4)
    // As the migration leaves them.
    await dropTriggers(url)
    await behindTheServer(url, [
      'DELETE FROM "AuditEvent" WHERE "type" = \'audit.chain_opened\'',
      'UPDATE "AuditEvent" SET "sequence" = "sequence" - 2 WHERE "chain" = \'deployment\' AND "sequence" > 2',
      'UPDATE "AuditEvent" SET "key" = \'\', "hash" = \'\', "mac" = \'\', "previous" = \'\'',
      'UPDATE "AuditChain" SET "key" = \'\', "hash" = \'\', "mac" = \'\', "sequence" = 4',
    ])
    t.match(await verify(storage), { fault: { problem: 'not_closed_off' } })
    for (const organization of ['org_a', null]) {
      await t.rejects(storage.store.audit.append(rowOf(organization, 8)), { code: 'audit_chain_broken' })
    }
    await closeOffOlderRows(storage.store, () => at)
    await closeOffOlderRows(storage.store, () => at)
    await storage.store.audit.append(rowOf('org_a', 9))
    t.strictSame(await verify(storage), { checked: 12 + 3 + 2 + 1, fault: null })
    await behindTheServer(url, ['UPDATE "AuditEvent" SET "actor" = \'x\' WHERE "chain" = \'org_b\' AND "sequence" = 2'])
    t.match(await verify(storage), { fault: { chain: 'org_b', sequence: 5, problem: 'pinned_edited' } })
    await behindTheServer(url, [
      'UPDATE "AuditEvent" SET "actor" = \'admin\' WHERE "chain" = \'org_b\' AND "sequence" = 2',
      'DELETE FROM "AuditEvent" WHERE "chain" = \'org_b\' AND "sequence" = 4'
    ])
    t.match(await verify(storage), { fault: { chain: 'org_b', sequence: 5, problem: 'pinned_edited' } })
  })

  tap.test(`retention removes the oldest rows of a chain, says so in it, and the chain stays whole [${name}]`, async t => {
    const { url, storage } = await written(t, fresh)
    const operation = { store: storage.store, clock: () => new Date(at.getTime() + 60_000), actor: systemActor }
    const before = (i: number) => new Date(at.getTime() + i * 1_000)
    t.strictSame(await pruneAudit(operation, auditKeys([secret]), 'org_a', before(4)), {
      chain: 'org_a', rows: 3, through: 3, more: false
    })
    t.strictSame(await pruneAudit(operation, auditKeys([secret]), 'org_a', before(4)), {
      chain: 'org_a', rows: 0, through: 3, more: false
    }, 'twice changes nothing')
    t.strictSame(
      (await storage.store.audit.chained({ chain: 'org_a', sequence: 0 }, 10, {})).map((
        { sequence, type }
      ) => [sequence, type]),
      [
        [4, 'api_key.created'], [5, 'api_key.created'], [6, 'api_key.created'], [7, 'audit.pruned']
      ]
    )
    t.equal((await verify(storage)).fault, null)
    t.strictSame(await pruneAudit(operation, auditKeys([secret]), 'org_a', before(6)), {
      chain: 'org_a', rows: 2, through: 5, more: false
    })
    t.strictSame((await pruneAudit(operation, auditKeys([secret]), null, before(3))).chain, deploymentChain)
    t.equal((await verify(storage)).fault, null)
    await t.rejects(pruneAudit(operation, auditKeys([secret]), 'org_a', before(61)), { code: 'invalid_request' })
    await t.rejects(pruneAudit(operation, auditKeys([secret]), 'org_nowhere', before(6)), { code: 'not_found' })
    await t.rejects(
      behindTheServer(url, ['DELETE FROM "AuditEvent" WHERE "chain" = \'org_a\' AND "sequence" = 6']), /audit rows are/
    )
    await dropTriggers(url)
    await behindTheServer(url, [
      'DELETE FROM "AuditEvent" WHERE "chain" = \'org_a\' AND "type" = \'audit.pruned\' AND "sequence" = 8'
    ])
    t.match((await verify(storage)).fault, { chain: 'org_a', sequence: 8, problem: 'cut' })
  })

  tap.test(`an export of many rows holds few of them in memory [${name}]`, async t => {
    const { storage } = await written(t, fresh, 1)
    const rows = 1_301
    for (let i = 1; i < rows; i += 50) {
      await storage.store.transaction(async tx => {
        for (let j = 0; j < 50; j++) await tx.audit.append(rowOf('org_a', 1))
      })
    }
    let greatest = 0
    let count = 0
    for await (
      const batch of exportAudit({ store: storage.store, clock: () => new Date('2028-01-01') }, {
        organizationId: 'org_a'
      })
    ) {
      greatest = Math.max(greatest, batch.length)
      t.strictSame([batch[0]!.sequence, batch.at(-1)!.sequence], [count + 1, count + batch.length])
      count += batch.length
    }
    t.strictSame([count, greatest], [rows, 500])
    t.strictSame((await verify(storage, [secret], 1_000)).fault, null)
  })
}
