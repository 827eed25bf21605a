/** Reservations: calls to AI providers that a gateway announced, until it says what each has cost. */
import type { Page, PageQuery } from '../core/page.ts'
import { globalHolder, type Holder, type TotalName } from './budget.ts'

/**
 * `open`: what it costs is not known yet. `released`: it cost nothing. `unsettled`: its end passed, and its estimate
 * was charged. A reservation of each of these may still be settled.
 */
export const reservationStatuses = ['open', 'settled', 'released', 'unsettled'] as const
export type ReservationStatus = typeof reservationStatuses[number]

/** Tokens that a call took, as its gateway reports them. */
export interface TokenCounts { inputTokens: number, outputTokens: number }

export interface Reservation extends TokenCounts {
  /** `rsv_…` */
  id: string
  /** The client that reserved: nothing else settles it. */
  clientId: string
  /** The client's own name of the call. */
  reference: string
  /** Digest of what was asked by that name. */
  fingerprint: string
  organizationId: string
  /** The API key, or the client of an access token. */
  credentialId: string
  /** Null: none was named. */
  account: string | null
  model: string
  /** Micro-dollars. */
  estimate: number
  /** What was charged, in micro-dollars; null: it is open, or was released. */
  amount: number | null
  status: ReservationStatus
  /** 'YYYY-MM-DD', UTC: it counts in this day and its month, whenever it is settled. */
  day: string
  createdAt: Date
  expiresAt: Date
  /** Null: it is open. */
  endedAt: Date | null
}

/** What the end of a reservation changes. */
export type Ending = Pick<Reservation, 'status' | 'amount' | 'endedAt' | 'inputTokens' | 'outputTokens'>

export interface ReservationRepository {
  /** @throws Failure `conflict` for a client's reference that exists. */
  insert (reservation: Reservation): Promise<void>
  get (id: string): Promise<Reservation | null>
  byReference (clientId: string, reference: string): Promise<Reservation | null>
  /** Changes it if it still has the status `from`, in one statement. False: it has another one. */
  end (id: string, from: ReservationStatus, ending: Ending): Promise<boolean>
  /** Open ones whose end passed by `before`, the oldest first. */
  expired (before: Date, limit: number): Promise<Reservation[]>
  page (query: PageQuery, filter: ReservationFilter): Promise<Page<Reservation>>
  /** Deletes at most `limit` that ended before; returns how many. */
  prune (before: Date, limit: number): Promise<number>
}

export interface ReservationFilter {
  organizationId?: string, credentialId?: string, model?: string, status?: ReservationStatus
}

/** What a credential has spent on a model in a day. `amount`: micro-dollars. */
export interface SpendLine extends TokenCounts {
  /** `spl_…` */
  id: string
  organizationId: string
  /** 'YYYY-MM-DD', UTC */
  day: string
  credentialId: string
  model: string
  amount: number
  calls: number
  /** The beginning of the day. */
  createdAt: Date
}

export interface SpendFilter {
  organizationId?: string,
  credentialId?: string,
  model?: string
  /** First and last day, 'YYYY-MM-DD'. */
  from?: string,
  to?: string
}

/** What lines are added up by. */
export const groupings = ['day', 'model', 'credential', 'organization'] as const
export type Grouping = typeof groupings[number]

export interface SpendSum extends TokenCounts { name: string, amount: number, calls: number }

export interface SpendLineRepository {
  /**
   * Adds to the line of that day, organization, credential and model, or makes it. The total of the organization is
   * locked, so no other transaction makes it meanwhile.
   */
  add (line: SpendLine): Promise<void>
  page (query: PageQuery, filter: SpendFilter): Promise<Page<SpendLine>>
  /** The sums of at most `limit` groups: days newest first, others by amount. */
  sums (by: Grouping, filter: SpendFilter, limit: number): Promise<SpendSum[]>
  /** Deletes at most `limit` lines of days before this one; returns how many. */
  prune (before: string, limit: number): Promise<number>
}

export interface SpendPort { reservations: ReservationRepository, spendLines: SpendLineRepository }

/**
 * The totals that a call counts in, in the one order in which every transaction locks them. The deployment's come last:
 * every call waits for them, so they are held the shortest.
 */
export function totalsOf (
  { organizationId, account, day }: Pick<Reservation, 'organizationId' | 'account' | 'day'>
): TotalName[] {
  const holders: Holder[] = [
    ...(account === null ? [] : [{ kind: 'account', id: account } as const]),
    { kind: 'organization', id: organizationId },
    globalHolder
  ]
  return holders.flatMap(holder => [day, day.slice(0, 7)].map(period => ({ holder, period })))
}
