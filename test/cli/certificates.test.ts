/** A server behind a certificate that this machine does not trust: commands say which variable names its authority. */
import { createServer } from 'node:https'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import tap, { type Test } from 'tap'
import { makeAuthority, type Certified } from '../support/certificates.ts'
import { latchkeyCommand, ownEnvironment, run } from '../support/running-server.ts'

const authority = makeAuthority()
const folder = mkdtempSync(join(tmpdir(), 'latchkey-certificates-'))
tap.teardown(() => { rmSync(folder, { recursive: true }) })
const ca = join(folder, 'ca.pem')
writeFileSync(ca, authority.certificate)
const page = JSON.stringify({ data: [], pagination: { limit: 100, hasMore: false } })

async function listOf (t: Test, { certificate, key }: Certified, more: Record<string, string> = {}) {
  const server = createServer({ cert: certificate, key }, (_request, response) => {
    response.writeHead(200, { 'content-type': 'application/json' }).end(page)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => { server.close() })
  const LATCHKEY_URL = `https://127.0.0.1:${(server.address() as AddressInfo).port}`
  const env = ownEnvironment({ LATCHKEY_DATA: folder, LATCHKEY_TOKEN: 'x'.repeat(32), LATCHKEY_URL, ...more })
  return await run(process.execPath, [latchkeyCommand, 'org', 'list'], { env })
}

tap.test('an authority of one\'s own is named by NODE_EXTRA_CA_CERTS, and the refusal says so', async t => {
  const certified = authority.certify('127.0.0.1')
  const refused = await listOf(t, certified)
  t.equal(refused.code, 1)
  t.match(
    refused.stderr, /^latchkey: the certificate of https:\/\/127\.0\.0\.1:\d+ is signed by an unknown certificate authority/
  )
  t.match(refused.stderr, 'NODE_EXTRA_CA_CERTS=/path/to/ca.pem')
  t.match(await listOf(t, certified, { NODE_EXTRA_CA_CERTS: ca }), { code: 0, stderr: /There is no organization yet/ })
})

tap.test('a certificate that has expired, is not valid yet, or is for another name, is called that', async t => {
  const yesterday = new Date(Date.now() - 86_400_000)
  const expired = await listOf(t, authority.certify('127.0.0.1', yesterday), { NODE_EXTRA_CA_CERTS: ca })
  t.match(expired, { code: 1, stderr: /has expired\. Renew it where TLS is terminated/ })
  const tomorrow = new Date(Date.now() + 86_400_000)
  const early = await listOf(t, authority.certify('127.0.0.1', undefined, tomorrow), { NODE_EXTRA_CA_CERTS: ca })
  t.match(early, { code: 1, stderr: /is not valid yet\. Synchronize the clock of this machine/ })
  const other = await listOf(t, authority.certify('auth.example.test'), { NODE_EXTRA_CA_CERTS: ca })
  t.match(other, { code: 1, stderr: /is for another name\. Get a certificate for this name/ })
})
