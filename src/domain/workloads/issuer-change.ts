/** How an organization, or the deployment, trusts an issuer, changes that, and takes the trust back. */
import { Failure } from '../../base/errors.ts'
import { isPlainText } from '../../base/plain-text.ts'
import { newId } from '../../secrets/random.ts'
import { change, load, type RecordKind } from '../audit/change.ts'
import { auditEvent } from '../audit/event.ts'
import type { AuditPort } from '../audit/log.ts'
import { requireVisible, type Operation } from '../core/operation.ts'
import { requireDeployment } from '../members/delegation.ts'
import type { ClientPort } from '../credentials/client.ts'
import type { ResourcePort } from '../resources/resource.ts'
import { requireActiveOrganization, type OrganizationPort } from '../tenancy/organization.ts'
import { requirePath } from './claim-match.ts'
import { issuerAlgorithms } from './key-set.ts'
import { changedKeys, longestIssuer, requireKeys, type GivenKeys } from './key-source.ts'
import { presets, type PresetName } from './presets.ts'
import { requireRuleHeld } from './rule-delegation.ts'
import { aboutReview, reviewOf, type GivenReview } from './token-review.ts'
import type { IssuerProfile, TrustedIssuer, TrustedIssuerPort, WorkloadRulePort } from './trusted-issuer.ts'

type Ports = AuditPort & ClientPort & OrganizationPort & ResourcePort & TrustedIssuerPort & WorkloadRulePort

/** The most issuers of one owner. */
export const mostIssuers = 1_000
/** And with one name: each of them is looked at for an assertion. */
const mostOfOneName = 10
/** Seconds. */
export const ageBounds = { least: 60, most: 86_400 }
export const mostAudiences = 10

export interface IssuerSettings extends GivenKeys {
  name?: string
  audiences?: readonly string[]
  algorithms?: readonly string[]
  maxAge?: number
  singleUse?: boolean
  /** Null: none. */
  tokenReview?: GivenReview | null
}

export interface IssuerInput extends IssuerSettings {
  organizationId: string | null
  name: string
  preset: PresetName
  profile: IssuerProfile
  /** Absent: that of the preset. */
  issuer?: string
  /** Absent: those of the preset. */
  anchors?: readonly string[]
}

/**
 * Trusts an issuer. @throws Failure `invalid_request`, `not_found`, `organization_not_active`, `conflict` for one more
 * than `mostIssuers`, `insufficient_permissions`.
 */
export async function trustIssuer (
  { store, clock, actor }: Operation<Ports>, input: IssuerInput, secrets: readonly string[]
): Promise<TrustedIssuer> {
  const preset = presets[input.preset]
  const issuer = requireIssuer(input.issuer ?? preset.issuer, input.preset)
  const { profile } = input
  const begun: TrustedIssuer = {
    id: newId('tri'),
    organizationId: input.organizationId,
    name: input.name,
    preset: input.preset,
    profile,
    issuer,
    keys: requireKeys(input, issuer),
    tokenReview: null,
    audiences: requireAudiences(input.audiences ?? []),
    algorithms: requireAlgorithms(input.algorithms ?? preset.algorithms),
    maxAge: requireAge(input.maxAge ?? preset.maxAge),
    singleUse: requireSingleUse(profile, input.singleUse ?? (profile === 'id-jag' || preset.singleUse)),
    anchors: requireAnchors(input.anchors ?? preset.anchors),
    createdBy: actor.id,
    createdAt: clock(),
    revision: 1,
  }
  const trusted = { ...begun, tokenReview: reviewOf(begun, begun.keys, input.tokenReview, secrets) }
  return await store.transaction(async tx => {
    if (trusted.organizationId !== null) await requireActiveOrganization(tx, actor, trusted.organizationId)
    else requireDeployment(actor, 'An issuer of the deployment is trusted by a deployment-wide credential.')
    await requireRoom(tx, trusted)
    await tx.trustedIssuers.insert(trusted)
    await tx.audit.append(auditEvent(actor, trusted.createdAt, 'trusted_issuer.created', about(trusted)))
    return trusted
  })
}

/** @throws Failure `not_found`, also for one of another organization. */
export async function getTrustedIssuer (
  { store, actor }: Operation<TrustedIssuerPort>, id: string
): Promise<TrustedIssuer> {
  return requireVisible(actor, await store.trustedIssuers.get(id), 'trusted issuer', id)
}

/**
 * Changes keys and settings; the tokens of its workloads end with it. Whose keys vouch says what its rules give, so the
 * actor holds what they give. @throws Failure as `trustIssuer`.
 */
export async function updateTrustedIssuer (
  operation: Operation<Ports>, id: string, given: IssuerSettings, secrets: readonly string[]
): Promise<TrustedIssuer> {
  return await change(operation, trustedIssuers, id, 'trusted_issuer.updated', async (before, _now, tx) => {
    const { name, audiences, algorithms, maxAge, singleUse, tokenReview, ...source } = given
    const keys = changedKeys(before.keys, source, before.issuer)
    const after: TrustedIssuer = {
      ...before,
      name: name ?? before.name,
      keys,
      tokenReview: reviewOf(before, keys, tokenReview, secrets),
      audiences: audiences === undefined ? before.audiences : requireAudiences(audiences),
      algorithms: algorithms === undefined ? before.algorithms : requireAlgorithms(algorithms),
      maxAge: maxAge === undefined ? before.maxAge : requireAge(maxAge),
      singleUse: singleUse === undefined ? before.singleUse : requireSingleUse(before.profile, singleUse),
    }
    await requireRulesHeld(operation, tx, id)
    return after
  })
}

