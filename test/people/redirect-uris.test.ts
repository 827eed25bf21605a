/**
 * Redirect URIs at the authorization endpoint: one that is not registered gets a page of ours, and never a redirect.
 */
import tap from 'tap'
import { authorizationUrl, createAskingClient, newPkce } from '../support/authorizing.ts'
import { startServer } from '../support/test-server.ts'

tap.setTimeout(600_000)
const server = await startServer()
tap.teardown(server.close)

/** The path of a request with this redirect URI, whatever URL parsers make of it. */
const requestOf = async (client: Awaited<ReturnType<typeof createAskingClient>>, redirectUri: string) => {
  const asked = { resource: server.issuer, scope: 'invoices:read' }
  const url = new URL(authorizationUrl(server, client, newPkce().challenge, asked))
  url.searchParams.set('redirect_uri', redirectUri)
  return url.pathname + url.search
}

const web = await createAskingClient(server, { redirect_uris: ['https://app.example/cb'], application_type: 'web' })
const native = await createAskingClient(server, {
  redirect_uris: ['http://127.0.0.1/cb', 'http://localhost:3000/cb', 'com.example.app:/cb'], application_type: 'native'
})

tap.test('A1 another text than the registered one is answered with a page, and there is no Location', async t => {
  const tricks = [
    'https://app.example/cb/', 'https://app.example/cb?x=1', 'https://app.example/cb#x', 'https://app.example:443/cb',
    'https://APP.example/cb', 'https://app.example/x/../cb', 'https://app.example/%63b', 'https://app.example./cb',
    'https://user@app.example/cb', 'https://app.example@evil.example/cb', 'https://app.example\\@evil.example/cb',
    'https://app.example/cb ', '//app.example/cb', 'http://app.example/cb', 'javascript:alert(1)', 'http://127.0.0.1/cb'
  ]
  for (const uri of tricks) {
    const { status, headers } = await server.send({ path: await requestOf(web, uri) })
    t.strictSame([status, headers.location], [400, undefined], JSON.stringify(uri))
  }
  const twice = `${await requestOf(web, 'https://app.example/cb')}&redirect_uri=https%3A%2F%2Fevil.example%2F`
  const { status, headers } = await server.send({ path: twice })
  t.strictSame([status, headers.location], [400, undefined], 'two redirect URIs')
})

tap.test('A2 the port of loopback varies for a native client, and nothing else does', async t => {
  const answerTo = async (uri: string) => {
    const { status, headers } = await server.send({ path: await requestOf(native, uri) })
    return [status, headers.location?.startsWith(server.issuer) || headers.location?.startsWith('/') || false]
  }
  const ports = ['http://127.0.0.1:0/cb', 'http://127.0.0.1:65535/cb', 'http://localhost:1/cb']
  for (const uri of [...ports, 'com.example.app:/cb']) {
    t.strictSame(await answerTo(uri), [303, true], `${uri}: on to the question`)
  }
  const tricks = [
    'http://127.0.0.1:99999/cb', 'http://127.0.0.1:1/', 'http://127.1:1/cb', 'http://0x7f.1:1/cb', 'http://[::1]:1/cb',
    'http://127.0.0.1.evil.example:1/cb', 'http://localhost.evil.example:1/cb', 'http://127.0.0.1:1@evil.example/cb',
    'http://127.0.0.1:1/x/../cb', 'com.example.app://cb', 'com.example.app:/cb/x'
  ]
  for (const uri of tricks) t.strictSame(await answerTo(uri), [400, false], uri)
})
