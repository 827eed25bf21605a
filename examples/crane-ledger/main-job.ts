/** Crane Ledger's main job as real requests: organizations, credits, usage, rotation, and TLS. */
import { bearer, operatorOf, type Leftovers, type Stage } from '../example.ts'
import type { Answer } from '../transcript.ts'
import { craneLedgerPath } from './api.ts'

export async function craneLedgerJob (stage: Stage): Promise<Leftovers> {
  const { http, origin } = stage
  const operator = operatorOf(stage)
  const call = async (key: string, method: string, path: string, json?: object) =>
    await http.send(method, craneLedgerPath + path, {
      headers: { ...bearer(key), 'x-forwarded-proto': 'https' }, ...(json ? { json } : {})
    })
  const refused = (answer: Answer, status: number, code: string) =>
    http.expect(
      `${status} ${code}`,
      answer.status === status && answer.body.error.code === code && answer.body.error.status === status
    )

  http.step('An operator creates two organizations, and gives the first real credits and mock ones')
  const { id: acme } = await operator.create('organizations', { name: 'Acme' })
  const { id: globex } = await operator.create('organizations', { name: 'Globex' })
  await operator.create(`organizations/${acme}/credits`, { environment: 'live', amount: 7, reason: 'paid' })
  await operator.create(`organizations/${acme}/credits`, { environment: 'test', amount: 100, reason: 'to try it' })

  http.step('… and a live and a test key')
  const make = async (environment: string, name: string, scopes: string[]) =>
    await operator.create('api-keys', {
      organization: acme, resource: origin + craneLedgerPath, environment, name, scopes
    })
  const live = await make('live', 'production', ['accounts:read', 'accounts:write', 'reports:*'])
  const mock = await make('test', 'trial', ['*:read', '*:write'])
  http.expect('each shows its environment', live.key.startsWith('cl_live_') && mock.key.startsWith('cl_test_'))

  http.step('Plain HTTP is refused, with a valid key or without')
  refused(
    await http.send('GET', `${craneLedgerPath}/organizations`, { headers: bearer(live.key) }), 403, 'https_required'
  )

  http.step('Over TLS the key lists the organizations that it reaches')
  const found = await call(live.key, 'GET', '/organizations')
  http.expect('Acme and no other', found.body.data.length === 1 && found.body.data[0].id === acme)

  http.step('It opens an account and draws up a report, which costs 5 credits')
  http.expect(
    '201',
    (await call(live.key, 'POST', `/organizations/${acme}/accounts`, { name: 'Cash', currency: 'EUR' })).status === 201
  )
  const report = await call(live.key, 'POST', `/organizations/${acme}/reports`, { kind: 'balance' })
  http.expect('it is a live report for 5 credits', report.body.environment === 'live' && report.body.creditsSpent === 5)

  http.step('The test key has separate books, and spends mock credits')
  const mocked = await call(mock.key, 'POST', `/organizations/${acme}/reports`, { kind: 'balance' })
  http.expect(
    'a test report, without the live account', mocked.body.environment === 'test' && mocked.body.lines.length === 0
  )
  const { body: balance } = await operator.send('GET', `organizations/${acme}/credits`)
  http.expect('2 real credits are left, 95 mock ones', balance.live === 2 && balance.test === 95)

  http.step('The remaining credits do not pay for another report')
  refused(
    await call(live.key, 'POST', `/organizations/${acme}/reports`, { kind: 'balance' }), 402, 'insufficient_credits'
  )

  http.step('Another organization is answered like one that does not exist')
  const foreign = await call(live.key, 'GET', `/organizations/${globex}/accounts`)
  const missing = await call(live.key, 'GET', '/organizations/org_0/accounts')
  refused(foreign, 404, 'organization_not_found')
  http.expect('byte for byte', JSON.stringify(foreign.body) === JSON.stringify(missing.body))

  http.step('Too little permission, an unknown key')
  refused(await call(live.key, 'GET', `/organizations/${acme}/transactions`), 403, 'insufficient_permissions')
  refused(await call('cl_live_0', 'GET', '/organizations'), 401, 'invalid_api_key')

  http.step('The usage of the key this month')
  const { body: usage } = await operator.send('GET', `api-keys/${live.id}/usage`)
  http.expect('calls and credits; refused calls do not count', usage.calls === 3 && usage.credits === 5)

  http.step('The operator rotates the key: for an hour both work')
  const next = await operator.create(`api-keys/${live.id}/rotate`, { overlapSeconds: 3_600 })
  http.expect('the old one works', (await call(live.key, 'GET', '/organizations')).status === 200)
  http.expect('the new one works', (await call(next.key, 'GET', '/organizations')).status === 200)

  http.step('… and ends the old one early')
  http.expect(
    '200', (await operator.send('POST', `api-keys/${live.id}/revoke`, { reason: 'switched over' })).status === 200
  )
  refused(await call(live.key, 'GET', '/organizations'), 401, 'invalid_api_key')
  http.expect('the new one still works', (await call(next.key, 'GET', '/organizations')).status === 200)

  return {
    curl: [
      `curl -i -H 'authorization: Bearer ${next.key}' -H 'x-forwarded-proto: https' ` +
        `${origin}${craneLedgerPath}/organizations`
    ],
    latchkey: 'key list'
  }
}
