/**
 * The JWT bearer grant for workloads (RFC 7523 §2.1): the assertion of a platform that is trusted is the only proof,
 * so there is no secret to keep. Assertions of people go to oidc-provider, as their client proves itself.
 */
import {
  examine, profileOf, type Examination, type IssuerKeys, type TokenReviewer
} from '../../domain/workloads/assertion.ts'
import { jwtBearer } from '../../domain/client-metadata/grant-types.ts'
import type { Client } from '../../domain/credentials/client.ts'
import type { TrustedIssuer } from '../../domain/workloads/trusted-issuer.ts'
import { GrantRefusal, type OwnGrant, type TokenRequest } from '../grants/own-grants.ts'
import { requestedResource, type TokenForm } from '../grants/token-request.ts'
import { OAuthError } from '../shared/oauth-error.ts'
import { paths } from '../shared/paths.ts'
import { fetchCooldown } from './issuer-keys.ts'
import {
  detailOf, isFor, issueToWorkload, NoToken, type NoTokenReason, type WorkloadTokenOptions
} from './workload-token.ts'

export interface WorkloadGrantOptions extends WorkloadTokenOptions { issuerKeys: IssuerKeys, reviewer: TokenReviewer }

type Accepted = Examination & { ok: true }

export function workloadGrant (options: WorkloadGrantOptions): OwnGrant {
  return {
    type: jwtBearer,
    async answer (request) {
      const text = request.form.one('assertion')
      if (text === undefined) throw invalid('assertion is missing; send the JWT of your platform.')
      // Its client proves itself, which oidc-provider sees to.
      if (profileOf(text) === 'id-jag') return null
      requireNoOtherProof(request)
      const client = await namedClient(options, request.form)
      const found = client === 'unknown'
        ? { ok: false as const, reason: 'wrong_client' as const, detail: 'There is no such client.', ...nothing }
        : await examine(assertionOptions(options), { text, profile: 'workload', client })
      if (!found.ok) throw refused(options, found.reason, found.detail, found)
      return await answerTo(options, request, found)
    },
  }
}

const nothing = { subject: { iss: null, sub: null, jti: null }, issuers: [] }

export function assertionOptions ({ issuer, store, issuerKeys: keys, reviewer, clock }: WorkloadGrantOptions) {
  return { issuer, tokenEndpoint: issuer + paths.token, store, keys, reviewer, clock }
}

async function answerTo (
  options: WorkloadGrantOptions, { form, http }: TokenRequest, found: Accepted
): Promise<object> {
  const { issuer, claims, subject } = found
  const rule = found.rule!
  const [client, resource] = await Promise.all([
    rule.clientId === null ? null : options.registry.client(rule.clientId),
    options.registry.resource(rule.resourceId)
  ])
  if (rule.clientId !== null && client === null) {
    throw refused(options, 'wrong_client', 'The client of the rule is gone.', found)
  }
  if (resource === null || resource.revokedAt !== null) {
    throw refused(options, 'wrong_resource', 'The resource of the rule is gone.', found)
  }
  if (!isFor(resource, requestedResource(form))) {
    throw new OAuthError(400, 'invalid_target', 'The workload has no access to the requested resource.')
  }
  const vouched = {
    trust: { id: rule.id, issuer, rule }, client, resource, limit: null, claims, subject, http, scope: form.one('scope')
  }
  return await issueToWorkload(options, vouched).catch((error: unknown) => {
    throw error instanceof NoToken ? refused(options, error.reason, error.message, found) : error
  })
}

/** RFC 6749 §2.3: one way to prove oneself in one request. */
function requireNoOtherProof ({ form, http }: TokenRequest): void {
  const hasOther = http.headers.authorization !== undefined || form.one('client_secret') !== undefined ||
    form.one('client_assertion') !== undefined
  if (!hasOther) return
  throw new OAuthError(
    400, 'invalid_grant',
    'Beside the authentication of a client an assertion has to be an ID-JAG (typ oauth-id-jag+jwt). The assertion of ' +
      'a workload is the only proof: leave the authentication of a client out.'
  )
}

/** The client that the request names, by which the rules of its organization answer; null: it names none. */
async function namedClient (
  { registry }: WorkloadGrantOptions, form: TokenForm
): Promise<Client | null | 'unknown'> {
  const id = form.one('client_id')
  return id === undefined ? null : await registry.client(id) ?? 'unknown'
}

/** What the sender of an assertion learns of its refusal. */
export const publicRefusal =
  'The assertion is refused; `latchkey explain` says why, by the X-Request-Id of this answer or by the address.'

/**
 * The trust that a refusal is about. Null: no one is, or those of several organizations are equally near to it. What a
 * workload of one of them says of itself is not for the logs of the others.
 */
function trustOf (reason: string, issuers: Examination['issuers']): TrustedIssuer | null {
  const by = (wanted: string | null) => issuers.filter(each => each.reason === wanted).map(({ issuer }) => issuer)
  const near = by(reason).length > 0 ? by(reason) : by(null)
  const ofOrganizations = near.filter(({ organizationId }) => organizationId !== null)
  const owners = new Set(ofOrganizations.map(({ organizationId }) => organizationId))
  return owners.size > 1 ? null : ofOrganizations[0] ?? near[0] ?? null
}

/** Its sender learns nothing but that: the precise reason stands in the audit log of the owner of the trust. */
function refused (
  { telemetry: { metrics } }: WorkloadGrantOptions, reason: NoTokenReason, detail: string,
  { subject, issuers }: Pick<Examination, 'subject' | 'issuers'>
): OAuthError {
  metrics.assertions.increment(reason, 'workload')
  const about = trustOf(reason, issuers)
  const entry = {
    type: 'workload.refused' as const,
    reason,
    subject: about?.id ?? null,
    organizationId: about?.organizationId ?? null,
    detail: { ...detailOf(subject), detail }
  }
  const later = unavailable(reason)
  if (later === null) return new GrantRefusal(entry, 'invalid_grant', publicRefusal)
  const { status, error, message, headers } = later
  return new GrantRefusal(entry, error, message, status, headers)
}

/** Milliseconds after which a cluster may be asked again that gave no answer. */
const reviewPause = 5_000

/** It may be taken a moment later: the issuer does not answer. Null: the reason is another. */
export function unavailable (reason: NoTokenReason): OAuthError | null {
  if (reason !== 'keys_unavailable' && reason !== 'review_unavailable') return null
  const [what, pause] = reason === 'keys_unavailable'
    ? ['The keys of the issuer of the assertion cannot be had', fetchCooldown]
    : ['The cluster of the issuer cannot be asked about the assertion', reviewPause]
  return new OAuthError(
    503, 'temporarily_unavailable', `${what}; retry shortly.`, { 'retry-after': String(pause / 1_000) }
  )
}

function invalid (description: string): OAuthError {
  return new OAuthError(400, 'invalid_request', description)
}
