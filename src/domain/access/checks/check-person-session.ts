/** Sessions of people: the facts from which the verdict on one follows. The row is read from the database each time. */
import { digestOf } from '../../../secrets/digest.ts'
import { isPersonSessionText } from '../../../secrets/credential-text.ts'
import type { ManagementTokenPort } from '../../credentials/management-token.ts'
import { voucherOf, type Voucher } from '../../credentials/voucher.ts'
import { exceedsCeiling } from '../../members/ceiling.ts'
import { mayActForDeployment, scopesForDeployment } from '../../members/operator.ts'
import { creatorOf, permissionsOf, permissionsOn, type Member } from '../../members/permissions.ts'
import { provedAt } from '../../people/fresh-sign-in.ts'
import type { PersonSession, PersonSessionRepository } from '../../people/person-session.ts'
import { touchSeconds, type SessionLifetimes } from '../../people/session-lifetime.ts'
import { scopesWhenVouched } from '../../resources/lasting-scopes.ts'
import { managementResourceId, type Resource } from '../../resources/resource.ts'
import { expand } from '../../resources/scope.ts'
import { notFound, type NotFound, type PersonFacts } from '../facts.ts'
import { judgeCredential } from '../judge-credential.ts'
import { policiesFor } from '../policy-lookup.ts'
import type { Presentation, Principal } from '../principal.ts'
import type { Registry } from '../registry.ts'

/** Gathers the facts of sessions of people. */
export interface PersonAuthenticator {
  /** The name of the cookie that holds a session. */
  cookie: string
  /** The origin of the pages, of which alone a change may come. */
  origin: string
  /** A text that is not the text of a session is `malformed`. */
  gather (text: string, presentation: Presentation): Promise<PersonFacts | NotFound>
  /** Notes that a session was used. */
  touch (session: PersonSession, now: Date): void
}

export interface PersonAuthenticatorOptions {
  issuer: string
  registry: Registry
  store: { personSessions: Pick<PersonSessionRepository, 'byDigest'> } & ManagementTokenPort
  lifetimes: SessionLifetimes
  /** Where the use of sessions is noted. */
  usage: { touch (id: string, now: Date): void }
}

/**
 * The name of the cookie. The prefix makes browsers refuse one that another host of the domain, or a page over http,
 * has set; they accept it over TLS only.
 */
export function sessionCookieName (issuer: string): string {
  return issuer.startsWith('https:') ? '__Host-latchkey_session' : 'latchkey_session'
}

export function personAuthenticator (options: PersonAuthenticatorOptions): PersonAuthenticator {
  const { issuer, usage } = options
  return {
    cookie: sessionCookieName(issuer),
    origin: issuer,
    gather: (text, presentation) => gatherPersonSession(options, text, presentation),
    touch (session, now) {
      if (now.getTime() - session.lastUsedAt.getTime() >= touchSeconds * 1000) usage.touch(session.id, now)
    },
  }
}

const malformed = notFound('malformed', 'person_session')
const unknown = notFound('unknown', 'person_session')

async function gatherPersonSession (
  { registry, store, lifetimes: { idle } }: PersonAuthenticatorOptions, text: string, presentation: Presentation
): Promise<PersonFacts | NotFound> {
  if (!isPersonSessionText(text)) return malformed
  const session = await store.personSessions.byDigest(digestOf(text))
  if (session === null) return unknown
  const [member, voucher, resource] = await Promise.all([
    registry.member(session.memberId),
    session.vouchedBy === null ? null : voucherOf(lookUpIn(registry, store), session.vouchedBy),
    presentation.resource ?? registry.resource(managementResourceId),
  ])
  const organization = member && await registry.organization(member.organizationId)
  const facts: PersonFacts = {
    kind: 'person',
    session,
    idle,
    member,
    voucher: voucher !== null && isAboveCeiling(voucher, member, resource) ? null : voucher,
    authority: 'none',
    resource,
    organization,
    principal: null,
    policies: []
  }
  if (judgeCredential(facts, presentation) !== null) return facts
  const principal = personPrincipal(session, member!, resource!)
  const acting = forDeployment(facts, principal, presentation)
  // The policies of the operators' organization, which its administrators write, do not bind the deployment.
  const policies = await policiesFor(registry, acting.authority === 'none' ? member!.organizationId : null)
  return { ...facts, policies, ...acting }
}

/** A member who has become more than the key may sign in is not vouched for any more. */
function isAboveCeiling ({ ceiling = null }: Voucher, member: Member | null, resource: Resource | null): boolean {
  if (ceiling === null || member === null) return false
  return resource?.id !== managementResourceId || exceedsCeiling(member, ceiling, resource.scopes)
}

/** Keys and organizations are looked up in memory, tokens, which it finds by their digests alone, in the database. */
function lookUpIn (registry: Registry, { managementTokens }: ManagementTokenPort): Parameters<typeof voucherOf>[0] {
  return {
    apiKeyById: id => registry.apiKeyById(id),
    organization: id => registry.organization(id),
    managementTokenById: id => managementTokens.get(id),
  }
}

/** On the management API an operator acts for the whole deployment; what it makes there, no member bounds. */
function forDeployment (
  { session, member, resource }: PersonFacts, principal: Principal, { changes = true, now }: Presentation
): Pick<PersonFacts, 'authority' | 'principal'> {
  const authority = resource!.id === managementResourceId
    ? mayActForDeployment(member!, { signedInAt: provedAt(session), change: changes, now })
    : 'none'
  if (authority === 'none') return { authority, principal }
  const all = scopesForDeployment(member!, resource!)
  const scopes = session.vouchedBy === null ? all : scopesWhenVouched(all)
  return { authority, principal: { ...principal, organizationId: null, organizations: [], scopes, creator: null } }
}

function personPrincipal ({ vouchedBy }: PersonSession, member: Member, resource: Resource): Principal {
  // What is API-key only is not for people either.
  const scopes = expand(
    permissionsOn(permissionsOf(member), resource), resource.scopes.filter(({ keyOnly }) => !keyOnly)
  )
  return {
    kind: 'person',
    id: member.id,
    subject: null,
    name: member.name,
    organizationId: member.organizationId,
    organizations: [member.organizationId],
    environment: 'live',
    resource: resource.identifier,
    resourceId: resource.id,
    groups: member.groups.map(({ id }) => id),
    access: null,
    scopes: vouchedBy !== null && resource.id === managementResourceId ? scopesWhenVouched(scopes) : scopes,
    creator: creatorOf(member, resource),
    vouchedBy,
    objects: {},
    allowlist: [],
    expiresAt: null,
  }
}
