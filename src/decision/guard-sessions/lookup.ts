/** What a guard may keep of a credential: an entry, gathered so that no change went unheard meanwhile, or a refusal. */
import type { CredentialFacts } from '../../domain/access/facts.ts'
import { judgeCredential } from '../../domain/access/judge.ts'
import type { Credential, Presentation, Refusal } from '../../domain/access/principal.ts'
import type { Resource } from '../../domain/resources/resource.ts'
import type { AdmissionDependencies } from '../../guard/admission.ts'
import { entryOf, type Entry } from './entry.ts'
import type { GuardSession } from './guard-session.ts'
import { dependenciesOf, isEntry } from './subjects.ts'

/** `position`: of the changes that the answer includes; null: a change came in between, and it is not to be kept. */
export type Lookup = { position: number | null, entry: Entry } | { position: null, refusal: Refusal }

export async function lookUp (
  { authenticator, clock }: Pick<AdmissionDependencies, 'authenticator' | 'clock'>, session: GuardSession,
  resource: Resource, credential: Credential
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
  return { position: session.heard === heard ? position : null, entry }
}

const unknown: Refusal = { reason: 'unknown', presented: 'access_token', subject: null, organizationId: null }

/** Management tokens, sessions and the admin token are in no guard's memory: they are looked at as unknown here. */
function refusalOf (facts: CredentialFacts, presentation: Presentation): Refusal | null {
  return isEntry(facts) || facts.kind === 'not_found' ? judgeCredential(facts, presentation) : unknown
}
