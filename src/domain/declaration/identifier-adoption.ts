/**
 * Resources that an earlier version wrote, which took two spellings of one URL for two resources. Each gets the normal
 * form of its identifier, by which it is found from then on, unless another one has it.
 */
import type { ClientGenerations } from '../resources/resource.ts'
import { ConfigurationError } from '../../base/errors.ts'
import { auditEvent } from '../audit/event.ts'
import { systemActor } from '../core/actor.ts'
import { auditDetail, isBuiltIn, type Resource } from '../resources/resource.ts'
import { takeIdentifier } from './resource-declaration.ts'
import type { Operation } from '../core/operation.ts'
import type { ResourcePort } from '../resources/resource.ts'
import type { AuditPort } from '../audit/log.ts'

/** Rows in one transaction. */
const batch = 100

/**
 * Called at every start. Of two spellings of one URL an ended resource gives way, as when its identifier is declared
 * again, and any other one to a built-in resource; `ending`: ids of resources that the operator ends for it.
 * @throws ConfigurationError naming each pair of which both are in use, and every id of `ending` that is not one of a
 * pair.
 */
export async function adoptIdentifiers (
  { store, clock }: Pick<Operation<AuditPort & ClientGenerations & ResourcePort>, 'store' | 'clock'>,
  ending: readonly string[] = []
): Promise<void> {
  // A start on a database that is as it should be has only to read.
  if (ending.length === 0 && (await store.resources.withoutNormalForm('', 1)).length === 0) return
  const problems: string[] = []
  const needless = new Set(ending)
  for (let after = ''; ;) {
    const found = await store.transaction(async tx => {
      const rows = await tx.resources.withoutNormalForm(after, batch)
      const pairs: Pair[] = []
      for (const row of rows) {
        const pair = await adopt(tx, row, ending, clock())
        if (pair !== null) pairs.push(pair)
      }
      return { rows, pairs }
    })
    for (const { row, holder, ended } of found.pairs) {
      if (ended === null) problems.push(problemOf(row, holder))
      else needless.delete(ended)
    }
    if (found.rows.length < batch) break
    after = found.rows.at(-1)!.id
  }
  for (const id of needless) {
    problems.push(
      `--end-resource: ${id} is not one of two resources that are one URL; end it with \`latchkey resource revoke ` +
        `${id}\``
    )
  }
  if (problems.length > 0) throw new ConfigurationError(problems)
}

/** Two resources that are one URL and in use; `ended`: the one that the operator ended. */
interface Pair { row: Resource, holder: Resource, ended: string | null }

/** Null: it has its normal form, or gave its identifier up for one that has it. */
async function adopt (
  tx: AuditPort & ClientGenerations & ResourcePort, row: Resource, ending: readonly string[], now: Date
): Promise<Pair | null> {
  const holder = await tx.resources.byIdentifier(row.identifier)
  if (holder === null) {
    await tx.resources.normalize(row)
    return null
  }
  const givingWay = isBuiltIn(row)
    ? holder
    : [row, holder].find(each => each.revokedAt !== null) ?? (isBuiltIn(holder) ? row : undefined)
  const ended = givingWay === undefined ? [row, holder].find(({ id }) => ending.includes(id)) : undefined
  const leaving = givingWay ?? ended
  if (leaving === undefined) return { row, holder, ended: null }
  await takeIdentifier(tx, systemActor, leaving === ended ? await end(tx, ended, now) : leaving, now)
  if (leaving === holder) await tx.resources.normalize(row)
  return ended === undefined ? null : { row, holder, ended: ended.id }
}

async function end (tx: AuditPort, resource: Resource, now: Date): Promise<Resource> {
  const after = { ...resource, revokedAt: now }
  await tx.audit.append(auditEvent(systemActor, now, 'resource.revoked', auditDetail(after)))
  return after
}

function problemOf (one: Resource, other: Resource): string {
  const told = ({ id, identifier, organizationId }: Resource) =>
    `${id} (${identifier}, ${organizationId ?? 'of the deployment'})`
  const commands = [one, other].map(({ id }) => `\`latchkey migrate --end-resource ${id}\``)
  return `the database has two resources for one URL, ${told(one)} and ${
    told(other)
  }: end one of them, and what was granted for it, with ${commands.join(' or ')}`
}
