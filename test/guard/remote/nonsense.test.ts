/** A remote guard whose server, or a proxy before it, answers nonsense: its API stays up, and nothing passes. */
import tap, { type Test } from 'tap'
import fastify from 'fastify'
import { fastifyGuard } from '../../../packages/guard/src/fastify.ts'
import { startGuarded, type Tampering } from '../../support/guarded-node-api.ts'

const nonsense = [
  '{}', 'null', '[]', '"x"', '{"allowed":false}', '{"allowed":true}', '{"allowed":false,"refusal":{}}', '<html>',
  '{"allowed":false,"refusal":{"status":99,"headers":{},"body":""}}',
  '{"allowed":false,"refusal":{"status":401,"headers":{"a\\n":"b"},"body":""}}',
  '{"allowed":true,"principal":{"expiresAt":null},"headers":{"a b":"c"}}',
  '{"refusal":{}}', '{"refusal":null}', '{"refusal":{"reason":"constructor"}}', '{"position":0,"entry":{}}',
  '{"position":0,"entry":{"follows":[],"facts":{"kind":"api_key"}}}'
]

/** An API of Fastify behind the guard; a rejection outside of a request fails the test. */
async function apiOf (t: Test, tampering: Tampering) {
  const { guard, key } = await startGuarded(t, { onError () { throw new Error('of the application') } }, tampering)
  const app = fastify()
  t.teardown(() => app.close())
  await app.register(fastifyGuard(guard))
  app.get('/', { config: { scopes: [] } }, async () => 'passed')
  const url = await app.listen({ host: '127.0.0.1', port: 0 })
  const { key: text } = await key()
  return async () => await fetch(url, { headers: { 'x-api-key': text } })
}

for (const path of ['/lookup', '/verify']) {
  tap.test(`nonsense in the place of the answer of ${path} is answered with 503`, async t => {
    let body = '{}'
    let isOff = false
    const get = await apiOf(t, {
      replace: asked => asked.endsWith(path) && isOff
        ? { status: 200, body }
        : path === '/verify' && isOff && asked.endsWith('/lookup') ? { status: 410, body: '{}' } : null
    })
    isOff = true
    for (body of nonsense) t.equal((await get()).status, 503, body)
    isOff = false
    t.equal((await get()).status, 200)
  })
}