/** Takes the trust back: tokens of its workloads are refused from the next request on. @throws Failure `not_found`. */
export async function distrustIssuer (operation: Operation<Ports>, id: string): Promise<TrustedIssuer> {
  const { store, clock, actor } = operation
  return await store.transaction(async tx => {
    const trusted = await load(operation, tx, trustedIssuers, id)
    const rules = await tx.workloadRules.count(id)
    await tx.trustedIssuers.remove(trusted)
    await tx.audit.append(auditEvent(actor, clock(), 'trusted_issuer.deleted', about(trusted, { rules })))
    return trusted
  })
}

/** How they are found, kept and audited. */
const trustedIssuers: RecordKind<TrustedIssuer, TrustedIssuerPort> = {
  name: 'trusted issuer',
  organizationOf: ({ organizationId }) => organizationId,
  get: (tx, id) => tx.trustedIssuers.get(id),
  update: (tx, after) => tx.trustedIssuers.update(after),
  about,
}

async function requireRulesHeld ({ actor }: Operation<Ports>, tx: Ports, issuerId: string): Promise<void> {
  const { items } = await tx.workloadRules.page({ limit: 1_000, after: null }, { issuerId })
  for (const rule of items) await requireRuleHeld(tx, actor, rule)
}

async function requireRoom (tx: TrustedIssuerPort, { organizationId, issuer }: TrustedIssuer): Promise<void> {
  const owner = organizationId ?? 'The deployment'
  const refuse = (trusts: string) => new Failure('conflict', {
    message: `${owner} trusts ${trusts}; delete one first.`
  })
  if (await tx.trustedIssuers.count({ organizationId }) >= mostIssuers) throw refuse(`${mostIssuers} issuers`)
  if (await tx.trustedIssuers.count({ organizationId, issuer }) < mostOfOneName) return
  throw refuse(`${mostOfOneName} times the issuer ${issuer}`)
}

/** An https URL, or a trust domain of SPIFFE: `spiffe://prod.acme.test`. */
function requireIssuer (issuer: string | null, preset: PresetName): string {
  if (issuer === null) throw invalid('issuer', `Issuers of ${preset} differ: send its iss in issuer.`)
  const isDomain = /^spiffe:\/\/[a-z0-9._-]{1,255}$/.test(issuer)
  if (preset === 'spiffe' && !isDomain) throw invalid('issuer', 'A trust domain is written as spiffe://prod.acme.test.')
  if (preset !== 'spiffe' && isDomain) throw invalid('issuer', 'Trust domains of SPIFFE take the preset spiffe.')
  if (isDomain || isPlainUrl(issuer)) return issuer
  throw invalid('issuer', `${shown(issuer)} is no https URL without query, fragment and user.`)
}

function isPlainUrl (text: string): boolean {
  if (text.length > longestIssuer || !isPlainText(text) || !URL.canParse(text)) return false
  const { protocol, search, hash, username, password } = new URL(text)
  return protocol === 'https:' && [search, hash, username, password].every(part => part === '') && !/[?#\s]/.test(text)
}

function requireAudiences (audiences: readonly string[]): readonly string[] {
  const wrong = audiences.find(each => each === '' || each.length > longestIssuer || !isPlainText(each))
  if (wrong === undefined && audiences.length <= mostAudiences) return [...new Set(audiences)]
  throw invalid('audiences', `audiences has at most ${mostAudiences} texts of 1 to ${longestIssuer} characters.`)
}

function requireAlgorithms (algorithms: readonly string[]): readonly string[] {
  const known = issuerAlgorithms.filter(each => algorithms.includes(each))
  if (known.length > 0 && algorithms.every(each => known.some(name => name === each))) return known
  throw invalid('algorithms', `algorithms has one or more of ${issuerAlgorithms.join(', ')}.`)
}

function requireAge (seconds: number): number {
  const { least, most } = ageBounds
  if (Number.isSafeInteger(seconds) && seconds >= least && seconds <= most) return seconds
  throw invalid('maxAge', `maxAge is ${least} to ${most} seconds.`)
}

function requireSingleUse (profile: IssuerProfile, singleUse: boolean): boolean {
  if (singleUse || profile !== 'id-jag') return singleUse
  throw invalid('singleUse', 'Each assertion of ID-JAG is taken once.')
}

function requireAnchors (anchors: readonly string[]): readonly string[] {
  if (anchors.length === 0 || anchors.length > mostAudiences) {
    throw invalid('anchors', `anchors has 1 to ${mostAudiences} paths of claims that tenants cannot choose.`)
  }
  return [...new Set(anchors.map(requirePath))]
}

function shown (text: string): string {
  return JSON.stringify(text.slice(0, 128))
}

function invalid (field: string, message: string): Failure {
  return new Failure('invalid_request', { message, details: { field } })
}

/** Keys are public, and their number says enough. */
function about (trusted: TrustedIssuer, detail: Record<string, unknown> = {}) {
  const { organizationId, id, name, preset, profile, issuer, keys, audiences, algorithms, maxAge, singleUse } = trusted
  const from = keys.kind === 'inline'
    ? { kind: keys.kind, kids: keys.jwks.keys.map(({ kid }) => kid ?? null) }
    : { kind: keys.kind, ...(keys.kind === 'jwks_uri' && { uri: keys.uri }), ca: keys.ca !== null }
  const settings = { name, preset, profile, issuer, keys: from, audiences, algorithms, maxAge, singleUse }
  const tokenReview = aboutReview(trusted.tokenReview)
  return { organizationId, subject: id, detail: { ...settings, tokenReview, ...detail } }
}
