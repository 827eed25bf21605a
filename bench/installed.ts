/** An installed package under measurement: `latchkey serve` on SQLite. */
import { request } from 'node:http'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { createClient, createOrganization, loadConfig, openLatchkey, updateResource } from '../src/index.ts'
import { environmentWith, scratch } from './measuring.ts'

export interface Installed {
  url: string
  environment: NodeJS.ProcessEnv
  /** Basic credentials. */
  clients: string[]
}

/** A data folder with some clients, and the environment of a server for it at `port`. */
export async function installed (name: string, port: number, clientCount: number): Promise<Installed> {
  const url = `http://127.0.0.1:${port}`
  const variables = { PORT: String(port), LATCHKEY_DATA: join(scratch, name), LATCHKEY_ISSUER: url }
  const latchkey = await openLatchkey(loadConfig({ ...variables, LATCHKEY_LOG_LEVEL: 'silent' }))
  const { operation } = latchkey
  await updateResource(operation, url, { scopes: [{ name: 'company:read', keyOnly: false, description: null }] })
  const organization = await createOrganization(operation, { name: 'Bench' })
  const clients: string[] = []
  for (let i = 0; i < clientCount; i++) {
    const { client, secret } = await createClient(operation, {
      organizationId: organization.id, name: 'bench', grants: [{ resource: url, scopes: ['company:read'] }]
    })
    clients.push(Buffer.from(`${client.id}:${secret}`).toString('base64'))
  }
  await latchkey.close()
  return { url, clients, environment: environmentWith(variables) }
}

/**
 * Repeats `ask`, on a new connection each time, until the answer is 200. Returns the time since `began`, in
 * milliseconds.
 */
export async function firstAnswer (began: number, ask: () => Promise<number>): Promise<number> {
  for (;;) {
    const status = await ask().catch(() => null)
    if (status === 200) return performance.now() - began
    if (status !== null) throw new Error(`the first answer was ${status}`)
    if (performance.now() - began > 60_000) throw new Error('the server does not answer')
    await pause(2)
  }
}

/** The status of a token request. */
export function askForToken ({ url, clients }: Installed): Promise<number> {
  return ask(`${url}/api/v1/auth/token`, {
    authorization: `Basic ${clients[0]}`, 'content-type': 'application/x-www-form-urlencoded'
  }, 'grant_type=client_credentials')
}

export function ask (url: string, headers: Record<string, string> = {}, body?: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { method: body === undefined ? 'GET' : 'POST', headers, agent: false }, response => {
      response.resume().once('end', () => { resolve(response.statusCode!) })
    })
    sent.once('error', reject)
    sent.end(body)
  })
}
