/**
 * An API in another process that guards itself: its guarded route against the same bare route, and how long a
 * revocation waits for three guards, each of which refuses the key at once after the acknowledgement.
 */
import { performance } from 'node:perf_hooks'
import { openGuard, type RemoteGuard } from '../packages/guard/src/index.ts'
import { noNeeds, requestWith } from '../test/support/guard-requests.ts'
import { alternate, get, quantile, start, stop, throughput, tokenFor, type Part, type Server } from './measuring.ts'

interface Latchkey { url: string, key: string, clients: string[], organization: string, adminToken: string }

export const remote: Part = async settings => {
  const server = await start<Latchkey>('latchkey-server.ts', [settings.clients, 4300])
  let api: Server<{ url: string }> | null = null
  try {
    const token = await tokenFor(server.url, server.clients[0]!)
    api = await start<{ url: string }>('remote-server.ts', [server.url, server.clients[0]!, 4311])
    const { url, pid } = api
    const withKey = get({ 'x-api-key': server.key })
    const withToken = get({ authorization: `Bearer ${token}` })
    const measured = alternate([
      { name: 'bare route sent the key', pid, url: `${url}/bare`, script: withKey },
      { name: 'remote guard, API key', pid, url: `${url}/guarded`, script: withKey },
      { name: 'bare route sent the token', pid, url: `${url}/bare`, script: withToken },
      { name: 'remote guard, access token', pid, url: `${url}/guarded`, script: withToken },
    ], settings)
    return [
      throughput(measured, 'remote guard, API key', 'bare route sent the key', 0.85),
      throughput(measured, 'remote guard, access token', 'bare route sent the token', 0.85),
    ]
  } finally {
    if (api !== null) await stop(api.process)
    server.process.kill()
  }
}

/** Keys in progress at a time. */
const atOnce = 4

const needs = { ...noNeeds, scopes: ['company:read'] }

export const edge: Part = async ({ clients, tries }) => {
  const server = await start<Latchkey>('latchkey-server.ts', [clients, 4300])
  const guards: RemoteGuard[] = []
  try {
    for (let i = 0; i < 3; i++) {
      const [clientId, clientSecret] = atob(server.clients[i]!).split(':') as [string, string]
      guards.push(await openGuard({ server: server.url, clientId, clientSecret, resource: server.url }))
    }
    const outcome = { passes: 0, waits: [] as number[] }
    let left = tries
    await Promise.all(Array.from({ length: atOnce }, async () => {
      while (left-- > 0) await revokeAndTry(server, guards, outcome)
    }))
    const at = (share: number): string => quantile(outcome.waits, share).toFixed(1)
    return [{
      what: 'revocation to refusal by guards',
      against: `3 guards, ${tries} tries`,
      values: [outcome.passes],
      reach: ['≤', 0],
      unit: ' passes',
      absolute: `acknowledged in ${at(0.5)} ms (p50), ${at(0.99)} ms (p99), ${atOnce} at a time`
    }]
  } finally {
    for (const guard of guards) await guard.stop()
    server.process.kill()
  }
}

async function revokeAndTry (
  server: Latchkey, guards: readonly RemoteGuard[], outcome: { passes: number, waits: number[] }
): Promise<void> {
  const { id, key } = await manage(server, '/api-keys', {
    organization: server.organization,
    resource: server.url,
    environment: 'live',
    name: 'bench',
    scopes: ['company:read']
  })
  const passes = async (guard: RemoteGuard): Promise<boolean> => (await guard.decide(requestWith(key!), needs)).ok
  for (const guard of guards) if (!await passes(guard)) throw new Error('a guard refuses a good key')
  const began = performance.now()
  await manage(server, `/api-keys/${id}/revoke`, {})
  outcome.waits.push(performance.now() - began)
  for (const guard of guards) if (await passes(guard)) outcome.passes++
}

async function manage (
  { url, adminToken }: Latchkey, path: string, body: object
): Promise<{ id: string, key?: string }> {
  const answer = await fetch(`${url}/api/v1${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${adminToken}`, 'content-type': 'application/json' },
    body: JSON.stringify(body)
  })
  if (!answer.ok) throw new Error(`POST ${path}: ${answer.status} ${await answer.text()}`)
  return await answer.json() as { id: string, key?: string }
}
