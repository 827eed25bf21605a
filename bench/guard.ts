/**
 * A guarded route against the same bare route; introspection against the bare route, which receives no body, and
 * against one that reads what introspection has to read (RFC 7662 §2.1: a form, by POST), and ignores it.
 */
import {
  alternate, get, start, throughput, tokenFor, type Part, type Row, type Server, type Settings
} from './measuring.ts'

interface Latchkey { url: string, key: string, clients: string[], personToken: string }

/**
 * Against the bare route with the same request, and without a credential: then the server reads one header less, which
 * is not the guard's work.
 */
export const guard: Part = settings => withServer(settings, async ({ url, pid, key, clients, personToken }) => {
  const withKey = get({ 'x-api-key': key })
  const withToken = get({ authorization: `Bearer ${await tokenFor(url, clients[0]!)}` })
  const forPerson = get({ authorization: `Bearer ${personToken}` })
  const measured = alternate([
    { name: 'bare route', pid, url: `${url}/bare`, script: get() },
    { name: 'bare route sent the key', pid, url: `${url}/bare`, script: withKey },
    { name: 'guarded route, API key', pid, url: `${url}/guarded`, script: withKey },
    { name: 'bare route sent the token', pid, url: `${url}/bare`, script: withToken },
    { name: 'guarded route, access token', pid, url: `${url}/guarded`, script: withToken },
    { name: 'guarded route, person\'s token', pid, url: `${url}/guarded`, script: forPerson },
  ], settings)
  return [
    throughput(measured, 'guarded route, API key', 'bare route sent the key', 0.85),
    throughput(measured, 'guarded route, access token', 'bare route sent the token', 0.85),
    throughput(measured, 'guarded route, API key', 'bare route', 0.85),
    throughput(measured, 'guarded route, access token', 'bare route', 0.85),
    throughput(measured, 'guarded route, person\'s token', 'guarded route, access token', 0.95),
  ]
})

export const introspection: Part = settings =>
  withServer(settings, async ({ url, pid, clients }) => {
    const token = await tokenFor(url, clients[0]!)
    const script = [
      'wrk.method = "POST"', `wrk.headers["authorization"] = "Basic ${clients[0]}"`,
      'wrk.headers["content-type"] = "application/x-www-form-urlencoded"', `wrk.body = "token=${token}"`
    ].join('\n')
    await requireActive(url, clients[0]!, token)
    const measured = alternate([
      { name: 'bare route', pid, url: `${url}/bare`, script: get() },
      { name: 'bare route, same form', pid, url: `${url}/bare-form`, script },
      { name: 'introspection of a token', pid, url: `${url}/api/v1/oauth/introspect`, script }
    ], settings)
    return ['bare route', 'bare route, same form'].map(against =>
      throughput(measured, 'introspection of a token', against, 0.35)
    )
  })

/** Introspection answers 200 for inactive credentials too. */
async function requireActive (url: string, client: string, token: string): Promise<void> {
  const response = await fetch(`${url}/api/v1/oauth/introspect`, {
    method: 'POST', headers: { authorization: `Basic ${client}` }, body: new URLSearchParams({ token })
  })
  const text = await response.text()
  if (!text.includes('"active":true')) throw new Error(`introspection: ${response.status} ${text}`)
}

async function withServer (settings: Settings, work: (server: Server<Latchkey>) => Promise<Row[]>): Promise<Row[]> {
  const server = await start<Latchkey>('latchkey-server.ts', [settings.clients, 4300])
  try {
    return await work(server)
  } finally {
    server.process.kill()
  }
}
