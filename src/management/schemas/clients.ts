/** Schemas of clients: lists, creation and change, and the answers. */
import { Type } from '../../http/typebox-lite.ts'
import { clientGrantTypes } from '../../domain/client-metadata/grant-types.ts'
import { applicationTypes, longestRedirectUri, mostRedirectUris } from '../../domain/client-metadata/redirect-uri.ts'
import { lastingListOrders } from '../../domain/core/list.ts'
import {
  assertionProfiles, clientAuthMethods, clientOrigins, clientStatuses
} from '../../domain/credentials/client.ts'
import { idTokenAlgorithms } from '../../domain/tokens/signing-key.ts'
import {
  Allowlist, annotations, as, exactly, ExternalId, givenAnnotations, GivenScopes, Id, list, Moment, Name, nullable,
  listQuerystring, OrganizationId, OwnerOrDeployment, ResourceName, ScopeNames, shownOnce, Texts
} from '../conventions/schemas.ts'

const Grants = Type.Array(exactly({ resource: ResourceName, scopes: ScopeNames }), {
  maxItems: 50, description: 'The first one is the default resource.'
})
const Introspects = Type.Array(ResourceName, {
  maxItems: 50, description: 'Resources whose credentials it may introspect.'
})
const Profile = Type.Enum([...assertionProfiles], {
  description:
    'For private_key_jwt. `strict`: `aud` is the issuer, lifetime at most five minutes. `rfc7523`: `aud` may also be ' +
      'the token endpoint or a list, lifetime at most an hour.'
})
const RedirectUris = Type.Array(Type.String({ minLength: 1, maxLength: longestRedirectUri }), {
  maxItems: mostRedirectUris,
  description: 'Where the client receives people back: compared as texts, in normal form (RFC 9700 §2.1).'
})
const GrantTypes = Type.Array(Type.Enum([...clientGrantTypes]), {
  minItems: 1,
  maxItems: clientGrantTypes.length,
  description:
    'Default: with redirect URIs `authorization_code` and `refresh_token`, else `client_credentials`.'
})
const ApplicationType = Type.Enum([...applicationTypes], {
  description: 'Default: `web` if every redirect URI is https, else `native`: its loopback redirect URIs have any port.'
})
const IdTokenAlgorithm = Type.Enum([...idTokenAlgorithms], {
  description: 'The algorithm that signs its ID tokens. Default: ES256.'
})
const PkceRequired = Type.Boolean({
  description:
    'Default: true. False lets a client that proves itself leave PKCE out of a request that has `nonce` and the ' +
      'scope `openid`; never a public one.'
})
const Jwks = exactly({ keys: Type.Array(Type.Record(Type.String(), Type.Unknown()), { minItems: 1, maxItems: 10 }) })

export const NewClient = exactly({
  organization: OwnerOrDeployment,
  name: Name,
  grants: Grants,
  allowlist: Type.Optional(Allowlist),
  introspects: Type.Optional(Introspects),
  tokenEndpointAuthMethod: Type.Optional(Type.Enum([...clientAuthMethods])),
  assertionProfile: Type.Optional(Profile),
  pkceRequired: Type.Optional(PkceRequired),
  jwks: Type.Optional(Jwks),
  redirectUris: Type.Optional(RedirectUris),
  grantTypes: Type.Optional(GrantTypes),
  applicationType: Type.Optional(ApplicationType),
  idTokenSignedResponseAlg: Type.Optional(IdTokenAlgorithm),
  ...annotations,
})
export const ClientChange = exactly({
  name: Type.Optional(Name),
  grants: Type.Optional(Grants),
  allowlist: Type.Optional(Allowlist),
  introspects: Type.Optional(Introspects),
  assertionProfile: Type.Optional(Profile),
  pkceRequired: Type.Optional(PkceRequired),
  redirectUris: Type.Optional(RedirectUris),
  grantTypes: Type.Optional(GrantTypes),
  applicationType: Type.Optional(ApplicationType),
  idTokenSignedResponseAlg: Type.Optional(IdTokenAlgorithm),
  ...annotations,
  organization: Type.Optional(
    Type.String({
      minLength: 1, maxLength: 512, description: 'Claims a client that registered openly and has no organization.'
    })
  )
})

export const ClientQuerystring = exactly({
  ...listQuerystring({ records: 'clients', found: 'the name, or of the id', sorts: lastingListOrders }),
  organization: Type.Optional(Id),
  name: Type.Optional(Name),
  creator: Type.Optional(Id),
  origin: Type.Optional(Type.Enum([...clientOrigins])),
  status: Type.Optional(Type.Enum([...clientStatuses])),
  resource: Type.Optional(Id),
  externalId: Type.Optional(ExternalId),
})

const client = {
  clientId: as(Type.String(), 'cli_SMFY997Oo6f1bZteLcSAnl'),
  organization: Type.Union([OrganizationId, Type.Null()], {
    description: 'Null: it belongs to the deployment, or registered openly and no organization has claimed it yet.'
  }),
  status: Type.Enum([...clientStatuses]),
  name: as(Type.String(), 'billing'),
  origin: Type.Enum([...clientOrigins]),
  tokenEndpointAuthMethod: Type.Enum([...clientAuthMethods]),
  redirectUris: list(Type.String()),
  grantTypes: list(Type.String()),
  applicationType: Type.Union([Type.Enum([...applicationTypes]), Type.Null()], {
    description: 'Null: it has no redirect URIs.'
  }),
  grants: list(Type.Object({ resource: ResourceName, scopes: GivenScopes })),
  allowlist: Texts,
  introspects: Texts,
  assertionProfile: Profile,
  pkceRequired: PkceRequired,
  idTokenSignedResponseAlg: IdTokenAlgorithm,
  generation: Type.Integer({ description: 'Tokens issued under another generation are revoked.' }),
  secrets: list(
    Type.Object({
      id: as(Type.String(), 'sec_0aFhJk3LmN5pQr7sTu9vWx'),
      hint: as(Type.String(), '…cCYs'),
      createdAt: Moment,
      expiresAt: nullable(Moment)
    })
  ),
  creator: Type.Union([Type.String(), Type.Null()], { description: 'The member whose credential created it.' }),
  createdAt: Moment,
  lastUsedAt: nullable(Moment),
  revokedAt: nullable(Moment),
  revokedReason: nullable(Type.String()),
  disabledAt: nullable(Moment),
  disabledReason: nullable(Type.String()),
  ...givenAnnotations,
}
const secret = shownOnce('x9Z0x_rNEMsxH-RqnLycZGh-93iQJjdznhwq2_mcCYs')
/** Not `Client`: generators give that name to the class that sends requests. */
export const WireClient = Type.Object(client, { title: 'OAuthClient' })
export const ClientWithSecret = Type.Object({ ...client, clientSecret: secret }, { title: 'OAuthClientWithSecret' })
/** A client with `private_key_jwt` has no secret. */
export const CreatedClient = Type.Object({ ...client, clientSecret: Type.Optional(secret) }, {
  title: 'CreatedOAuthClient'
})
