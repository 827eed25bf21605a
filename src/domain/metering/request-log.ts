/**
 * The log of requests of each credential: the last ones, for people that ask what it does and why it was refused. It is
 * bounded in rows of a second, in rows of an organization and of a credential in a second, in rows of a credential at
 * all, and in days. Requests note in memory; a background job writes. A request that finds no room is not logged, and
 * is not counted here: usage has every call, and the audit log the number of refusals.
 */
import { recordedBlock } from '../../base/ip-address.ts'
import { lru } from '../../base/lru.ts'
import type { Clock } from '../../base/clock.ts'
import { newId } from '../../secrets/random.ts'
import { warn, type Report } from '../../telemetry/background.ts'
import { batchWriter } from '../core/batch-writer.ts'

/** Which requests are kept: admitted and refused ones, refused ones, none. */
export type KeptRequests = 'on' | 'refused' | 'off'

/** A request to a guarded route. Holds no secret, no path and no address: a route, and a block of addresses. */
export interface LoggedRequest {
  id: string
  createdAt: Date
  requestId: string
  /** Of the key, client or other credential, or of the authorization by which a client acted; null: none was found. */
  credentialId: string | null
  /** Of that credential. */
  organizationId: string | null
  /** Null: any resource of this deployment. */
  resourceId: string | null
  /** The organization that the resource belongs to; null: the deployment. */
  resourceOwner: string | null
  /** Method and path as the route declares it, such as `GET /v1/invoices/:id`. */
  route: string
  status: number
  /** The precise reason; null: it was admitted. */
  reason: string | null
  /** The block of addresses that it came from. */
  block: string
}

/** A request as it is noted. `address`: the caller's. */
export type NotedRequest = Omit<LoggedRequest, 'id' | 'createdAt' | 'block'> & { address: string }

/** What requests are looked for by: one of these. */
export type RequestSubject = { credentialId: string } | { requestId: string } | { block: string }

/** Rows that are kept of a credential: admitted ones, and as many refused ones. */
export const keptOfCredential = 100

/** Refused requests without a credential that was found, of all callers together. */
export const keptOfUnknown = 10_000

/** Days that a row is kept. */
export const requestLogDays = 30

/** Rows of which a log keeps the newest. `credentialId` null: no credential was found. */
export interface TrimmedLog { credentialId: string | null, refused: boolean, kept: number }

export interface RequestLogRepository {
  /** In one statement. */
  add (requests: readonly LoggedRequest[]): Promise<void>
  /**
   * The newest first. `visibleTo`: the organization that asks, which sees requests of its credentials and to its
   * resources; null: the deployment, which sees all.
   */
  of (subject: RequestSubject, visibleTo: string | null, limit: number): Promise<LoggedRequest[]>
  /** Deletes what is older than the newest `kept` rows; of one millisecond more may stay. */
  trim (log: TrimmedLog): Promise<void>
  /** Deletes at most `limit` rows from before an instant; returns how many. */
  prune (before: Date, limit: number): Promise<number>
}

export interface RequestLogPort { requestLog: RequestLogRepository }

export interface RequestLog {
  /** Whether an admitted request of this credential finds room now. Costs a look-up or two; reads no clock. */
  takesAdmitted (credentialId: string, organizationId: string | null): boolean
  /** Notes a request; refused ones as far as there is room. Returns at once and never throws. */
  note (request: NotedRequest): void
  /** Writes what was noted. Rows that cannot be written wait for the next batch. */
  flush (): Promise<void>
  /** Writes the rest and stops, with retries until `until`, by `performance.now()`. Returns the number of lost rows. */
  stop (until?: number): Promise<number>
}

/**
 * Rows in an interval: of all, of an organization, of a credential. Beyond these, `first` rows, and of an organization
 * `firstOfOrganization`, are reserved for credentials without a row in the interval, so that the flood of one
 * credential or one organization does not hide that another was refused.
 */
interface Room {
  all: number
  organization: number
  credential: number
  first: number
  firstOfOrganization: number
}

const rooms: Readonly<Record<'admitted' | 'refused', Room>> = {
  admitted: { all: 50, organization: 25, credential: 5, first: 50, firstOfOrganization: 5 },
  refused: { all: 100, organization: 50, credential: 25, first: 100, firstOfOrganization: 10 },
}
const noRoom: Room = { all: 0, organization: 0, credential: 0, first: 0, firstOfOrganization: 0 }

/** Intervals whose rows wait at once, at most: a write takes rows of two, and rows that failed take no more. */
const waitingIntervals = 2
const most = waitingIntervals * (rowsIn(rooms.admitted) + rowsIn(rooms.refused))

/** Calls `end` once, when the interval that begins now ends. */
export type Interval = (end: () => void) => void

/** By a timer: a look at the clock costs several times as much as all else that a request without room does. */
const second: Interval = end => { setTimeout(end, 1_000).unref() }

/** Rows of a credential between two trims, and trims in a batch, at most. */
const untrimmed = 50
const trimsAtOnce = 20

/** Logs whose length is known, at most; another is trimmed when it is met again. */
const knownLogs = 10_000

