/** Schemas of clients: creation and change. */
import { Type } from '../../http/typebox-lite.ts'
import { clientGrantTypes } from '../../domain/client-metadata/grant-types.ts'
import { applicationTypes, longestRedirectUri, mostRedirectUris } from '../../domain/client-metadata/redirect-uri.ts'
import { assertionProfiles, clientAuthMethods } from '../../domain/credentials/client.ts'
import { idTokenAlgorithms } from '../../domain/tokens/signing-key.ts'
import {
  Allowlist, annotations, exactly, Name, OwnerOrDeployment, ResourceName, ScopeNames
} from '../conventions/schemas.ts'

const Grants = Type.Array(exactly({ resource: ResourceName, scopes: ScopeNames }), {
  maxItems: 50, description: 'The first one is the default resource.'
})
const Introspects = Type.Array(ResourceName, {
  maxItems: 50, description: 'Resources whose credentials it may introspect.'
})
export const Profile = Type.Enum([...assertionProfiles], {
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
export const IdTokenAlgorithm = Type.Enum([...idTokenAlgorithms], {
  description: 'The algorithm that signs its ID tokens. Default: ES256.'
})
export const PkceRequired = Type.Boolean({
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
