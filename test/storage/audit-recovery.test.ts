/** A broken chain refuses every change until an operator closes it off; the finding is reported from then on. */
import type { Repositories } from '../../src/domain/store.ts'
import tap from 'tap'
import { deploymentChain } from '../../src/domain/audit/chain.ts'
import { pruneAudit, recoverAudit } from '../../src/domain/audit/retention.ts'
import { compareHead, isBegun, verifyMore } from '../../src/domain/audit/verification.ts'
import { systemActor } from '../../src/domain/core/actor.ts'
import { createOrganization, updateOrganization } from '../../src/domain/tenancy/organization.ts'
import type { Operation } from '../../src/domain/core/operation.ts'
import { auditKeys } from '../../src/secrets/authentication-code.ts'
import { newSecret } from '../../src/secrets/random.ts'
import { openStorage } from '../../src/storage/index.ts'
import type { Storage } from '../../src/storage/storage.ts'
import { at, rowOf, secret, verify, written } from '../support/audit-chains.ts'
import { behindTheServer, dropTriggers } from '../support/audit-tampering.ts'
import { databases } from '../support/databases.ts'
import { patientLimits } from '../support/waiting.ts'

const keys = auditKeys([secret])
const operationOn = ({ store }: Pick<Storage, 'store'>): Operation<Repositories> => ({
  store, clock: () => new Date(at.getTime() + 60_000), actor: { ...systemActor, id: 'admin' }
})
const breaks = async ({ store }: Storage) =>
  (await verifyMore({ audit: store.audit, keys }, null)).recovered.map(({ chain, sequence }) => [chain, sequence])