/** Writes once in `intervalMs`, and when asked to. The room is that of an `interval`, however often it writes. */
export function requestLog (
  repository: Pick<RequestLogRepository, 'add' | 'trim'>, kept: KeptRequests, clock: Clock, report: Report = warn,
  intervalMs = 1_000, interval: Interval = second
): RequestLog {
  const admitted = waitingRows(kept === 'on' ? rooms.admitted : noRoom, interval)
  const refused = waitingRows(kept === 'off' ? noRoom : rooms.refused, interval)
  /** Rows since the last trim, by log. */
  const sinceTrim = lru<{ log: TrimmedLog, rows: number }>(knownLogs)

  const trim = async (rows: readonly LoggedRequest[]) => {
    const due = new Map<string, TrimmedLog>()
    for (const { credentialId, reason } of rows) {
      const log = logOf(credentialId, reason !== null)
      const name = `${log.credentialId} ${log.refused}`
      const known = sinceTrim.get(name)
      if (known === undefined || known.rows >= untrimmed) due.set(name, log)
      if (known === undefined) sinceTrim.set(name, { log, rows: untrimmed })
      else known.rows++
    }
    for (const [name, log] of [...due].slice(0, trimsAtOnce)) {
      await repository.trim(log)
      sinceTrim.set(name, { log, rows: 0 })
    }
  }
  const write = async (atOnce: number) => {
    const stopped = refused.take(atOnce)
    const passed = admitted.take(atOnce - stopped.length)
    const rows = [...passed, ...stopped]
    try {
      await repository.add(rows)
    } catch (error) {
      admitted.giveBack(passed)
      refused.giveBack(stopped)
      throw error
    }
    await trim(rows)
  }
  const size = () => admitted.size() + refused.size()
  const { schedule, flush, stop } = batchWriter({ size, write }, intervalMs, most, report)
  return {
    takesAdmitted: (credentialId, organizationId) => admitted.hasRoom(credentialId, organizationId ?? deployment),
    note ({ address, ...request }) {
      const rows = request.reason === null ? admitted : refused
      const [party, owner] = partyOf(request)
      if (!rows.hasRoom(party, owner)) return
      rows.add({ id: newId('lrq'), createdAt: clock(), ...request, block: recordedBlock(address) }, party, owner)
      schedule()
    },
    flush,
    async stop (until) {
      await stop(until)
      return size()
    },
  }
}

function logOf (credentialId: string | null, refused: boolean): TrimmedLog {
  return { credentialId, refused, kept: credentialId === null ? keptOfUnknown : keptOfCredential }
}

/** Owners that are no organization. Ids have a prefix, so none is equal to these. */
const deployment = 'deployment'
const strangers = 'strangers'

/**
 * Whose row it is, and whose share it takes. Requests without a credential share a room, so that they take none of an
 * organization; in it they are told apart by the owner of the resource, which sees them.
 */
function partyOf (request: Omit<NotedRequest, 'address'>): [party: string, owner: string] {
  const { credentialId, organizationId, resourceOwner } = request
  if (credentialId === null) return [resourceOwner ?? deployment, strangers]
  return [credentialId, organizationId ?? deployment]
}

function rowsIn ({ all, first }: Room): number {
  return all + first
}

/** Rows that wait for a batch. What takes them makes no room: that comes with the next interval. */
function waitingRows (room: Room, interval: Interval) {
  let rows: LoggedRequest[] = []
  const mostWaiting = waitingIntervals * rowsIn(room)
  const { has, take } = roomOf(room, interval)
  return {
    size: () => rows.length,
    hasRoom: (party: string, owner: string) => rows.length < mostWaiting && has(party, owner),
    add (row: LoggedRequest, party: string, owner: string) {
      rows.push(row)
      take(party, owner)
    },
    /** The oldest `count` rows. */
    take: (count: number) => rows.splice(0, count),
    giveBack (failed: readonly LoggedRequest[]) {
      rows = [...failed, ...rows].slice(0, mostWaiting)
    }
  }
}

/** The room of the present interval. Remembers those that took some of it, so never more than there are rows. */
function roomOf (room: Room, interval: Interval) {
  let [shared, reserved] = [0, 0]
  const ofParty = new Map<string, number>()
  const ofOwner = new Map<string, { shared: number, reserved: number }>()
  const isShared = (owner: string) => shared < room.all && (ofOwner.get(owner)?.shared ?? 0) < room.organization
  const isReserved = (owner: string) =>
    reserved < room.first && (ofOwner.get(owner)?.reserved ?? 0) < room.firstOfOrganization
  const renew = () => {
    shared = reserved = 0
    ofParty.clear()
    ofOwner.clear()
  }
  return {
    has (party: string, owner: string): boolean {
      const taken = ofParty.get(party)
      if (taken === undefined) return isShared(owner) || isReserved(owner)
      return taken < room.credential && isShared(owner)
    },
    take (party: string, owner: string): void {
      if (ofParty.size === 0) interval(renew)
      const share = ofOwner.get(owner) ?? { shared: 0, reserved: 0 }
      if (isShared(owner)) {
        shared++
        share.shared++
      } else {
        reserved++
        share.reserved++
      }
      ofOwner.set(owner, share)
      ofParty.set(party, (ofParty.get(party) ?? 0) + 1)
    },
  }
}
