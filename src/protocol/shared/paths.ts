/** Paths of the authorization server, below the issuer's origin. */
export const paths = {
  token: '/api/v1/auth/token',
  session: '/api/v1/auth/session',
  providerCallback: '/api/v1/auth/callback',
  providerLogout: '/api/v1/auth/backchannel-logout',
  authorization: '/api/v1/oauth/authorize',
  pushedRequest: '/api/v1/oauth/par',
  userinfo: '/api/v1/oauth/userinfo',
  registration: '/api/v1/oauth/register',
  introspection: '/api/v1/oauth/introspect',
  revocation: '/api/v1/oauth/revoke',
  jwks: '/.well-known/jwks.json',
  serverMetadata: '/.well-known/oauth-authorization-server',
  openidConfiguration: '/.well-known/openid-configuration',
  resourceMetadata: '/.well-known/oauth-protected-resource',
} as const
