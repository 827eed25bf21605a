/** A guard before a server that answers when the test says so: which request a late look-up may decide. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import tap, { type Test } from 'tap'
import { openGuard } from '../../../packages/guard/src/index.ts'
import { styles } from '../../../src/domain/resources/style.ts'
import { noNeeds, requestWith } from '../../support/guard-requests.ts'
import { until } from '../../support/waiting.ts'

interface Asked { path: string, body: Record<string, any>, answer: (status: number, body: object) => void }

/** A server whose every request waits in `asked` until the test answers it. */
async function startServer (t: Test): Promise<{ url: string, next: (path: RegExp) => Promise<Asked> }> {
  const asked: Asked[] = []
  const server = createServer((request: IncomingMessage, response: ServerResponse) => {
    const chunks: Buffer[] = []
    request.on('data', chunk => { chunks.push(chunk) })
    request.on('end', () => {
      asked.push({
        path: `${request.method} ${request.url}`,
        body: chunks.length === 0 ? {} : JSON.parse(Buffer.concat(chunks).toString()),
        answer: (status, body) => { response.writeHead(status).end(JSON.stringify(body)) }
      })
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.close()
    server.closeAllConnections()
  })
  const next = async (path: RegExp): Promise<Asked> => {
    let found = -1
    await until(`a request ${path}`, () => (found = asked.findIndex(each => path.test(each.path))) !== -1)
    return asked.splice(found, 1)[0]!
  }
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, next }
}

const request = requestWith('a key of the test')

const key = {
  id: 'key_1',
  organizationId: 'org_1',
  access: 'full',
  allowlist: [],
  expiresAt: null,
  rotatedTo: null,
  environment: 'live',
  chainId: 'key_1',
  callsPerMinute: null,
  callsPerMonth: null,
  creditsPerMonth: null
}
const principal = {
  kind: 'api_key',
  id: 'key_1',
  subject: null,
  name: 'k',
  organizationId: 'org_1',
  organizations: ['org_1'],
  environment: 'live',
  resource: 'https://api.test',
  resourceId: 'res_1',
  groups: [],
  access: 'full',
  scopes: [],
  creator: null,
  objects: {},
  allowlist: [],
  expiresAt: null
}
const organization = {
  id: 'org_1', status: 'active', features: [], callsPerMinute: null, callsPerMonth: null, creditsPerMonth: null
}
const entry = {
  facts: { kind: 'api_key', principal, key, organization, policies: [] }, follows: ['key:1'], asksEachTime: false
}

tap.test('a request that came after an acknowledged change takes no look-up that was gathered before it', async t => {
  const { url, next } = await startServer(t)
  const opening = openGuard({
    server: url, clientId: 'cli_1', clientSecret: 's', resource: 'https://api.test', onError: () => {}
  })
  ;(await next(/^POST .*\/sessions$/)).answer(201, {
    session: 'gds_1',
    position: 0,
    lease: 60_000,
    issuer: url,
    keys: [],
    resource: {
      id: 'res_1', identifier: 'https://api.test', organization: null, style: styles.ledgerbee, metadata: null
    }
  })
  ;(await next(/poll$/)).answer(200, { position: 0, changes: [], trustFor: 60_000 })
  const guard = await opening
  const first = guard.decide(request, noNeeds)
  const gatheredBefore = await next(/lookup$/)
  ;(await next(/poll$/)).answer(200, { position: 1, changes: ['key:1'], trustFor: 60_000 })
  const confirmed = await next(/poll$/)
  t.equal(confirmed.body.applied, 1, 'the change is acknowledged now')
  const second = guard.decide(request, noNeeds)
  gatheredBefore.answer(200, { position: 0, entry })
  t.match(await first, { ok: true }, 'a request from before the change may pass')
  const anew = await next(/lookup$/)
  anew.answer(200, {
    position: null, refusal: { reason: 'revoked', presented: 'api_key', subject: 'key_1', organizationId: 'org_1' }
  })
  t.match(await second, { ok: false, answer: { status: 401 } })
  const stopped = guard.stop()
  confirmed.answer(410, {})
  ;(await next(/^DELETE/)).answer(204, {})
  await stopped
})
