/**
 * oidc-provider unmodified, with its in-memory adapter and the same kind of client and token: the comparison for the
 * token endpoint.
 */
import { createServer } from 'node:http'
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import Provider, { type Configuration } from 'oidc-provider'

const clientCount = Number(process.argv[2] ?? 1000)
const port = Number(process.argv[3] ?? 4301)
const issuer = `http://127.0.0.1:${port}`

const clients = Array.from({ length: clientCount }, () => ({
  client_id: `cli_${randomBytes(16).toString('hex')}`,
  client_secret: randomBytes(32).toString('base64url'),
  grant_types: ['client_credentials'],
  redirect_uris: [],
  response_types: [],
  scope: 'company:read',
}))

const provider = new Provider(issuer, {
  clients: clients as unknown as Configuration['clients'],
  jwks: {
    keys: [{
      ...generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' }),
      alg: 'ES256',
      use: 'sig',
      kid: 'bench'
    }]
  },
  scopes: ['company:read'],
  ttl: { ClientCredentials: 3600 },
  clientDefaults: { id_token_signed_response_alg: 'ES256' },
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => issuer,
      getResourceServerInfo: () => ({
        scope: 'company:read',
        audience: issuer,
        accessTokenFormat: 'jwt',
        accessTokenTTL: 3600,
        jwt: { sign: { alg: 'ES256' } }
      })
    }
  }
} as unknown as Configuration)

createServer(provider.callback()).listen(port, '127.0.0.1', () => {
  process.stdout.write(
    JSON.stringify({
      url: issuer,
      clients: clients.map(each => Buffer.from(`${each.client_id}:${each.client_secret}`).toString('base64'))
    }) + '\n'
  )
})
