/** What the adapters of a remote guard read of a request that means to hide a credential. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import tap from 'tap'
import { fetchGuard } from '../../../packages/guard/src/fetch.ts'
import { expressGuard, type ExpressRequest } from '../../../packages/guard/src/express.ts'
import { until } from '../../support/waiting.ts'
import { startGuarded } from '../../support/guarded-node-api.ts'

tap.test('a token behind a second question mark is a second credential, in Express as in node:http', async t => {
  const { guard, get, key } = await startGuarded(t)
  const { key: text } = await key()
  const headers = { 'x-api-key': text }
  const guarded = expressGuard(guard, { scopes: [] })
  const express = createServer(async (request, response) => {
    const more = { originalUrl: request.url!, ip: '127.0.0.1', protocol: 'http', params: {} }
    await guarded(Object.assign(request, more) as ExpressRequest, response, () => { response.end('passed') })
  })
  await new Promise<void>(resolve => express.listen(0, '127.0.0.1', resolve))
  t.teardown(() => { express.close() })
  const url = `http://127.0.0.1:${(express.address() as AddressInfo).port}/invoices`
  for (const [query, status] of [['?a=b', 200], ['?a=b?c&access_token=x', 400], ['?access_token=x', 400]] as const) {
    t.equal((await get(headers, query)).status, status)
    t.equal((await fetch(url + query, { headers })).status, status, query)
  }
})

tap.test('without trust the server decides, however long the path is and wherever the caller came from', async t => {
  let isOff = false
  const { guard, get, key } = await startGuarded(t, {}, {
    replace: path => isOff && path.endsWith('/poll') ? { status: 503, body: '{}' } : null
  })
  const { key: text } = await key()
  const headers = { 'x-api-key': text }
  isOff = true
  await until('the guard has no trust', () => !guard.isTrusted)
  t.equal((await get(headers, `/${'x'.repeat(3_000)}`)).status, 200)
  const guarded = fetchGuard(guard, { scopes: [] })
  t.match(await guarded(new Request('https://api.acme.test/invoices', { headers })), { principal: { kind: 'api_key' } })
})
