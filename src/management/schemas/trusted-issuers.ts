/** Schemas of trusted issuers and of their rules. */
import { claimSeparators, longestClaim, mostConditions } from '../../domain/workloads/claim-match.ts'
import { ageBounds, mostAudiences } from '../../domain/workloads/issuer-change.ts'
import { longestAssertion } from '../../domain/workloads/assertion.ts'
import { issuerAlgorithms } from '../../domain/workloads/key-set.ts'
import { longestAuthority, longestIssuer } from '../../domain/workloads/key-source.ts'
import { presetNames } from '../../domain/workloads/presets.ts'
import { longestReviewerToken, longestReviewUrl } from '../../domain/workloads/token-review.ts'
import { issuerProfiles } from '../../domain/workloads/trusted-issuer.ts'
import { Type } from '../../http/typebox-lite.ts'
import {
  as, exactly, GivenScopes, Id, list, Moment, Name, nullable, OrganizationId, OwnerOrDeployment, PageQuerystring,
  ResourceName, ScopeNames, Texts
} from '../conventions/schemas.ts'

const example = {
  issuer: 'https://oidc.eks.eu-central-1.amazonaws.com/id/EXAMPLE',
  apiServer: 'https://example.gr7.eu-central-1.eks.amazonaws.com',
  id: 'tri_8nLd4wEfG5yKtQ0rXc2sVb'
}

export const IssuerName = as(Type.String({
  minLength: 1,
  maxLength: longestIssuer,
  description: 'The `iss` of its assertions, character by character; a trust domain of SPIFFE as spiffe://….'
}), example.issuer)
const Jwks = Type.Record(Type.String(), Type.Unknown(), {
  description: 'The public keys as a JWK Set, or a SPIFFE bundle: nothing is fetched then.'
})
const Uri = Type.String({ minLength: 1, maxLength: longestIssuer })
const Ca = Type.String({
  minLength: 1,
  maxLength: longestAuthority,
  description: 'PEM: the authority of the host of its keys, beside the usual ones.'
})
const Seconds = as(Type.Integer({
  minimum: ageBounds.least, maximum: ageBounds.most, description: 'The longest life of an assertion, in seconds.'
}), 3_600)
const Path = as(Type.String({
  minLength: 2, maxLength: longestClaim, description: 'A JSON Pointer to a claim; ~1 is a slash within a name.'
}), '/kubernetes.io/namespace')
const Review = exactly({
  url: Type.Optional(as(Type.String({
    minLength: 1,
    maxLength: longestReviewUrl,
    description: 'Of the API server; without a path, that of its TokenReview is added.'
  }), example.apiServer)),
  token: Type.Optional(Type.String({
    minLength: 1,
    maxLength: longestReviewerToken,
    description: 'The bearer token of the account that asks: bound to `system:auth-delegator`. It is sealed, and ' +
      'never read back. A change without it keeps the present one, for the same host and authority alone.'
  })),
  ca: Type.Optional(Type.Union([
    Type.String({ minLength: 1, maxLength: longestAuthority }), Type.Null()
  ], { description: 'PEM: the authority of the API server, beside that of the keys and the usual ones.' })),
})
const settings = {
  name: Name,
  jwks: Type.Optional(Jwks),
  jwksUri: Type.Optional(Type.Union([Uri, Type.Null()], {
    description: 'Where its keys are. Without it and without jwks, its discovery document says so.'
  })),
  ca: Type.Optional(Type.Union([Ca, Type.Null()])),
  audiences: Type.Optional(Type.Array(Uri, {
    maxItems: mostAudiences, description: 'Values of `aud` that are taken besides those of this server.'
  })),
  algorithms: Type.Optional(Type.Array(Type.Enum([...issuerAlgorithms]), { minItems: 1, maxItems: 11 })),
  maxAge: Type.Optional(Seconds),
  singleUse: Type.Optional(Type.Boolean({ description: 'Whether each `jti` is taken once.' })),
  tokenReview: Type.Optional(Type.Union([Review, Type.Null()], {
    description: 'Asks the cluster whether an assertion is still good, before each token (preset `kubernetes`, ' +
      'profile `workload`). Null: it is not asked.'
  })),
}
const Preset = Type.Enum([...presetNames])

export const NewIssuer = exactly({
  organization: OwnerOrDeployment,
  ...settings,
  preset: Type.Optional(Type.Enum([...presetNames], {
    description: 'The platform, for what is left out here; custom unless given.'
  })),
  profile: Type.Optional(Type.Enum([...issuerProfiles], {
    description: '`workload`: rules say what its workloads get. `id-jag`: clients act for people by its assertions.'
  })),
  issuer: Type.Optional(IssuerName),
  anchors: Type.Optional(Type.Array(Path, {
    minItems: 1,
    maxItems: mostAudiences,
    description: 'Claims that the issuer does not let its tenants choose: each rule has a condition on one of them.'
  })),
})
export const IssuerChange = exactly({ ...settings, name: Type.Optional(Name) })
export const IssuerQuerystring = exactly({ ...PageQuerystring, organization: Type.Optional(Id) })

