/**
 * What a failover of the database has lost although it had been answered: a standby became the primary before it had
 * received the last changes. A server that knows of such a change has what it was about refused until an operator has
 * decided (docs/replicas.md): a revocation may be among them, and no record tells which.
 */
import { newId } from '../../secrets/random.ts'
import { auditEvent } from '../audit/event.ts'
import type { Page, PageQuery } from '../core/page.ts'
import { requireVisible } from '../core/operation.ts'
import { type Operation } from '../core/operation.ts'
import type { AuditPort } from '../audit/log.ts'

/**
 * What can be refused. `access_token`: a single token, by its `jti`. `organization`, `deployment`: every credential
 * there.
 */
export const lostKinds = [
  'deployment', 'organization', 'member',
  'client', 'api_key', 'publishable_key', 'webhook_token', 'registration_token', 'management_token', 'access_token',
] as const
export type LostKind = typeof lostKinds[number]

/** Stands for the id where all of a kind are meant. */
export const everyone = '*'

/**
 * `undecided`: refused. `accepted`: what the database says is true. `revoked`: it was revoked again, by the usual
 * command. `gone`: what it was about is not there any more, so there is nothing to refuse.
 */
export const lostStates = ['undecided', 'accepted', 'revoked', 'gone'] as const
export type LostState = typeof lostStates[number]

/**
 * What is refused: the id of a record or the `jti` of a token; `everyone`: all of the kind, of the deployment always.
 */
export interface Refused { kind: LostKind, subject: string }

export interface LostChange extends Refused {
  /** `lch_…` */
  id: string
  /** The entry of the change feed that is not there any more. */
  entryId: string
  /** Null: the deployment, or it is not known. */
  organizationId: string | null
  /** When the change was made, by the clock of the database that had it. */
  changedAt: Date
  /** When it was found to be lost. */
  createdAt: Date
  state: LostState
  /** When and by which actor it was decided; null: not yet, or by the command that revoked it again. */
  decidedAt: Date | null
  decidedBy: string | null
}

/** An entry of the change feed that is gone, and what it was about. `isThere`: whether there still is such a record. */
export interface LostEntry {
  entryId: string
  changedAt: Date
  about: readonly (Refused & { organizationId: string | null, isThere: boolean })[]
}

/**
 * The history of a database that a server follows: what a promotion or a restore to a point in time gives another
 * timeline.
 */
export interface DatabaseHistory { system: string | null, timeline: number | null }

export interface LostChangeRepository {
  /** Adds it, unless another server did; returns whether it was added. */
  insert (change: LostChange): Promise<boolean>
  get (id: string): Promise<LostChange | null>
  /** @returns how many there were to decide. */
  acceptAll (at: Date, by: string): Promise<number>
  accept (id: string, at: Date, by: string): Promise<void>
  page (query: PageQuery, filter: { state?: LostState }): Promise<Page<LostChange>>
  /**
   * Notes which history of the database a server follows. Returns the one that servers followed before, if none of them
   * has followed this one yet: null, if it is known, or the first that is.
   */
  follow (replicaId: string, history: DatabaseHistory): Promise<DatabaseHistory | null>
}

export interface LostChangePort { lostChanges: LostChangeRepository }

/** How many changes one transaction takes. */
const atOnce = 200

/** How many changes an audit row names. */
const named = 50

/**
 * Refuses from now on what lost entries were about. A batch that no other server recorded becomes one audit row.
 * Returns those that were not known.
 */
export async function noticeLostChanges (
  { store, clock, actor }: Operation<AuditPort & LostChangePort>, entries: readonly LostEntry[]
): Promise<LostChange[]> {
  const changes = entries.flatMap(entry => changesOf(entry, clock()))
  const noticed: LostChange[] = []
  for (let i = 0; i < changes.length; i += atOnce) {
    noticed.push(...await store.transaction(async tx => {
      const added: LostChange[] = []
      for (const change of changes.slice(i, i + atOnce)) if (await tx.lostChanges.insert(change)) added.push(change)
      if (added.length > 0) {
        const about = { organizationId: null, subject: null, detail: summary(added) }
        await tx.audit.append(auditEvent(actor, clock(), 'database.lost_changes', about))
      }
      return added
    }, 'read committed'))
  }
  return noticed
}

function changesOf ({ entryId, changedAt, about }: LostEntry, now: Date): LostChange[] {
  return about.map(({ isThere, ...refused }) => {
    const known = { id: newId('lch'), entryId, ...refused, changedAt, createdAt: now, decidedBy: null }
    return isThere ? { ...known, state: 'undecided', decidedAt: null } : { ...known, state: 'gone', decidedAt: now }
  })
}

function summary (changes: readonly LostChange[]): Record<string, unknown> {
  const times = changes.map(({ changedAt }) => changedAt.getTime())
  return {
    changes: changes.length,
    from: new Date(Math.min(...times)),
    until: new Date(Math.max(...times)),
    first: changes.slice(0, named).map(({ id, kind, subject, state }) => ({ id, kind, subject, state })),
  }
}

/**
 * Notes which history of the database a server follows. One that no server has followed yet, and that this one cannot
 * compare with what it remembers, may lack changes that had been answered: that is told. Returns whether it was.
 */
export async function noticeHistory (
  { store, clock, actor }: Operation<AuditPort & LostChangePort>,
  replicaId: string,
  history: DatabaseHistory,
  remembersAll: boolean
): Promise<boolean> {
  return await store.transaction(async tx => {
    const before = await tx.lostChanges.follow(replicaId, history)
    if (before === null || remembersAll) return false
    const about = { organizationId: null, subject: null, detail: { before, now: history } }
    await tx.audit.append(auditEvent(actor, clock(), 'database.maybe_lost_changes', about))
    return true
  }, 'read committed')
}

/** Lets pass again what was refused: what the database says of it is true. @throws Failure `not_found`. */
export async function acceptLostChange (
  { store, clock, actor }: Operation<AuditPort & LostChangePort>, id: string
): Promise<LostChange> {
  return await store.transaction(async tx => {
    const change = requireVisible(actor, await tx.lostChanges.get(id), 'lost change', id)
    if (change.state !== 'undecided') return change
    const now = clock()
    await tx.lostChanges.accept(id, now, actor.id)
    const { kind, subject } = change
    const about = { organizationId: null, subject: id, detail: { kind, subject } }
    await tx.audit.append(auditEvent(actor, now, 'lost_change.accepted', about))
    return { ...change, state: 'accepted', decidedAt: now, decidedBy: actor.id }
  })
}

/** As `acceptLostChange`, of all that are undecided; returns how many. */
export async function acceptLostChanges (
  { store, clock, actor }: Operation<AuditPort & LostChangePort>
): Promise<number> {
  return await store.transaction(async tx => {
    const now = clock()
    const accepted = await tx.lostChanges.acceptAll(now, actor.id)
    const about = { organizationId: null, subject: null, detail: { accepted } }
    if (accepted > 0) await tx.audit.append(auditEvent(actor, now, 'lost_change.accepted', about))
    return accepted
  })
}
