/** What a guard may keep of a credential: an entry, gathered so that no change went unheard meanwhile, or a refusal. */
import { consumerIn, type CredentialFacts } from '../../domain/access/facts.ts'
import { judgeCredential } from '../../domain/access/judge-credential.ts'
import type { Credential, Presentation, Refusal } from '../../domain/access/principal.ts'
import type { Meter } from '../../domain/metering/meter.ts'
import type { Totals } from '../../domain/metering/told-counts.ts'
import type { Resource } from '../../domain/resources/resource.ts'
import type { AdmissionDependencies } from '../../guard/admission.ts'
import { entryOf, type Entry } from './entry.ts'
import type { GuardSession } from './guard-session.ts'
import { dependenciesOf, isEntry } from './subjects.ts'

/**
 * `position`: of the changes that the answer includes; null: a change came in between, and it is not to be kept.
 * `elsewhere`: the calls in this minute that the guard has not counted itself, by the holder of each limit; absent:
 * there is no limit that the guard counts.
 */
export type Lookup =
  | { position: number | null, entry: Entry, elsewhere?: Totals }
  | { position: null, refusal: Refusal }

export interface LookupDependencies extends Pick<AdmissionDependencies, 'authenticator' | 'clock'> {
  meter: Pick<Meter, 'follow'>
}

export async function lookUp (
  { authenticator, meter, clock }: LookupDependencies, session: GuardSession, resource: Resource, credential: Credential
): Promise<Lookup> {
  const { heard, position } = session
  // The guard applies allowlists: the caller comes from another address each time.
  const presentation: Presentation = { resource, address: null, leavesAllowlist: true, now: clock() }
  const facts = await authenticator.gather(credential, presentation)
  const refusal = refusalOf(facts, presentation)
  if (refusal !== null || !isEntry(facts)) return { position: null, refusal: refusal ?? unknown }
  const follows = dependenciesOf(facts, digest => session.keySubject(digest))
  const entry = entryOf(facts, follows)
  // The guard reports calls also for an entry that it does not keep.
  session.hand(follows)
  const found = { position: session.heard === heard ? position : null, entry }
  // What the server counts at each call is not counted by the guard.
  const consumer = consumerIn(facts)
  if (consumer === null || entry.asksEachTime) return found
  const elsewhere = meter.follow(session.counts, { consumer, organization: facts.organization!, now: clock() })
  return Object.keys(elsewhere).length === 0 ? found : { ...found, elsewhere }
}

const unknown: Refusal = { reason: 'unknown', presented: 'access_token', subject: null, organizationId: null }

/** Management tokens, sessions and the admin token are in no guard's memory: they are looked at as unknown here. */
function refusalOf (facts: CredentialFacts, presentation: Presentation): Refusal | null {
  return isEntry(facts) || facts.kind === 'not_found' ? judgeCredential(facts, presentation) : unknown
}