export const WirePreset = Type.Object({
  name: Preset,
  issuer: nullable(Type.String()),
  algorithms: Texts,
  maxAge: Type.Integer(),
  singleUse: Type.Boolean(),
  anchors: Texts,
}, { title: 'TrustedIssuerPreset' })
export const WireIssuer = Type.Object({
  id: as(Type.String(), example.id),
  organization: nullable(OrganizationId),
  name: as(Type.String(), 'production cluster'),
  preset: Preset,
  profile: Type.Enum([...issuerProfiles]),
  issuer: as(Type.String(), example.issuer),
  audience: as(Type.String({ description: 'The `aud` that its assertions should have.' }), 'https://auth.acme.test'),
  keys: Type.Enum(['inline', 'jwks_uri', 'discovery']),
  jwks: nullable(Type.Object({ keys: list(Type.Record(Type.String(), Type.Unknown())) })),
  jwksUri: nullable(Type.String()),
  ca: nullable(Type.String()),
  tokenReview: nullable(Type.Object({
    url: as(Type.String(), `${example.apiServer}/apis/authentication.k8s.io/v1/tokenreviews`),
    ca: nullable(Type.String()),
    fingerprint: as(Type.String({ description: 'Of its token: 16 hex digits of its SHA-256.' }), '9f86d081884c7d65'),
    hint: as(Type.String({ description: 'The last four characters of its token.' }), 'x7Qk'),
  })),
  audiences: Texts,
  algorithms: Texts,
  maxAge: Type.Integer(),
  singleUse: Type.Boolean(),
  anchors: Texts,
  createdBy: as(Type.String(), 'admin'),
  createdAt: Moment,
}, { title: 'TrustedIssuer' })

export const Attempt = exactly({
  assertion: Type.String({
    minLength: 1, maxLength: longestAssertion, description: 'A JWT of the platform. It is neither kept nor logged.'
  }),
  client: Type.Optional(as(Id, 'cli_47oJu8Rmoptz2RZvzs30qU')),
})
export const WireAttempt = Type.Object({
  accepted: Type.Boolean(),
  reason: nullable(as(Type.String(), 'no_rule')),
  detail: nullable(Type.String()),
  assertion: Type.Object({
    iss: nullable(Type.String()), sub: nullable(Type.String()), jti: nullable(Type.String())
  }),
  issuer: nullable(as(Type.String(), example.id)),
  rule: nullable(as(Type.String(), 'twr_8nLd4wEfG5yKtQ0rXc2sVb')),
  reviewed: Type.Boolean({ description: 'Whether its cluster was asked, and says that it is still good.' }),
  issuers: list(Type.Object({
    id: Type.String(),
    name: Type.String(),
    reason: nullable(Type.String()),
    detail: nullable(Type.String()),
    rules: list(Type.Object({ id: Type.String(), name: Type.String(), problem: nullable(Type.String()) })),
  })),
}, { title: 'ExaminedAssertion' })

const Condition = exactly({
  claim: Path,
  value: as(Type.String({
    minLength: 1,
    maxLength: longestClaim,
    description: 'The text of the claim. With `separators` its beginning, up to one of them and `*`.'
  }), 'prod'),
  separators: Type.Optional(Type.Array(Type.Enum([...claimSeparators]), {
    minItems: 1, maxItems: 2, description: 'What `*` does not stand for.'
  })),
})
const rule = {
  name: Name,
  claims: Type.Array(Condition, { minItems: 1, maxItems: mostConditions, description: 'All of them hold.' }),
  resource: ResourceName,
  scopes: ScopeNames,
}
export const NewRule = exactly({
  issuer: as(Id, example.id),
  ...rule,
  client: Type.Optional(Type.Union([Id, Type.Null()], {
    description: 'The client that a workload acts as. Null: it acts as itself.'
  })),
  forOrganization: Type.Optional(Type.Union([Id, Type.Null()], {
    description: 'For rules of the deployment: for which organization a workload acts as itself.'
  })),
})
export const RuleChange = exactly({
  name: Type.Optional(Name),
  claims: Type.Optional(rule.claims),
  resource: Type.Optional(ResourceName),
  scopes: Type.Optional(ScopeNames),
})
export const RuleQuerystring = exactly({
  ...PageQuerystring, organization: Type.Optional(Id), issuer: Type.Optional(Id)
})
export const WireRule = Type.Object({
  id: as(Type.String(), 'twr_8nLd4wEfG5yKtQ0rXc2sVb'),
  issuer: as(Type.String(), example.id),
  organization: nullable(OrganizationId),
  name: as(Type.String(), 'web in prod'),
  claims: list(Type.Object({
    claim: Type.String(), value: Type.String(), separators: Type.Optional(list(Type.Enum([...claimSeparators])))
  })),
  client: nullable(as(Type.String(), 'cli_47oJu8Rmoptz2RZvzs30qU')),
  forOrganization: nullable(OrganizationId),
  resource: as(Type.String(), 'https://api.acme.test'),
  scopes: GivenScopes,
  createdBy: as(Type.String(), 'admin'),
  createdAt: Moment,
}, { title: 'WorkloadRule' })
