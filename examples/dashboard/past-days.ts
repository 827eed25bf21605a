/**
 * Thirty days of an organization, as real requests to a server whose clock is moved: its members, programs, keys and
 * calls, with what goes wrong in such a month. Each run makes the same.
 */
import { bearer } from '../example.ts'
import { basic } from '../transcript.ts'

const days = 30

/** The clock of the server. `fromPast`: it begins `days` days ago. It is the real one in the end. */
export class PastClock {
  #behind: number

  constructor (fromPast: boolean) {
    this.#behind = fromPast ? days * 86_400_000 : 0
  }

  readonly now = (): Date => new Date(Date.now() - this.#behind)

  nextDay (): void {
    this.#behind -= 86_400_000
  }
}

interface Server { origin: string, send: Send, operate: Operate }
/** Ids of members. */
interface Makers { grace: string, linus: string }
interface Key { id: string, key: string }
interface Client { clientId: string, clientSecret: string }

/** A request to the server, with its answer as JSON. */
type Send = (
  method: string, path: string, headers: Record<string, string>, body?: object | URLSearchParams
) => Promise<{ status: number, json: any }>

/** A change by the operator. @throws Error unless it succeeds. */
type Operate = (path: string, body: object) => Promise<any>

/** Calls on a day: more on working days, and never quite the same. */
type Load = (usual: number) => number

/** Returns a link that signs in as the owner. @throws Error at the first change that fails. */
export async function livePastDays (origin: string, adminToken: string, clock: PastClock): Promise<string> {
  const send = senderTo(origin)
  const operate: Operate = async (path, body) => {
    const { status, json } = await send('POST', `/api/v1/${path}`, bearer(adminToken), body)
    if (status >= 300) throw new Error(`POST /api/v1/${path}: ${status} ${JSON.stringify(json)}`)
    return json
  }
  const { id: organization } = await operate('organizations', { name: 'Acme' })
  const join = async (name: string, role: string): Promise<string> =>
    (await operate('members', { organization, name, role })).id
  const owner = await join('Ada Lovelace', 'owner')
  await join('Margaret Hamilton', 'viewer')
  const makers = { grace: await join('Grace Hopper', 'admin'), linus: await join('Linus Berg', 'member') }
  const company = new Company({ origin, send, operate }, organization, makers)
  await company.begin()
  const random = sequence(20_261_201)
  for (let day = 1; day <= days; day++) {
    const weekday = clock.now().getUTCDay()
    const share = weekday === 0 || weekday === 6 ? 0.3 : 1
    await company.live(day, usual => Math.round(usual * share * (0.7 + 0.6 * random())))
    clock.nextDay()
  }
  await company.today()
  return (await operate(`members/${owner}/sign-in-links`, {})).url
}

function senderTo (origin: string): Send {
  return async (method, path, headers, body) => {
    const isJson = body !== undefined && !(body instanceof URLSearchParams)
    const response = await fetch(origin + path, {
      method,
      headers: { ...headers, ...(isJson && { 'content-type': 'application/json' }) },
      ...(body !== undefined && { body: isJson ? JSON.stringify(body) : body as URLSearchParams })
    })
    return { status: response.status, json: JSON.parse(await response.text() || 'null') }
  }
}

/** The programs of the organization, and what each of them does on a day. */
class Company {
  readonly #keys = new Map<string, Key>()
  readonly #clients = new Map<string, Client>()

  readonly #server: Server
  readonly #organization: string
  readonly #makers: Makers

  constructor (server: Server, organization: string, makers: Makers) {
    this.#server = server
    this.#organization = organization
    this.#makers = makers
  }

  async begin (): Promise<void> {
    const { grace, linus } = this.#makers
    await this.#makeKey('Nightly reports', { access: 'read-only', creator: grace, expiresAt: this.#in(days + 9) })
    await this.#makeKey('Mobile app', { scopes: ['invoices:read', 'invoices:write'], callsPerMinute: 600 })
    await this.#makeKey('Partner import', { scopes: ['invoices:write'], creator: linus })
    await this.#makeKey('Continuous integration', { scopes: ['company:read'], environment: 'test', creator: linus })
    await this.#makeKey('Experiment', { scopes: ['invoices:read'], creator: linus })
    for (const name of ['Billing', 'Warehouse sync']) {
      const grants = [{ resource: this.#server.origin, scopes: ['company:read', 'invoices:read'] }]
      this.#clients.set(name, await this.#server.operate('clients', { organization: this.#organization, name, grants }))
    }
    await this.#server.operate('registration-tokens', { organization: this.#organization, name: 'Agents' })
  }

  async live (day: number, load: Load): Promise<void> {
    await this.#call('Mobile app', 'GET', '/api/v1/invoices', load(60))
    await this.#call('Mobile app', 'POST', '/api/v1/invoices', load(8))
    await this.#call('Nightly reports', 'GET', '/api/v1/company', 4)
    await this.#call('Continuous integration', 'GET', '/api/v1/company', load(12))
    await this.#call('Partner import', 'POST', '/api/v1/invoices', load(15))
    await this.#useClient('Billing', load(20))
    if (day % 7 === 3) await this.#call('Nightly reports', 'POST', '/api/v1/invoices', 2)
    if (day === 12) await this.#replace('Mobile app')
    if (day === 24) await this.#revoke('Partner import', 'The contract with the partner has ended.')
    if (day === 27) await this.#disable('Continuous integration', 'It ran in a loop.')
  }

  /** A morning: the partner still tries, and the reports run. */
  async today (): Promise<void> {
    await this.#call('Partner import', 'POST', '/api/v1/invoices', 6)
    await this.#call('Nightly reports', 'GET', '/api/v1/company', 4)
    await this.#call('Mobile app', 'GET', '/api/v1/invoices', 25)
  }

  async #makeKey (name: string, more: object): Promise<void> {
    this.#keys.set(name, await this.#server.operate('api-keys', {
      organization: this.#organization, resource: this.#server.origin, environment: 'live', name, ...more
    }))
  }

  async #replace (name: string): Promise<void> {
    const { id } = this.#keys.get(name)!
    this.#keys.set(name, await this.#server.operate(`api-keys/${id}/rotate`, { overlapSeconds: 86_400 }))
  }

  async #revoke (name: string, reason: string): Promise<void> {
    await this.#server.operate(`api-keys/${this.#keys.get(name)!.id}/revoke`, { reason })
  }

  async #disable (name: string, reason: string): Promise<void> {
    await this.#server.operate(`api-keys/${this.#keys.get(name)!.id}/disable`, { reason })
  }

  async #call (name: string, method: string, path: string, times: number): Promise<void> {
    const headers = { 'x-api-key': this.#keys.get(name)!.key }
    const body = method === 'POST' ? { customer: 'Bolt & Sons', cents: 4_200 } : undefined
    for (let i = 0; i < times; i++) await this.#server.send(method, path, headers, body)
  }

  async #useClient (name: string, times: number): Promise<void> {
    const { clientId, clientSecret } = this.#clients.get(name)!
    const { json } = await this.#server.send(
      'POST', '/api/v1/auth/token', { authorization: basic(clientId, clientSecret) },
      new URLSearchParams({ grant_type: 'client_credentials' })
    )
    for (let i = 0; i < times; i++) await this.#server.send('GET', '/api/v1/invoices', bearer(json.access_token))
  }

  #in (fromBegin: number): string {
    return new Date(Date.now() + (fromBegin - days) * 86_400_000).toISOString()
  }
}

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
function sequence (seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}
