/**
 * Four servers on one PostgreSQL: once one of them has answered the revocation of a key, the others refuse it
 * immediately. Each key is used on all of the others before, so that they have it in their caches.
 */
import { Agent, request } from 'node:http'
import { performance } from 'node:perf_hooks'
import pg from 'pg'
import { createApiKey, createOrganization, loadConfig, openLatchkey, updateResource } from '../src/index.ts'
import { apiKeyHint, newApiKeyText } from '../src/secrets/credential-text.ts'
import { digestOf } from '../src/secrets/digest.ts'
import { newId, newSecret } from '../src/secrets/random.ts'
import { startPostgres } from '../test/support/postgres.ts'
import { quantile, scratch, start, stop, type Part, type Server } from './measuring.ts'

interface Key { id: string, text: string }

const ports = [4307, 4308, 4309, 4310]

/** Keys in progress at a time. */
const atOnce = 4

export const revocation: Part = async ({ tries }) => {
  const postgres = await startPostgres()
  const servers: Server<{ url: string }>[] = []
  try {
    const [issuer, secret, adminToken] = [`http://127.0.0.1:${ports[0]}`, newSecret(), newSecret()]
    const made = await seed(postgres.url, issuer, secret, adminToken, tries)
    for (const port of ports) {
      servers.push(await start('replica-server.ts', [scratch, postgres.url, issuer, port, secret, adminToken]))
    }
    const [first, ...others] = servers.map(({ url }) => url)
    const outcome: Outcome = { passes: 0, acknowledgements: [] }
    const left = made.values()
    await Promise.all(Array.from({ length: atOnce }, async () => {
      for (const key of left) await revokeAndTry(key, first!, others, adminToken, outcome)
    }))
    const { passes, acknowledgements } = outcome
    return [{
      what: 'revocation on A to refusal on B',
      against: `${ports.length} servers, ${tries} tries`,
      values: [passes],
      reach: ['≤', 0],
      unit: ' passes',
      absolute: `acknowledged in ${quantile(acknowledgements, 0.5).toFixed(1)} ms (p50), ${
        quantile(acknowledgements, 0.99).toFixed(1)
      } ms (p99), ${atOnce} at a time`
    }]
  } finally {
    await Promise.all(servers.map(server => stop(server.process)))
    await postgres.stop()
  }
}

interface Outcome { passes: number, acknowledgements: number[] }

async function revokeAndTry (
  { id, text }: Key, first: string, others: readonly string[], adminToken: string, outcome: Outcome
): Promise<void> {
  const use = (url: string) => send('GET', `${url}/guarded`, { 'x-api-key': text })
  for (const status of await Promise.all(others.map(use))) {
    if (status !== 200) throw new Error(`a key that nobody revoked was answered with ${status}`)
  }
  const began = performance.now()
  const revoked = await send('POST', `${first}/api/v1/api-keys/${id}/revoke`, { authorization: `Bearer ${adminToken}` })
  if (revoked !== 200) throw new Error(`the revocation was answered with ${revoked}`)
  outcome.acknowledgements.push(performance.now() - began)
  for (const status of await Promise.all(others.map(use))) {
    if (status === 200) outcome.passes++
    else if (status !== 401) throw new Error(`a revoked key was answered with ${status}`)
  }
}

const agent = new Agent({ keepAlive: true })

function send (method: string, url: string, headers: Record<string, string>): Promise<number> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { method, headers, agent }, response => {
      response.resume().once('end', () => { resolve(response.statusCode!) })
    })
    sent.once('error', reject)
    sent.end()
  })
}

/** A database with this number of keys: the first is created normally, the others are copies of its row. */
async function seed (
  databaseUrl: string, issuer: string, secret: string, adminToken: string, count: number
): Promise<Key[]> {
  const latchkey = await openLatchkey(loadConfig({
    DATABASE_URL: databaseUrl,
    LATCHKEY_DATA: scratch,
    LATCHKEY_ISSUER: issuer,
    LATCHKEY_SECRET: secret,
    LATCHKEY_ADMIN_TOKEN: adminToken,
    LATCHKEY_LOG_LEVEL: 'silent'
  }))
  const { operation } = latchkey
  await updateResource(operation, issuer, { scopes: [{ name: 'company:read', keyOnly: false, description: null }] })
  const organization = await createOrganization(operation, { name: 'Bench' })
  const made = await createApiKey(operation, {
    organizationId: organization.id, name: 'bench', resource: issuer, environment: 'live', scopes: ['company:read']
  })
  await latchkey.close()
  const prefix = made.text.slice(0, made.text.indexOf('_'))
  const keys = Array.from({ length: count }, () => ({ id: newId('key'), text: newApiKeyText(prefix, 'live') }))
  const client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  try {
    await client.query(`
      INSERT INTO "ApiKey" SELECT copy.* FROM "ApiKey" t, jsonb_array_elements($1::jsonb) changed, jsonb_populate_record(t, changed) copy WHERE t."id" = $2`,
    [
      JSON.stringify(
        keys.map(({ id, text }) => ({ id, chainId: id, digest: digestOf(text), hint: apiKeyHint(text) }))
      ),
      made.key.id
    ]
    )
  } finally {
    await client.end()
  }
  return keys
}