for (const { name, fresh } of databases) {
  tap.test(`L2: a change that cannot be recorded is not made, and says which chain and the way out [${name}]`, async t => {
    const { url, storage } = await written(t, fresh, 1)
    const operation = operationOn(storage)
    const organization = await createOrganization(operation, { name: 'before' })
    await behindTheServer(url, [`UPDATE "AuditChain" SET "hash" = 'x' WHERE "id" = '${organization.id}'`])
    const refusal = {
      code: 'audit_chain_broken',
      status: 500,
      message:
        `The audit chain ${organization.id} is broken: its head was altered. Changes that it has to record are ` +
          'refused until an operator has verified it (latchkey audit verify) and closed it off (latchkey audit ' +
          `recover --org ${organization.id}).`
    }
    await t.rejects(updateOrganization(operation, organization.id, { name: 'after' }), refusal)
    t.equal((await storage.store.organizations.get(organization.id))!.name, 'before')
    await createOrganization(operation, { name: 'of another chain' })
    await behindTheServer(url, ['UPDATE "AuditChain" SET "key" = \'unknown\' WHERE "id" = \'deployment\''])
    await t.rejects(createOrganization(operation, { name: 'no more' }), {
      code: 'audit_chain_broken',
      message:
        /chain deployment is broken: its head is sealed under a secret that is not in LATCHKEY_SECRET.*recover --deployment/
    })
    t.notOk(
      (await storage.store.organizations.page({ limit: 50, after: null }, {})).items.some(({ name }) =>
        name === 'no more'
      )
    )
    await recoverAudit(operation, keys, null)
    await recoverAudit(operation, keys, organization.id)
    await updateOrganization(operation, organization.id, { name: 'after' })
    t.equal((await verify(storage)).fault, null)
  })

  tap.test(`L2: a chain that was closed off goes on, goes on saying what was found, and what was found cannot be changed any more [${name}]`, async t => {
    const { url, storage } = await written(t, fresh)
    const operation = operationOn(storage)
    const { audit } = storage.store
    const known = (await audit.head('org_a'))!
    await t.rejects(recoverAudit(operation, keys, 'org_a'), {
      code: 'conflict', message: 'The audit chain org_a is whole; nothing to recover.'
    })
    await t.rejects(recoverAudit(operation, keys, 'org_nowhere'), { code: 'not_found' })
    await dropTriggers(url)
    await behindTheServer(url, [
      'UPDATE "AuditEvent" SET "actor" = \'somebody\' WHERE "chain" = \'org_a\' AND "sequence" = 2',
      'DELETE FROM "AuditEvent" WHERE "chain" = \'org_a\' AND "sequence" = 6'
    ])
    t.match(await recoverAudit(operation, keys, 'org_a'), {
      chain: 'org_a', rows: 5, sequence: 7, fault: { sequence: 2, problem: 'edited' }
    }, 'the number of a row that is gone is not given out again')
    const [record] = await audit.about('org_a', 'org_a', ['audit.chain_recovered'])
    t.match(record, {
      sequence: 7,
      actor: 'admin',
      detail: { problem: 'edited', row: 2, rows: 5, head: { sequence: 6, hash: known.hash } }
    })
    t.match(await audit.about(deploymentChain, 'org_a', ['audit.chain_recovered']), [{
      detail: { problem: 'edited', sequence: 7 }
    }])
    await audit.append(rowOf('org_a', 8))
    t.equal((await verify(storage)).fault, null)
    for (const limit of [1, 2, 100]) t.equal((await verify(storage, [secret], limit)).fault, null)
    t.strictSame(await breaks(storage), [['org_a', 7]])
    t.match(await compareHead({ audit, keys }, { chain: 'org_a', sequence: known.sequence, hash: known.hash }), {
      sequence: 6, problem: 'missing'
    }, 'heads of before go on saying what is gone')

    const tampered = async (statements: string[], expected: object) => {
      await behindTheServer(url, ['CREATE TABLE "saved" AS SELECT * FROM "AuditEvent"', ...statements])
      t.match((await verify(storage)).fault, expected, statements[0]!)
      await behindTheServer(url, [
        'DELETE FROM "AuditEvent"', 'INSERT INTO "AuditEvent" SELECT * FROM "saved"', 'DROP TABLE "saved"'
      ])
    }
    for (const edit of ['"actor" = \'admin\'', '"mac" = \'x\'', '"hash" = \'x\'', '"key" = \'x\'']) {
      await tampered([`UPDATE "AuditEvent" SET ${edit} WHERE "chain" = 'org_a' AND "sequence" = 2`], {
        chain: 'org_a', sequence: 7, problem: 'pinned_edited'
      })
    }
    await tampered(['DELETE FROM "AuditEvent" WHERE "chain" = \'org_a\' AND "sequence" = 3'], {
      chain: 'org_a', sequence: 7, problem: 'pinned_edited'
    })
    await tampered(['DELETE FROM "AuditEvent" WHERE "chain" = \'org_a\' AND "sequence" = 7'], { chain: 'org_a' })
    await tampered(['UPDATE "AuditEvent" SET "detail" = \'{}\' WHERE "chain" = \'org_a\' AND "sequence" = 7'], {
      chain: 'org_a', sequence: 7, problem: 'edited'
    })
    await tampered(['UPDATE "AuditEvent" SET "subject" = NULL WHERE "chain" = \'org_a\' AND "sequence" = 7'], {
      chain: 'org_a'
    })
    await tampered(['UPDATE "AuditEvent" SET "actor" = \'x\' WHERE "chain" = \'org_a\' AND "sequence" = 8'], {
      chain: 'org_a', sequence: 8, problem: 'edited'
    })

    await behindTheServer(url, ['UPDATE "AuditEvent" SET "actor" = \'x\' WHERE "chain" = \'org_a\' AND "sequence" = 8'])
    t.match(await recoverAudit(operation, keys, 'org_a'), {
      rows: 7, sequence: 9, fault: { sequence: 8, problem: 'edited' }
    })
    t.equal((await verify(storage)).fault, null)
    t.strictSame(await breaks(storage), [['org_a', 9]])
    await audit.append(rowOf('org_a', 70))
    const later = (seconds: number) => new Date(at.getTime() + seconds * 1_000)
    t.match(await pruneAudit({ ...operation, clock: () => later(120) }, keys, 'org_a', later(65)), {
      rows: 6, through: 9
    })
    t.equal((await verify(storage)).fault, null)
    t.strictSame(await breaks(storage), [['org_a', 7], ['org_a', 9]], 'retention leaves the records')
  })

  tap.test(`L2: chains that are gone begin again only when an operator says so, with that on record [${name}]`, async t => {
    const { url, storage } = await written(t, fresh, 2)
    const operation = operationOn(storage)
    const { audit } = storage.store
    t.equal(await isBegun(audit), true)
    await dropTriggers(url)
    await behindTheServer(url, ['DELETE FROM "AuditEvent"', 'DELETE FROM "AuditChain"'])
    t.match((await verify(storage)).fault, null, 'an empty database has no log')
    await storage.store.organizations.insert({ ...await organizationOf(), id: 'org_a' })
    t.match((await verify(storage)).fault, { chain: deploymentChain, problem: 'chain_gone' })
    for (const organization of ['org_a', null]) {
      await t.rejects(audit.append(rowOf(organization, 3)), {
        code: 'audit_chain_broken', message: /chain deployment is broken: its head is gone/
      })
    }
    t.match(await recoverAudit(operation, keys, null), {
      chain: deploymentChain, rows: 0, sequence: 1, fault: { problem: 'chain_gone' }
    })
    await audit.append(rowOf('org_a', 3))
    t.equal((await verify(storage)).fault, null)
    t.strictSame(await breaks(storage), [[deploymentChain, 1]])
    await behindTheServer(url, [
      'DELETE FROM "AuditEvent" WHERE "chain" = \'org_a\'', 'DELETE FROM "AuditChain" WHERE "id" = \'org_a\''
    ])
    await t.rejects(recoverAudit(operation, keys, null), {
      code: 'conflict', message: /org_a must be recovered first/
    })
    t.match(await recoverAudit(operation, keys, 'org_a'), { rows: 0, sequence: 1, fault: { problem: 'chain_gone' } })
    await audit.append(rowOf('org_a', 4))
    t.equal((await verify(storage)).fault, null)
  })

  tap.test(`L2: chains that the deployment's does not know of, because another was put in its place, are named one by one [${name}]`, async t => {
    const { url, storage } = await written(t, fresh, 2)
    await dropTriggers(url)
    await behindTheServer(url, [
      'CREATE TABLE "saved" AS SELECT * FROM "AuditEvent" WHERE "chain" <> \'deployment\'',
      'CREATE TABLE "savedChain" AS SELECT * FROM "AuditChain" WHERE "id" <> \'deployment\'',
      'DELETE FROM "AuditEvent"',
      'DELETE FROM "AuditChain"'
    ])
    await storage.store.audit.append(rowOf(null, 1))
    await behindTheServer(url, [
      'INSERT INTO "AuditEvent" SELECT * FROM "saved"', 'INSERT INTO "AuditChain" SELECT * FROM "savedChain"'
    ])
    for (const chain of ['org_a', 'org_b']) {
      t.match((await verify(storage)).fault, { chain, sequence: 2, problem: 'never_opened' })
      t.match(await recoverAudit(operationOn(storage), keys, chain), {
        sequence: 3, fault: { problem: 'never_opened' }
      })
    }
    t.equal((await verify(storage)).fault, null)
  })

  tap.test(`L2: a row that no chain has room for is not recovered from: it stays, and goes on being named [${name}]`, async t => {
    const { url, storage } = await written(t, fresh, 2)
    await dropTriggers(url)
    await behindTheServer(url, ['UPDATE "AuditEvent" SET "sequence" = 0 WHERE "chain" = \'org_a\' AND "sequence" = 2'])
    t.match((await verify(storage)).fault, { chain: 'org_a', sequence: 0, id: String, problem: 'unplaced' })
    await t.rejects(recoverAudit(operationOn(storage), keys, 'org_a'), {
      code: 'conflict', message: /remove that row from the database first/
    })
    await behindTheServer(url, ['DELETE FROM "AuditEvent" WHERE "sequence" = 0'])
    t.match(await recoverAudit(operationOn(storage), keys, 'org_a'), { fault: { problem: 'cut' } })
    t.equal((await verify(storage)).fault, null)
  })

  tap.test(`L2: a row with the last possible number has to be removed before its chain goes on [${name}]`, async t => {
    const { url, storage } = await written(t, fresh, 2)
    await dropTriggers(url)
    await behindTheServer(url, [
      `UPDATE "AuditEvent" SET "sequence" = ${Number.MAX_SAFE_INTEGER} WHERE "chain" = 'org_a' AND "sequence" = 2`
    ])
    await t.rejects(recoverAudit(operationOn(storage), keys, 'org_a'), {
      code: 'conflict', message: /chain org_a has a row with the number 9007199254740991.*remove that row/
    })
    await behindTheServer(url, ['DELETE FROM "AuditEvent" WHERE "chain" = \'org_a\' AND "sequence" > 2'])
    t.match(await recoverAudit(operationOn(storage), keys, 'org_a'), { sequence: 3, fault: { problem: 'cut' } })
    t.equal((await verify(storage)).fault, null)
  })

  tap.test(`L2: a chain whose secret is lost is closed off like another that is broken [${name}]`, async t => {
    const { storage: first, url } = await written(t, fresh, 2)
    await first.close()
    const lost = newSecret()
    const storage = await openStorage(url, { limits: patientLimits, secrets: [lost] })
    const operation = operationOn(storage)
    await t.rejects(storage.store.audit.append(rowOf('org_a', 3)), { code: 'audit_chain_broken' })
    await t.rejects(recoverAudit(operation, auditKeys([lost]), 'org_a'), {
      code: 'audit_chain_broken', message: /chain deployment is broken/
    })
    for (const organization of [null, 'org_a', 'org_b']) {
      t.match(await recoverAudit(operation, auditKeys([lost]), organization), {
        fault: { problem: 'head_key_unknown' }
      })
    }
    await storage.store.audit.append(rowOf('org_a', 3))
    t.equal((await verify(storage, [lost])).fault, null)
    await storage.close()
  })
}

async function organizationOf () {
  const limits = { callsPerMonth: null, creditsPerMonth: null, callsPerMinute: null }
  return {
    name: 'A',
    status: 'active' as const,
    features: [],
    ...limits,
    createdAt: at,
    suspendedAt: null,
    deletedAt: null,
    requiresProvider: false,
    unverifiedClients: 'allow' as const,
    revision: 1
  }
}
