/**
 * Assertions of workloads (RFC 7523 §3): which trusted issuer answers for one, whether it is authentic, and which rule
 * it meets. Nothing is used up here, so that a dry run and the grant go the same way.
 */
import { compactVerify, decodeJwt, decodeProtectedHeader } from 'jose'
import type { Clock } from '../../base/clock.ts'
import type { Client } from '../credentials/client.ts'
import { bringsItsOwnKey } from '../tokens/access-token.ts'
import { problemOfLife } from './assertion-life.ts'
import { audiencesOf, organizationIn, type Audiences } from './audience.ts'
import { holdsAll, problemOfClaim, shown } from './claim-match.ts'
import { keyFor, type IssuerKeySet } from './key-set.ts'
import type { IssuerProfile, TrustedIssuer, TrustedIssuerPort, WorkloadRule } from './trusted-issuer.ts'

/** The most characters of an assertion. */
export const longestAssertion = 12_288

/** Why an assertion is refused. For the audit log and the dry run; its sender learns none of it. */
export type AssertionReason =
  | 'malformed' | 'wrong_type' | 'unknown_issuer' | 'wrong_audience' | 'algorithm_not_allowed' | 'wrong_lifetime'
  | 'not_yet' | 'expired' | 'keys_unavailable' | 'unknown_key' | 'bad_signature' | 'no_rule' | 'several_rules'
  | 'review_refused' | 'review_unavailable' | 'no_jti' | 'replayed' | 'wrong_client' | 'wrong_resource'

/** What an assertion says of itself, before anything is believed; for the log. Null: it cannot be read. */
export interface AssertionSubject { iss: string | null, sub: string | null, jti: string | null }

/** The claims that every authentic assertion has. */
export interface AssertionClaims extends Record<string, unknown> { sub: string, exp: number }

/** Why a rule does not lead anywhere; null: it is met. */
export interface ExaminedRule { rule: WorkloadRule, problem: string | null }

/** What was found with one trusted issuer. `reason` null: it vouches for the assertion. */
export interface ExaminedIssuer {
  issuer: TrustedIssuer
  reason: AssertionReason | null
  /** A sentence for operators; null: none is needed. */
  detail: string | null
  rules: readonly ExaminedRule[]
}

/** `rule` null: ID-JAG. `issuers`: those of its name, in the order of their making. */
export type Examination = { subject: AssertionSubject, issuers: readonly ExaminedIssuer[] } & (
  | { ok: true, issuer: TrustedIssuer, rule: WorkloadRule | null, claims: AssertionClaims }
  | { ok: false, reason: AssertionReason, detail: string }
)

/** Finds the keys of issuers, and keeps them for a while. */
export interface IssuerKeys {
  /**
   * The keys of an issuer, read anew if none has this `kid`, at most once in a while. Keys that were read before stay
   * while the issuer cannot be reached. Null: there are none now, with the reason for operators.
   */
  of (issuer: TrustedIssuer, wanted: { alg: string, kid: string | undefined }): Promise<IssuerKeySet | UnavailableKeys>
}

/** A sentence without its subject: `are at https://…, which does not answer in time`. */
export interface UnavailableKeys { unavailable: string }

export interface AskedReview { token: string, audience: string, sub: string }

/** Why a cluster does not vouch for a token, or was not asked. */
export interface ReviewProblem { reason: 'review_refused' | 'review_unavailable', detail: string }

/** Asks the cluster of an issuer whether a token is still good. */
export interface TokenReviewer {
  /** Null: it is, or the issuer has no review. */
  problemWith (issuer: TrustedIssuer, asked: AskedReview): Promise<ReviewProblem | null>
}

export interface AssertionOptions {
  /** The issuer of this server. */
  issuer: string
  tokenEndpoint: string
  store: TrustedIssuerPort
  keys: IssuerKeys
  reviewer: TokenReviewer
  clock: Clock
}

/** `client`: the one that the request names, or that was authenticated; null: it names none. */
export interface AskedAssertion {
  text: string
  profile: IssuerProfile
  client: Client | null
  /** Whose trusts are looked at; absent: all. For a dry run, whose author sees its own alone. */
  ownedBy?: string
}

interface ReadAssertion { text: string, alg: string, kid: string | undefined, claims: Record<string, unknown> }

export async function examine (options: AssertionOptions, asked: AskedAssertion): Promise<Examination> {
  const read = readAssertion(asked)
  if (typeof read === 'string') return refused(read, unreadable[read], { iss: null, sub: null, jti: null })
  const subject = subjectOf(read.claims)
  const { trustedIssuers } = options.store
  const answering = ownersOf(options.issuer, read.claims.aud, asked)
  const found = await trustedIssuers.named(namesOf(subject), asked.profile, answering)
  // Where no organization is meant, those that do not answer say that the audience is wrong; some are enough for that.
  const isForNone = asked.ownedBy === undefined && answering.length === 1
  const named = found.length === 0 && isForNone
    ? await trustedIssuers.named(namesOf(subject), asked.profile, 'any')
    : found
  const audiences = audiencesOf(options, asked.client)
  // Together: each may wait for the host of its keys.
  const issuers = await Promise.all(named.map(({ issuer, rules }) =>
    examineIssuer(options, { issuer, rules, read, audiences, client: asked.client })))
  const verdict = verdictOf(read.claims, subject, issuers)
  return verdict.ok ? await reviewed(options, verdict, read) : { ...verdict, issuers }
}

