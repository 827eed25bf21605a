/** CraftKit's main job as real requests: project keys, test renders, sessions of end users, inbound webhooks. */
import { randomUUID } from 'node:crypto'
import { importJWK, SignJWT, type JWK } from 'jose'
import { bearer, operatorOf, type Leftovers, type Stage } from '../example.ts'
import type { Answer } from '../transcript.ts'
import { craftkitPath } from './api.ts'

interface Pair { id: string, publishableKey: string, signingKey: { jwk: JWK } }

export async function craftkitJob (stage: Stage): Promise<Leftovers> {
  const { http, origin } = stage
  const operator = operatorOf(stage)
  const resource = origin + craftkitPath
  const call = async (credential: string | null, method: string, path: string, json?: object) =>
    await http.send(method, craftkitPath + path, {
      headers: credential === null ? {} : bearer(credential), ...(json ? { json } : {})
    })
  const refused = (answer: Answer, status: number, code: string) =>
    http.expect(`${status} ${code}`, answer.status === status && answer.body.error.code === code)
  const order = { template: 'tpl_letter', values: { customer: 'Ada' } }

  http.step('An operator creates a project whose plan includes embedding, and a live and a test key for it')
  const { id: project } = await operator.create('organizations', { name: 'Acme', features: ['embedding'] })
  const make = async (environment: string) =>
    await operator.create('api-keys', {
      organization: project, resource, environment, name: 'backend', scopes: ['renders:*', 'templates:read']
    })
  const [live, test] = [await make('live'), await make('test')]

  http.step('The live key renders; what the test key renders is watermarked')
  const made = await call(live.key, 'POST', '/v1/renders', order)
  http.expect('201, no watermark', made.status === 201 && made.body.watermarked === false)
  http.expect('the key reads its render', (await call(live.key, 'GET', `/v1/renders/${made.body.id}`)).status === 200)
  http.expect('201, watermarked', (await call(test.key, 'POST', '/v1/renders', order)).body.watermarked === true)

  http.step('No credential, an unknown one, and a project key that would change a template are refused')
  refused(await call(null, 'GET', '/v1/templates'), 401, 'missing_authorization')
  refused(await call('ck_live_nonsense', 'GET', '/v1/templates'), 401, 'invalid_credentials')
  refused(await call(live.key, 'PUT', '/v1/templates/tpl_letter', { text: 'Hi' }), 403, 'forbidden')

  http.step('For the end users of a site the operator makes a publishable key and the signing key that belongs to it')
  const pair: Pair = await operator.create('publishable-keys', {
    organization: project, resource, environment: 'live', name: 'site', scopes: ['renders:write']
  })

  http.step('The site\'s backend signs who its user is, and gets a session token for them (after RFC 7523)')
  const assertion = await sign(pair, origin)
  http.hide(assertion)
  const exchange = async () =>
    await http.send('POST', '/api/v1/auth/session', {
      form: { grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', assertion }
    })
  const { body: { access_token: session } } = await exchange()
  http.expect('an assertion is good once', (await exchange()).status === 400)

  http.step('The embed routes accept the session alone, and the others refuse it')
  http.expect('201, for user-7', (await call(session, 'POST', '/v1/embed/renders', order)).body.endUser === 'user-7')
  refused(await call(live.key, 'POST', '/v1/embed/renders', order), 403, 'forbidden')
  refused(await call(session, 'POST', '/v1/renders', order), 401, 'invalid_credentials')

  http.step('A webhook has a token in its path, good for one template')
  const { token } = await operator.create('webhook-tokens', {
    apiKey: live.id, object: { type: 'templates', id: 'tpl_invoice' }
  })
  const hooked = await call(null, 'POST', `/v1/webhooks/${token}`, { customer: 'Bob' })
  const isTheKeys = hooked.body.owner === live.id && hooked.body.text === 'Invoice for Bob'
  http.expect('what it renders is the key\'s', hooked.status === 201 && isTheKeys)

  http.step('The plan loses embedding: the embed routes refuse every credential of the project')
  await operator.send('PATCH', `organizations/${project}`, { features: [] })
  refused(await call(session, 'POST', '/v1/embed/renders', order), 401, 'invalid_credentials')
  refused(await call(live.key, 'GET', '/v1/embed'), 401, 'invalid_credentials')

  http.step('The project is suspended, and resumed')
  await operator.send('PATCH', `organizations/${project}`, { status: 'suspended' })
  refused(await call(live.key, 'POST', '/v1/renders', order), 403, 'partner_suspended')
  await operator.send('PATCH', `organizations/${project}`, { status: 'active' })
  http.expect('201', (await call(live.key, 'POST', '/v1/renders', order)).status === 201)

  http.step('A key is revoked: its next call is refused, and the other key still works')
  await operator.send('POST', `api-keys/${live.id}/revoke`, { reason: 'leaked' })
  refused(await call(live.key, 'POST', '/v1/renders', order), 401, 'invalid_credentials')
  http.expect('201', (await call(test.key, 'POST', '/v1/renders', order)).status === 201)

  return { curl: [`curl -i -H 'authorization: Bearer ${test.key}' ${resource}/v1/templates`], latchkey: 'key list' }
}

/** The site's backend asserts the end user's identity, for a minute and for this server alone. */
async function sign ({ publishableKey, signingKey }: Pair, issuer: string): Promise<string> {
  return await new SignJWT().setProtectedHeader({ alg: 'ES256' })
    .setIssuer(publishableKey).setAudience(issuer).setSubject('user-7').setJti(randomUUID()).setIssuedAt()
    .setExpirationTime('1m')
    .sign(await importJWK(signingKey.jwk, 'ES256'))
}
