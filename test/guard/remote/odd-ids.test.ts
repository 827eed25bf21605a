/** Texts in the place of ids: a guard that asks its server refuses them as one that decides by itself. */
import tap from 'tap'
import type { Decision } from '../../../packages/guard/src/index.ts'
import { noNeeds, requestWith } from '../../support/guard-requests.ts'
import { startGuarded } from '../../support/guarded-node-api.ts'
import { until } from '../../support/waiting.ts'

const odd = ['', 'x', 'x'.repeat(600), 'x'.repeat(10_000), 'a\0b', 'a\u001bb', 'a\ud800', '../..', '😀'.repeat(120)]

const moment = /\d{4}-\d\d-\d\dT[\d:.]+Z/

function shown (decision: Decision): unknown {
  if (decision.ok) return decision.principal.id
  const { status, body } = decision.answer
  return [status, body.replace(moment, '')]
}

tap.test('what is no id is refused alike by memory, by the server that is asked, and by its own guard', async t => {
  let isTrusting = true
  const { server, guard, key } = await startGuarded(t, {}, {
    replace: path => isTrusting || !path.endsWith('/poll')
      ? null
      : { status: 200, body: '{"position":0,"changes":[],"trustFor":0}' }
  }, {
    async mount (app, latchkey) {
      await app.register(async api => {
        await api.register(latchkey.guard, { resource: latchkey.config.issuer })
        api.get('/of/:organization', { config: { scopes: [], organization: 'organization' } }, async () => ({}))
      })
    }
  })
  const [free, restricted, revoked] = [await key(), await key({ objects: { templates: ['tpl_1'] } }), await key()]
  t.equal((await server.admin('POST', `/api-keys/${revoked.id}/revoke`)).status, 200)
  const decide = async (): Promise<unknown[]> => {
    const decided: unknown[] = []
    for (const each of [free, restricted, revoked]) {
      for (const id of odd) {
        const request = requestWith(each.key)
        decided.push(shown(await guard.decide(request, { ...noNeeds, organizationId: id })))
        decided.push(shown(await guard.decide(request, { ...noNeeds, object: { type: 'templates' }, objectId: id })))
        decided.push(shown(await guard.decide({ ...request, method: `${id}/`.slice(0, 90) }, noNeeds)))
      }
    }
    return decided
  }
  const byMemory = await decide()
  isTrusting = false
  await until('the guard has no trust', () => !guard.isTrusted)
  t.strictSame(await decide(), byMemory)
  t.ok(byMemory.flat().every(each => each !== 503))

  for (const id of ['x', 'x'.repeat(600), 'a\0b', 'a\u001bb']) {
    const path = `/of/${encodeURIComponent(id)}`
    const own = await server.send({ path, headers: { 'x-api-key': free.key } })
    const asked = await guard.decide({ ...requestWith(free.key), path }, { ...noNeeds, organizationId: id })
    t.strictSame([own.status, own.text.replace(moment, '')], shown(asked))
  }
})
