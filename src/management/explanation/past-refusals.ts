/**
 * The last refusals of a credential, of a request or from an address: those of the request log, and those that the
 * audit log has beside it, of which it keeps one a minute with the number of the others.
 */
import { remedies, type Explained } from '../../guard/refusal/remedies.ts'
import { recordedBlock } from '../../base/ip-address.ts'
import type { AuditEvent, AuditEventType } from '../../domain/audit/event.ts'
import type { AuditFilter } from '../../domain/audit/log.ts'
import type { LoggedRequest, RequestSubject } from '../../domain/metering/request-log.ts'
import type { Store } from '../../domain/store.ts'
import type { DescribedCredential } from './described-credential.ts'

export interface PastRefusal extends Explained {
  createdAt: Date
  reason: string
  /** Null: it is not known any more. */
  status: number | null
  /** Null: none was found, or it belongs to another organization. */
  credentialId: string | null
  resourceId: string | null
  route: string | null
  requestId: string | null
  /** The block of addresses that it came from. */
  block: string | null
  /** Refusals of the same credential for the same reason in the same minute that the audit log only counted. */
  omitted: number
}

/** Whose refusals are looked for. `visibleTo`: the organization that asks; null: the deployment. */
export interface RefusalQuestion {
  logged: RequestSubject
  audited: AuditFilter
  /** Audit rows about other authorizations of the same member are left out; absent: none are. */
  authorizationId?: string | null
  visibleTo: string | null
}

/** Refusals that are shown, at most. */
export const mostRefusals = 20

/** Rows that are read of a log, at most: some of those of a request may be of admitted ones. */
const mostRead = 100

/** Types of events that refuse a request, each with what to do where its reason is no reason of the guard. */
const refusalTypes: Readonly<Partial<Record<AuditEventType, string>>> = {
  'credential.refused': 'Look the reason up in docs/audit.md.',
  'client.refused': 'Check the client, its secret or key, and what it asks for: latchkey client show CLIENT.',
  'introspection.refused': 'The client that asks needs `introspects` for the resource.',
  'sign_in.refused': 'Invite the person, or look at what their identity provider vouches for.',
  'sign_in_link.refused': 'Make another link: latchkey member sign-in-link MEMBER.',
  'passkey.refused': 'Sign in in another way, and add the passkey again.',
  'workload.refused': 'Ask `latchkey trusted-issuer try FILE`, which says of each rule why the token does not meet it.',
}

export async function pastRefusals (store: Store, question: RefusalQuestion): Promise<PastRefusal[]> {
  const { visibleTo, authorizationId = null } = question
  const [logged, audited] = await Promise.all([
    loggedRequests(store, question),
    store.audit.page({ limit: mostRead, after: null }, {
      ...question.audited,
      types: Object.keys(refusalTypes) as AuditEventType[],
      ...(visibleTo === null ? {} : { organizationId: visibleTo })
    })
  ])
  const refused = logged.filter(({ reason }) => reason !== null).map(row => ofLogged(row, visibleTo))
  const events = audited.items.filter(({ detail }) =>
    authorizationId === null || detail.authorization === authorizationId)
  return merged(refused, events.map(event => ofEvent(event, visibleTo))).slice(0, mostRefusals)
}

/** Requests of the log, admitted ones too, as an organization may know them. */
export async function loggedRequests (
  { requestLog }: Store, { logged, visibleTo }: Pick<RefusalQuestion, 'logged' | 'visibleTo'>
): Promise<LoggedRequest[]> {
  return (await requestLog.of(logged, visibleTo, mostRead)).map(row => disclosed(row, visibleTo))
}

/** Of a credential; of an access token with those of the other tokens of its client or authorization. */
export function ofCredential (
  { id, authorizationId }: DescribedCredential, visibleTo: string | null
): RefusalQuestion {
  return { logged: { credentialId: authorizationId ?? id }, audited: { subject: id }, authorizationId, visibleTo }
}

export function fromAddress (address: string, visibleTo: string | null): RefusalQuestion {
  return { logged: { block: recordedBlock(address) }, audited: { address }, visibleTo }
}

/** Of another organization's credential at an own resource no more is told than of one that does not exist. */
function disclosed (row: LoggedRequest, visibleTo: string | null): LoggedRequest {
  if (visibleTo === null || row.organizationId === visibleTo) return row
  const isFound = row.organizationId !== null || row.credentialId !== null
  const reason = row.reason !== null && (isFound || row.reason === 'foreign_deployment') ? 'unknown' : row.reason
  return { ...row, organizationId: null, credentialId: null, reason, status: isFound ? 401 : row.status }
}

function ofLogged (row: LoggedRequest, visibleTo: string | null): PastRefusal {
  const { createdAt, status, credentialId, resourceId, route, requestId, block } = disclosed(row, visibleTo)
  const reason = disclosed(row, visibleTo).reason!
  return {
    createdAt, reason, ...sentencesOf(reason), status, credentialId, resourceId, route, requestId, block, omitted: 0
  }
}

function ofEvent ({ type, createdAt, subject, address, requestId, detail }: AuditEvent, visibleTo: string | null) {
  const reason = typeof detail.reason === 'string' ? detail.reason : 'unknown'
  const shown = visibleTo !== null && reason === 'foreign_deployment' ? 'unknown' : reason
  return {
    createdAt,
    reason: shown,
    ...sentencesOf(shown, { type, said: detail.detail }),
    status: null,
    credentialId: typeof detail.authorization === 'string' ? detail.authorization : subject,
    resourceId: null,
    route: null,
    requestId,
    block: address === null ? null : recordedBlock(address),
    omitted: typeof detail.omitted === 'number' ? detail.omitted : 0
  }
}

/** Reasons of assertions share names with those of the guard; what is `said` of one says more. */
function sentencesOf (reason: string, { type, said }: { type?: string, said?: unknown } = {}): Explained {
  const remedy = refusalTypes[type as AuditEventType] ?? ''
  if (type === 'workload.refused') return { because: typeof said === 'string' ? said : reason, remedy }
  return remedies[reason as keyof typeof remedies] ?? { because: reason, remedy }
}

/** A refusal that both logs have is told once; the newest first. */
function merged (logged: readonly PastRefusal[], audited: readonly PastRefusal[]): PastRefusal[] {
  const nameOf = ({ requestId, reason, credentialId }: PastRefusal) => JSON.stringify([requestId, reason, credentialId])
  const known = new Map(logged.map(each => [nameOf(each), each]))
  const others = audited.filter(each => {
    const same = known.get(nameOf(each))
    if (same !== undefined) same.omitted += each.omitted
    return same === undefined
  })
  return [...logged, ...others].toSorted((one, other) => other.createdAt.getTime() - one.createdAt.getTime())
}
