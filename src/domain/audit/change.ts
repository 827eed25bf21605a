/** One way to change a record, and to remove it: load, visible, If-Match, delegation, audit, in one transaction. */
import type { Actor } from '../core/actor.ts'
import { requireOwnRecord, type OwnScope } from '../core/own-records.ts'
import { requireExpected, requireVisible, type Operation, type Revised } from '../core/operation.ts'
import { auditEvent, type AuditEventType } from './event.ts'
import type { AuditPort } from './log.ts'

/** The organization, subject and detail of an audit row about a record. Never holds a secret. */
export interface AuditSubject { organizationId: string | null, subject: string, detail: Record<string, unknown> }

/** How the records of one concept are found, kept and audited. */
export interface RecordKind<R, Ports> {
  /** As errors name it: `API key`. */
  name: string
  /** The organization that a record belongs to; null: the deployment. */
  organizationOf (record: R): string | null
  /** The scope that a role may give for own records alone, and the member that a record belongs to; absent: none. */
  own?: { scope: OwnScope, creatorOf (record: R): string | null }
  /** Null: not found. */
  get (tx: Ports, id: string): Promise<R | null>
  /** Stores `after`, with whatever else a change of such a record entails; returns it with its next revision. */
  update (tx: Ports, after: R, before: R, actor: Actor): Promise<R>
  about (record: R, detail: Record<string, unknown>): AuditSubject
}

/**
 * Loads a record to change.
 * @throws Failure `not_found`, also for a record of another organization; `insufficient_permissions` for a record of
 * another member, where the actor's member changes own ones alone; `precondition_failed`.
 */
export async function load<R extends Revised, Ports> (
  operation: Operation<Ports>, tx: Ports, kind: RecordKind<R, NoInfer<Ports>>, id: string
): Promise<R> {
  const found = await kind.get(tx, id)
  const owner = found === null ? null : { organizationId: kind.organizationOf(found) }
  requireVisible(operation.actor, owner, kind.name, id)
  const { own } = kind
  if (own) requireOwnRecord(operation.actor, own.scope, own.creatorOf(found!), `The ${kind.name} ${id}`)
  requireExpected(operation, found!)
  return found!
}

/**
 * Changes a record. `decide` checks the actor's rights and returns the record as it shall be, or its argument for no
 * change: then nothing is stored and no row is written.
 * @throws Failure as `load`, and as `decide`.
 */
export async function change<R extends Revised, Ports extends AuditPort> (
  operation: Operation<Ports>, kind: RecordKind<R, NoInfer<Ports>>, id: string, type: AuditEventType,
  decide: (before: R, now: Date, tx: Ports) => R | Promise<R>, detail: Record<string, unknown> = {}
): Promise<R> {
  const { store, clock, actor } = operation
  return await store.transaction(async tx => {
    const now = clock()
    const before = await load(operation, tx, kind, id)
    const after = await decide(before, now, tx)
    if (after === before) return before
    const kept = await kind.update(tx, after, before, actor)
    await tx.audit.append(auditEvent(actor, now, type, kind.about(after, detail)))
    return kept
  })
}

/** Removes a record by `discard`. @throws Failure as `load`. */
export async function remove<R extends Revised, Ports extends AuditPort> (
  operation: Operation<Ports>, kind: RecordKind<R, NoInfer<Ports>>, id: string, type: AuditEventType,
  discard: (tx: Ports, before: R) => Promise<void>
): Promise<R> {
  const { store, clock, actor } = operation
  return await store.transaction(async tx => {
    const before = await load(operation, tx, kind, id)
    await discard(tx, before)
    await tx.audit.append(auditEvent(actor, clock(), type, kind.about(before, {})))
    return before
  })
}
