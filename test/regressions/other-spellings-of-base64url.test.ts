/** Base64url has several spellings of the same bytes: input in another than the canonical one is refused on arrival. */
import { createHash } from 'node:crypto'
import tap from 'tap'
import { exportJWK, generateKeyPair } from 'jose'
import { startServer, type Json } from '../support/test-server.ts'

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'

/** Another text that decodes to the same bytes. */
function respelled (text: string): string {
  const other = text.slice(0, -1) + alphabet[alphabet.indexOf(text.at(-1)!) + 1]!
  if (!Buffer.from(other, 'base64url').equals(Buffer.from(text, 'base64url'))) {
    throw new Error(`${text.length} characters have no bits to spare`)
  }
  return other
}

tap.test('a text in another spelling than the canonical one is refused where it arrives, with the reason', async t => {
  const server = await startServer({ registration: 'open' })
  t.teardown(server.close)
  const { admin, issuer, withKey, bearer, send } = server
  const { id: organization } = await server.createOrganization()
  const invalid = (field: string) => ({ status: 400, json: { code: 'INVALID_REQUEST', details: { field } } })

  t.test('K7: the digest of an imported key: it would make a key that nothing finds', async t => {
    const text = 'made.elsewhere.4f2a'
    const digest = createHash('sha256').update(text).digest('base64url')
    const input = {
      organization, resource: issuer, environment: 'live', name: 'old', scopes: ['invoices:read'], hint: '…4f2a'
    }
    t.match(await admin('POST', '/api-keys/import', { ...input, digest: respelled(digest) }), {
      ...invalid('digest'), json: { error: /43 base64url characters/ }
    })
    t.match(await admin('POST', '/api-keys/import', { ...input, digest: `${digest}=` }), invalid('digest'))
    t.equal((await admin('POST', '/api-keys/import', { ...input, digest })).status, 201)
    t.equal((await withKey(text)).status, 200)
  })

  t.test('R5: the coordinates of a client\'s key', async t => {
    for (const algorithm of ['ES256', 'Ed25519', 'RS256']) {
      const jwk = await exportJWK((await generateKeyPair(algorithm, { extractable: true })).publicKey) as Json
      const body = (keys: Json[]) => ({
        organization, name: 'c', grants: [], tokenEndpointAuthMethod: 'private_key_jwt', jwks: { keys }
      })
      for (const member of ['x', 'y', 'n'].filter(name => jwk[name] !== undefined)) {
        for (const odd of [respelled(jwk[member]), `${jwk[member]}=`, [jwk[member]], '']) {
          t.match(await admin('POST', '/clients', body([{ ...jwk, [member]: odd }])), {
            ...invalid('jwks'), json: { error: /^jwks\.keys\[0\] is not written in base64url/ }
          }, `${algorithm} ${member}`)
        }
        const registration = await send({
          method: 'POST',
          path: '/api/v1/oauth/register',
          body: {
            token_endpoint_auth_method: 'private_key_jwt',
            jwks: { keys: [{ ...jwk, [member]: respelled(jwk[member]) }] }
          }
        })
        t.match(registration, {
          status: 400, json: { error: 'invalid_client_metadata', error_description: /is not written in base64url/ }
        })
      }
      t.equal((await admin('POST', '/clients', body([jwk]))).status, 201)
    }
  })

  t.test('T1: an access token', async t => {
    const token = await server.tokenFor(await server.createClient({ organization }))
    t.equal((await bearer(respelled(token))).status, 401, 'before the token was seen')
    t.equal((await bearer(token)).status, 200)
    t.equal((await bearer(respelled(token))).status, 401, 'and after')
    t.equal((await bearer(`${token}=`)).status, 401)
  })

  t.test('OC-16: a cursor, its mark too', async t => {
    for (let i = 0; i < 2; i++) await server.createKey({ organization })
    const { nextCursor } = (await admin('GET', '/api-keys?limit=1')).json.pagination
    const [position, mark] = nextCursor.split('.') as [string, string]
    const spellings = [`${position}.${respelled(mark)}`, `${position}=.${mark}`, `${position}.${mark}=`]
    for (const cursor of spellings) {
      t.match(await admin('GET', `/api-keys?limit=1&cursor=${encodeURIComponent(cursor)}`), invalid('cursor'), cursor)
    }
    t.equal((await admin('GET', `/api-keys?limit=1&cursor=${nextCursor}`)).status, 200)
  })
})
