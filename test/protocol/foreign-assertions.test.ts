/**
 * Assertions signed by other client libraries, as recorded by `npm run judges`: accepted from a client with the profile
 * `rfc7523`, and refused from a strict one with a description that names the remedy.
 */
import { mock } from 'node:test'
import { decodeJwt } from 'jose'
import tap from 'tap'
import { updateClient } from '../../src/domain/credentials/client-change.ts'
import { foreignAssertions } from '../support/foreign-clients.ts'
import { startServer } from '../support/authorization-server.ts'

const assertions = await foreignAssertions()

tap.test('C3: what is recorded is of the libraries that cannot be told otherwise', async t => {
  t.strictSame(assertions.map(({ client }) => client), [
    'zitadel/oidc 3', 'Nimbus oauth2-oidc-sdk', 'Spring Security', 'Authlib'
  ])
})

for (const { client: library, issuer, sentAt, jwk, assertion } of assertions) {
  tap.test(`C3: an assertion of ${library} needs the profile rfc7523, and counts once`, async t => {
    // The provider reads the system clock.
    mock.timers.enable({ apis: ['Date'], now: sentAt * 1000 })
    t.teardown(() => { mock.timers.reset() })
    const server = await startServer(t, { issuer })
    const input = {
      tokenEndpointAuthMethod: 'private_key_jwt' as const, jwks: { keys: [jwk as Record<string, unknown>] }
    }
    const { client } = await server.client({ ...input, assertionProfile: 'strict' })
    // The issuer that the library signed for.
    const id = decodeJwt(assertion).iss!
    await server.operation.store.transaction(async tx => { await tx.clients.insert({ ...client, id }) })
    const exchange = async () => await server.post('/api/v1/auth/token', {
      grant_type: 'client_credentials',
      client_id: id,
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: assertion,
    })
    const strict = await exchange()
    t.match(strict, {
      status: 401,
      body: { error: 'invalid_client', error_description: /^The client_assertion is refused: aud must be the issuer/ }
    })
    t.match(strict.body.error_description, 'latchkey client update CLIENT --assertion-profile rfc7523', 'the way out')
    await updateClient(server.operation, id, { assertionProfile: 'rfc7523' })
    t.match(await exchange(), { status: 200, body: { token_type: 'Bearer', scope: 'invoices:read' } })
    t.match(await exchange(), { status: 401, body: { error: 'invalid_client' } }, 'once')
  })
}
