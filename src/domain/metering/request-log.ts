/**
 * The log of requests of each credential: the last ones, for people that ask what it does and why it was refused. It is
 * bounded in rows of a second, in rows of a credential in a second and at all, and in days. Requests note in memory; a
 * background job writes. A request that finds no room is not logged, and is not counted here: usage has every call, and
 * the audit log the number of refusals.
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
  /** Whether an admitted request of this credential finds room now. Costs a comparison where there is none. */
  takesAdmitted (credentialId: string): boolean
  /** Notes a request; refused ones as far as there is room. Returns at once and never throws. */
  note (request: NotedRequest): void
  /** Writes what was noted. Rows that cannot be written wait for the next batch. */
  flush (): Promise<void>
  /** Writes the rest and stops, with retries until `until`, by `performance.now()`. Returns the number of lost rows. */
  stop (until?: number): Promise<number>
}

/** Rows in an interval, of all credentials and of one. */
interface Room { all: number, each: number }

const rooms: Readonly<Record<'admitted' | 'refused', Room>> = {
  admitted: { all: 50, each: 5 }, refused: { all: 100, each: 25 }
}
const most = rooms.admitted.all + rooms.refused.all

/** Rows of a credential between two trims, and trims in a batch, at most. */
const untrimmed = 50
const trimsAtOnce = 20

/** Logs whose length is known, at most; another is trimmed when it is met again. */
const knownLogs = 10_000

/** Writes at most once in `intervalMs`. */
export function requestLog (
  repository: Pick<RequestLogRepository, 'add' | 'trim'>, kept: KeptRequests, clock: Clock, report: Report = warn,
  intervalMs = 1_000
): RequestLog {
  const admitted = waitingRows(kept === 'on' ? rooms.admitted : { all: 0, each: 0 })
  const refused = waitingRows(kept === 'off' ? { all: 0, each: 0 } : rooms.refused)
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
  const write = async () => {
    const [passed, stopped] = [admitted.take(), refused.take()]
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
    takesAdmitted: credentialId => admitted.hasRoom(credentialId),
    note ({ address, ...request }) {
      const rows = request.reason === null ? admitted : refused
      if (!rows.hasRoom(request.credentialId ?? '')) return
      rows.add({ id: newId('lrq'), createdAt: clock(), ...request, block: recordedBlock(address) })
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

/** Rows that wait for a batch, within the room of an interval. */
function waitingRows ({ all, each }: Room) {
  let rows: LoggedRequest[] = []
  const ofEach = new Map<string, number>()
  return {
    size: () => rows.length,
    hasRoom: (credentialId: string) => rows.length < all && (ofEach.get(credentialId) ?? 0) < each,
    add (row: LoggedRequest) {
      rows.push(row)
      const party = row.credentialId ?? ''
      ofEach.set(party, (ofEach.get(party) ?? 0) + 1)
    },
    take () {
      const taken = rows
      rows = []
      ofEach.clear()
      return taken
    },
    giveBack (failed: readonly LoggedRequest[]) {
      rows = [...failed, ...rows].slice(0, all)
    }
  }
}