/** Last, and for the one issuer that vouches: its cluster is asked about no token that gets nothing anyway. */
async function reviewed (
  { reviewer }: AssertionOptions, verdict: Examination & { ok: true }, { text, claims }: ReadAssertion
): Promise<Examination> {
  const { issuer, subject, claims: { sub } } = verdict
  const problem = await reviewer.problemWith(issuer, { token: text, audience: oneAudience(claims.aud)!, sub })
  if (problem === null) return verdict
  const issuers = verdict.issuers.map(each => each.issuer.id === issuer.id ? { ...each, ...problem } : each)
  return { ok: false, ...problem, subject, issuers }
}

const unreadable = {
  malformed: `It is not a JWT in compact form of at most ${longestAssertion} characters.`,
  wrong_type: 'typ of its header is of another kind of token.',
}

function readAssertion ({ text, profile }: AskedAssertion): ReadAssertion | keyof typeof unreadable {
  if (text.length > longestAssertion) return 'malformed'
  try {
    const header = decodeProtectedHeader(text)
    const { alg, kid, typ } = header
    const isReadable = typeof alg === 'string' && (kid === undefined || typeof kid === 'string') &&
      (typ === undefined || typeof typ === 'string') && !bringsItsOwnKey(header)
    if (!isReadable) return 'malformed'
    return isOfType(profile, typ) ? { text, alg, kid, claims: decodeJwt(text) } : 'wrong_type'
  } catch {
    return 'malformed'
  }
}

/** The profile of an assertion, by the type that its header says; nothing is believed yet. */
export function profileOf (text: string): IssuerProfile {
  try {
    const { typ } = decodeProtectedHeader(text)
    return typeof typ === 'string' && isOfType('id-jag', typ) ? 'id-jag' : 'workload'
  } catch {
    return 'workload'
  }
}

