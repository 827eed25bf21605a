/**
 * Changes that a failover of the database lost after they were acknowledged: a standby became the primary without
 * having received them. A server that knows of such a change has the credentials concerned refused until an operator
 * decides (docs/replicas.md): a revocation may be among them, and no record tells which.
 */
import { newId } from '../../secrets/random.ts'
import { auditEvent } from '../audit/event.ts'
import type { Page, PageQuery } from '../core/page.ts'
import { requireVisible } from '../core/operation.ts'
import { type Operation } from '../core/operation.ts'
import type { AuditPort } from '../audit/log.ts'

/**
 * The kinds that can be refused. `access_token`: a single token, by its `jti`. `organization`, `deployment`: all
 * credentials of it.
 */
export const lostKinds = [
  'deployment', 'organization', 'member',
  'client', 'api_key', 'publishable_key', 'webhook_token', 'registration_token', 'management_token', 'access_token',
  'authorization', 'trusted_issuer',
] as const
export type LostKind = typeof lostKinds[number]

/** Stands for the id if all of a kind are concerned. */
export const everyone = '*'

/**
 * `undecided`: refused. `accepted`: the state in the database holds. `revoked`: revoked again by the usual command.
 * `gone`: the record is gone, so there is nothing to refuse.
 */
export const lostStates = ['undecided', 'accepted', 'revoked', 'gone'] as const
export type LostState = typeof lostStates[number]

/**
 * The subject of a refusal: the id of a record, or the `jti` of a token; `everyone`: all of the kind, always so for the
 * deployment.
 */
export interface Refused { kind: LostKind, subject: string }

export interface LostChange extends Refused {
  /** `lch_…` */
  id: string
  /** The lost entry of the change feed. */
  entryId: string
  /** Null: the deployment, or unknown. */
  organizationId: string | null
  /** The time of the change, by the clock of the database that had it. */
  changedAt: Date
  /** The time at which the loss was found. */
  createdAt: Date
  state: LostState
  /** The time and the actor of the decision; null: undecided, or decided by the command that revoked it again. */
  decidedAt: Date | null
  decidedBy: string | null
}

/** A lost entry of the change feed, and the records concerned. `isThere`: whether the record still exists. */
export interface LostEntry {
  entryId: string
  changedAt: Date
  about: readonly (Refused & { organizationId: string | null, isThere: boolean })[]
}

/** The history of a database: a promotion, or a restore to a point in time, begins another timeline. */
export interface DatabaseHistory { system: string | null, timeline: number | null }

export interface LostChangeRepository {
  /** Inserts it unless another server has; returns whether it was inserted. */
  insert (change: LostChange): Promise<boolean>
  get (id: string): Promise<LostChange | null>
  /** @returns how many were undecided. */
  acceptAll (at: Date, by: string): Promise<number>
  accept (id: string, at: Date, by: string): Promise<void>
  page (query: PageQuery, filter: { state?: LostState }): Promise<Page<LostChange>>
  /**
   * Records the history of the database that a server follows. If no server has followed it before, returns the one
   * followed until then; null: it is known, or is the first.
   */
  follow (replicaId: string, history: DatabaseHistory): Promise<DatabaseHistory | null>
}

export interface LostChangePort { lostChanges: LostChangeRepository }

/** Changes in one transaction, at most. */
const atOnce = 200

/** Changes that an audit row names, at most. */
const named = 50

/**
 * Refuses the subjects of lost entries from now on. A batch that no other server recorded becomes one audit row.
 * Returns the changes that were new.
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
 * Records the history of the database that a server follows. A history that no server has followed yet, and that this
 * one cannot compare with its own memory, may lack acknowledged changes: that is audited. Returns whether it was.
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

/**
 * Accepts the database's state of a lost change, and ends the refusal.
 * @throws Failure `not_found`.
 */
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

/** As `acceptLostChange`, for all undecided ones; returns how many. */
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
