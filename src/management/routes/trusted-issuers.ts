/** Trusted issuers of workloads: their settings, presets of well-known platforms, and the dry run of an assertion. */
import { Type } from '../../http/typebox-lite.ts'
import { getClient } from '../../domain/credentials/client.ts'
import {
  examine, profileOf, type Examination, type IssuerKeys, type TokenReviewer
} from '../../domain/workloads/assertion.ts'
import { organizationAudience } from '../../domain/workloads/audience.ts'
import {
  distrustIssuer, getTrustedIssuer, trustIssuer, updateTrustedIssuer
} from '../../domain/workloads/issuer-change.ts'
import { presetNames, presets } from '../../domain/workloads/presets.ts'
import type { TokenReview, TrustedIssuer } from '../../domain/workloads/trusted-issuer.ts'
import { paths } from '../../protocol/shared/paths.ts'
import { created, ended, type CreationDependencies } from '../conventions/idempotent-creation.ts'
import { operationOf, organizationFilter } from '../conventions/operation.ts'
import { pageQuery, wirePage } from '../conventions/pages.ts'
import { revision } from '../conventions/etags.ts'
import { routes, type RouteContext } from '../conventions/routes.ts'
import { IdParams, list, ownPage, pageOf } from '../conventions/schemas.ts'
import {
  Attempt, IssuerChange, IssuerQuerystring, NewIssuer, WireAttempt, WireIssuer, WirePreset
} from '../schemas/trusted-issuers.ts'

export interface TrustedIssuerDependencies extends CreationDependencies {
  issuer: string
  issuerKeys: IssuerKeys
  reviewer: TokenReviewer
  /** LATCHKEY_SECRET, newest first. */
  secrets: readonly string[]
}

const readAccess = { scopes: ['trusted-issuers:read'] }
const writeAccess = { scopes: ['trusted-issuers:write'] }

export const trustedIssuerRoutes = routes<TrustedIssuerDependencies>(
  listPresetsRoute, createTrustedIssuerRoute, listTrustedIssuersRoute, getTrustedIssuerRoute,
  updateTrustedIssuerRoute, tryAssertionRoute, deleteTrustedIssuerRoute
)

function listPresetsRoute (app: RouteContext): void {
  app.get('/trusted-issuer-presets', {
    config: readAccess,
    schema: {
      summary: 'List presets of trusted issuers',
      description: 'What is known of well-known platforms: docs/workloads has a page for each.',
      response: { 200: Type.Object({ data: list(WirePreset) }) },
    },
  }, async () => ({ data: presetNames.map(name => ({ name, ...presets[name] })) }))
}

function createTrustedIssuerRoute (app: RouteContext, dependencies: TrustedIssuerDependencies): void {
  app.post('/trusted-issuers', {
    config: { ...writeAccess, failures: ['not_found', 'organization_not_active', 'conflict'] },
    schema: {
      summary: 'Trust an issuer',
      description: 'Its assertions get nothing until a rule says what; those of ID-JAG get what their client has.',
      body: NewIssuer,
      response: { 201: WireIssuer },
    },
  }, async (request, reply) => await created(dependencies, request, reply, async operation => {
    const { organization: organizationId, preset = 'custom', profile = 'workload', ...input } = request.body
    const given = { ...input, organizationId, preset, profile }
    return wireIssuer(dependencies, await trustIssuer(operation, given, dependencies.secrets))
  }))
}

function listTrustedIssuersRoute (app: RouteContext, dependencies: TrustedIssuerDependencies): void {
  app.get('/trusted-issuers', {
    config: readAccess,
    schema: {
      summary: 'List trusted issuers',
      description: ownPage,
      querystring: IssuerQuerystring,
      response: { 200: pageOf(WireIssuer) },
    },
  }, async request => {
    const operation = operationOf(dependencies, request)
    const query = pageQuery(request.query)
    const filter = organizationFilter(operation, request.query.organization)
    const page = await operation.store.trustedIssuers.page(query, filter)
    return wirePage(query, page, issuer => wireIssuer(dependencies, issuer))
  })
}