/** RFC 8725 §3.11: tokens of workloads have no type of their own, so no other may be taken for one. */
function isOfType (profile: IssuerProfile, typ: string | undefined): boolean {
  const type = typ?.toLowerCase().replace(/^application\//, '')
  return profile === 'id-jag' ? type === 'oauth-id-jag+jwt' : type === undefined || type === 'jwt' || type === 'jose'
}

function subjectOf ({ iss, sub, jti }: Record<string, unknown>): AssertionSubject {
  const text = (value: unknown) => typeof value === 'string' ? value : null
  return { iss: text(iss), sub: text(sub), jti: text(jti) }
}

/** A token of SPIFFE has no `iss`: the trust domain in its `sub` says which issuer vouches. */
function namesOf ({ iss, sub }: AssertionSubject): string[] {
  const domain = /^spiffe:\/\/[^/]+(?=\/)/.exec(sub ?? '')?.[0]
  if (domain !== undefined) return [domain]
  return iss === null || iss.startsWith('spiffe:') ? [] : [iss]
}

/**
 * Whose trusts may answer: a platform that many organizations trust must not have all of them read. Without an
 * audience of an organization and without a client, only the deployment's.
 */
function ownersOf (
  issuer: string, aud: unknown, { client, ownedBy }: Pick<AskedAssertion, 'client' | 'ownedBy'>
): (string | null)[] {
  if (ownedBy !== undefined) return [ownedBy]
  const meant = organizationIn(issuer, oneAudience(aud))
  const owners = [meant, client?.organizationId ?? null].filter(owner => owner !== null)
  return [null, ...new Set(owners)]
}

interface Presented {
  issuer: TrustedIssuer
  rules: readonly WorkloadRule[]
  read: ReadAssertion
  audiences: Audiences
  client: Client | null
}

/** The cheap checks first: nothing is fetched for an assertion that is not meant for this issuer. */
async function examineIssuer (options: AssertionOptions, presented: Presented): Promise<ExaminedIssuer> {
  const { issuer, read, audiences } = presented
  const against = (reason: AssertionReason, detail: string): ExaminedIssuer => ({ issuer, reason, detail, rules: [] })
  const taken = audiences.of(issuer)
  const audience = oneAudience(read.claims.aud)
  if (audience === null || !taken.includes(audience)) {
    const sent = said(read.claims.aud)
    return against('wrong_audience', `aud has to be exactly one of ${taken.join(', ')}; it is ${sent}.`)
  }
  if (!issuer.algorithms.includes(read.alg)) {
    const list = issuer.algorithms.join(', ')
    return against('algorithm_not_allowed', `It is signed with ${shown(read.alg)}; ${list} are taken.`)
  }
  const problem = problemOfLife(issuer, read.claims, options.clock())
  if (problem !== null) return against(problem.reason, problem.detail)
  const keys = await options.keys.of(issuer, read)
  if ('unavailable' in keys) return against('keys_unavailable', `The keys of the issuer ${keys.unavailable}.`)
  const key = keyFor(keys, read)
  if (key === null) {
    const which = read.kid === undefined ? 'without a kid' : `with the kid ${shown(read.kid)}`
    const remedy = issuer.keys.kind !== 'inline' ? '' : ' Its keys are kept here: replace them by its present ones.'
    return against('unknown_key', `The issuer has no key for ${read.alg} ${which}.${remedy}`)
  }
  const isAuthentic = await compactVerify(read.text, key, { algorithms: [read.alg] }).then(() => true, () => false)
  if (!isAuthentic) return against('bad_signature', unsigned)
  return withRules(presented)
}

const unsigned = 'The key of the issuer has not signed it: it was altered, or comes from another issuer of this name.'

/** A claim of a token that nothing vouches for, in a sentence. */
function said (claim: unknown): string {
  return claim === undefined ? 'missing' : shown(typeof claim === 'string' ? claim : JSON.stringify(claim))
}

/** Exactly one value: a token that is meant for another, too, could be replayed by that one. */
function oneAudience (aud: unknown): string | null {
  const only = Array.isArray(aud) && aud.length === 1 ? aud[0] as unknown : aud
  return typeof only === 'string' ? only : null
}

function withRules ({ issuer, rules, read: { claims }, client }: Presented): ExaminedIssuer {
  if (typeof claims.sub !== 'string' || claims.sub === '') {
    return { issuer, reason: 'malformed', detail: 'sub has to be a text.', rules: [] }
  }
  // RFC 7800 §3: without a proof of the key, a stolen one would be taken.
  if (claims.cnf !== undefined) {
    return { issuer, reason: 'malformed', detail: 'cnf binds it to a key, of which no proof is taken.', rules: [] }
  }
  const examined = rules.map(rule => ({ rule, problem: problemOfRule(rule, claims, client) }))
  const met = issuer.profile === 'id-jag' || examined.some(({ problem }) => problem === null)
  if (met) return { issuer, reason: null, detail: null, rules: examined }
  const detail = rules.length === 0 ? 'The issuer has no rule yet; add one.' : 'No rule of the issuer is met.'
  return { issuer, reason: 'no_rule', detail, rules: examined }
}

function problemOfRule (rule: WorkloadRule, claims: Record<string, unknown>, client: Client | null): string | null {
  if (client !== null && rule.clientId !== client.id) return `it leads to another client than ${client.id}`
  if (holdsAll(rule.claims, claims)) return null
  return rule.claims.map(condition => problemOfClaim(condition, claims)).find(problem => problem !== null) ??
    'it has no condition'
}

/** What an assertion may get from an issuer. */
function metIn ({ issuer, reason, rules }: ExaminedIssuer): { issuer: TrustedIssuer, rule: WorkloadRule | null }[] {
  if (reason !== null) return []
  if (issuer.profile === 'id-jag') return [{ issuer, rule: null }]
  return rules.flatMap(({ rule, problem }) => problem === null ? [{ issuer, rule }] : [])
}

/** How far an assertion came: of several issuers, the one that it is most likely of tells what is wrong. */
const farthest: readonly AssertionReason[] = [
  'no_rule', 'malformed', 'bad_signature', 'unknown_key', 'keys_unavailable', 'expired', 'not_yet', 'wrong_lifetime',
  'algorithm_not_allowed', 'wrong_audience'
]

function verdictOf (
  claims: Record<string, unknown>, subject: AssertionSubject, issuers: readonly ExaminedIssuer[]
): Examination {
  const met = issuers.flatMap(metIn)
  const [first, ...others] = met
  if (first !== undefined && others.length === 0) {
    return { ok: true, subject, issuers, claims: claims as AssertionClaims, ...first }
  }
  if (first !== undefined) {
    const ids = met.slice(0, 10).map(({ issuer, rule }) => rule?.id ?? issuer.id)
    const more = met.length > ids.length ? `, and ${met.length - ids.length} others` : ''
    return refused('several_rules', `More than one rule is met: ${ids.join(', ')}${more}.`, subject)
  }
  const reason = farthest.find(each => issuers.some(issuer => issuer.reason === each))
  if (reason === undefined) return refused('unknown_issuer', strangerOf(subject, claims), subject)
  return refused(reason, issuers.find(each => each.reason === reason)!.detail!, subject)
}

/** Whose trusts were looked at follows from `aud`. */
function strangerOf (subject: AssertionSubject, { aud }: Record<string, unknown>): string {
  const [name] = namesOf(subject)
  if (name === undefined) return 'It names no issuer: iss is missing, and sub has no trust domain of SPIFFE.'
  return `No issuer ${shown(name)} is trusted for the aud of the token, which is ${said(aud)}.`
}

function refused (reason: AssertionReason, detail: string, subject: AssertionSubject): Examination {
  return { ok: false, reason, detail, subject, issuers: [] }
}
