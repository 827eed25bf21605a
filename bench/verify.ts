/**
 * `POST /api/v1/verify` against a bare route that reads the same JSON, and one call for 100 credentials against single
 * calls: credentials a second.
 */
import { alternate, median, start, throughput, type Part } from './measuring.ts'

interface Latchkey { url: string, key: string, keys: string[], clients: string[] }

export const verify: Part = async settings => {
  const server = await start<Latchkey>('latchkey-server.ts', [settings.clients, 4300])
  try {
    const { url, pid, key, keys, clients } = server
    const question = (credential: string) => ({ credential, resource: url, scopes: ['company:read'] })
    const [one, many] = [question(key), { items: keys.map(question) }]
    for (const body of [one, many]) await requireAllowed(url, clients[0]!, body)
    const [single, batch] = [post(clients[0]!, one), post(clients[0]!, many)]
    const measured = alternate([
      { name: 'bare route, same JSON', pid, url: `${url}/bare-json`, script: single },
      { name: 'verify of a key', pid, url: `${url}/api/v1/verify`, script: single },
      { name: 'verify of 100 keys', pid, url: `${url}/api/v1/verify`, script: batch }
    ], settings)
    const rates = (name: string) => measured.get(name)!.map(({ rate }) => rate)
    const values = rates('verify of 100 keys').map((rate, round) => 100 * rate / rates('verify of a key')[round]!)
    return [throughput(measured, 'verify of a key', 'bare route, same JSON', 0.35), {
      what: 'verify of 100 keys, each',
      against: 'verify of a key',
      values,
      reach: ['≥', 5],
      absolute: `${Math.round(100 * median(rates('verify of 100 keys')))} credentials/s`
    }]
  } finally {
    server.process.kill()
  }
}

function post (client: string, body: object): string {
  return [
    'wrk.method = "POST"', `wrk.headers["authorization"] = "Basic ${client}"`,
    'wrk.headers["content-type"] = "application/json"', `wrk.body = [[${JSON.stringify(body)}]]`
  ].join('\n')
}

/** Verify answers 200 for a refusal too. */
async function requireAllowed (url: string, client: string, body: object): Promise<void> {
  const response = await fetch(`${url}/api/v1/verify`, {
    method: 'POST',
    headers: { authorization: `Basic ${client}`, 'content-type': 'application/json' },
    body: JSON.stringify(body)
  })
  const text = await response.text()
  if (!text.includes('"allowed":true') || text.includes('"allowed":false')) {
    throw new Error(`verify: ${response.status} ${text}`)
  }
}