function getTrustedIssuerRoute (app: RouteContext, dependencies: TrustedIssuerDependencies): void {
  app.get('/trusted-issuers/:id', {
    config: readAccess,
    schema: {
      summary: 'Read a trusted issuer',
      description: 'Includes where its keys are, and the audience that its assertions should have.',
      params: IdParams,
      response: { 200: WireIssuer },
    },
  }, async request =>
    wireIssuer(dependencies, await getTrustedIssuer(operationOf(dependencies, request), request.params.id)))
}

function updateTrustedIssuerRoute (app: RouteContext, dependencies: TrustedIssuerDependencies): void {
  app.patch('/trusted-issuers/:id', {
    config: writeAccess,
    schema: {
      summary: 'Change the keys and settings of a trusted issuer',
      description: 'Ends the tokens of its workloads. Cannot be changed without the scopes that its rules give.',
      params: IdParams,
      body: IssuerChange,
      response: { 200: WireIssuer },
    },
  }, async request => {
    const { params: { id }, body } = request
    const operation = operationOf(dependencies, request)
    return wireIssuer(dependencies, await updateTrustedIssuer(operation, id, body, dependencies.secrets))
  })
}

function tryAssertionRoute (app: RouteContext, dependencies: TrustedIssuerDependencies): void {
  app.post('/trusted-issuers/try', {
    config: { ...readAccess, appends: true, failures: ['not_found'] },
    schema: {
      summary: 'Try an assertion',
      description:
        'A dry run: which rule a JWT of a platform meets, or why it meets none. Nothing is used up; a cluster with ' +
        '`tokenReview` is asked.',
      body: Attempt,
      response: { 200: WireAttempt },
    },
  }, async request => {
    const operation = operationOf(dependencies, request)
    const { assertion: text, client: clientId } = request.body
    const client = clientId === undefined ? null : await getClient(operation, clientId)
    const { issuer, issuerKeys: keys, reviewer, clock } = dependencies
    const { organizationId } = operation.actor
    const options = { issuer, tokenEndpoint: issuer + paths.token, store: operation.store, keys, reviewer, clock }
    return wireAttempt(await examine(options, {
      text, profile: profileOf(text), client, ...(organizationId !== null && { ownedBy: organizationId })
    }))
  })
}

function deleteTrustedIssuerRoute (app: RouteContext, dependencies: TrustedIssuerDependencies): void {
  app.delete('/trusted-issuers/:id', {
    config: writeAccess,
    schema: {
      summary: 'Delete a trusted issuer with its rules',
      description: 'Refuses the tokens of its workloads from the next request on.',
      params: IdParams,
      response: { 204: Type.Null() },
    },
  }, async (request, reply) =>
    await ended(reply, distrustIssuer(operationOf(dependencies, request), request.params.id)))
}

function wireIssuer (
  { issuer: server }: TrustedIssuerDependencies,
  {
    id, organizationId, name, preset, profile, issuer, keys, tokenReview, audiences, algorithms, maxAge, singleUse,
    anchors, createdBy, createdAt, revision: shown
  }: TrustedIssuer
) {
  return {
    [revision]: shown,
    id,
    organization: organizationId,
    name,
    preset,
    profile,
    issuer,
    audience: organizationId === null || profile === 'id-jag' ? server : organizationAudience(server, organizationId),
    keys: keys.kind,
    jwks: keys.kind === 'inline' ? { keys: keys.jwks.keys } : null,
    jwksUri: keys.kind === 'jwks_uri' ? keys.uri : null,
    ca: keys.kind === 'inline' ? null : keys.ca,
    tokenReview: tokenReview && wireReview(tokenReview),
    audiences,
    algorithms,
    maxAge,
    singleUse,
    anchors,
    createdBy,
    createdAt,
  }
}

/** Never its token. */
function wireReview ({ url, ca, fingerprint, hint }: TokenReview) {
  return { url, ca, fingerprint, hint }
}

function wireAttempt (found: Examination) {
  const { ok, subject, issuers } = found
  return {
    accepted: ok,
    reason: ok ? null : found.reason,
    detail: ok ? null : found.detail,
    assertion: subject,
    issuer: ok ? found.issuer.id : null,
    rule: ok ? found.rule?.id ?? null : null,
    reviewed: ok && found.issuer.tokenReview !== null,
    issuers: issuers.map(({ issuer: { id, name }, reason, detail, rules }) => ({
      id, name, reason, detail, rules: rules.map(({ rule, problem }) => ({ id: rule.id, name: rule.name, problem }))
    })),
  }
}
