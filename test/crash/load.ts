/** The owner of an organization, which changes its keys, clients, tokens, credits, groups and policies. */
import { Caller, guardedWith, memberOf, most } from './caller.ts'
import type { Look } from './journal.ts'
import { paidApi, paidScope, spendingCost } from './names.ts'
import type { Answered, World } from './world.ts'

/** `overlapping`: the keys that it replaced and that still work; they end with it. */
interface Key { id: string, text: string, overlapping: readonly string[] }
interface Client { id: string, secret: string, tokens: string[] }
interface RegistrationToken { id: string, text: string, left: number }
interface Named { id: string, name: string }

/** One caller with an organization of its own, which no other caller changes. */
export class Owner extends Caller {
  #organization: Named | null = null
  readonly #keys: Key[] = []
  readonly #clients: Client[] = []
  readonly #registrationTokens: RegistrationToken[] = []
  readonly #groups: Named[] = []
  readonly #policies: Named[] = []
  /** The known balance: at least the real one less the spendings without an answer. */
  #credits = 0

  protected async act (): Promise<boolean> {
    if (this.#organization === null) return await this.#createOrganization()
    return await this.stage.dice.pick(this.#repertoire())()
  }

  #repertoire (): readonly (() => Promise<boolean>)[] {
    const spend = () => this.#spend()
    return [
      spend,
      spend,
      spend,
      spend,
      () => this.#createOrganization(),
      () => this.#renameOrganization(),
      () => this.#createOnce(),
      () => this.#createKey(),
      () => this.#createKey(),
      () => this.#rotateKey(0),
      () => this.#rotateKey(3_600),
      () => this.#revokeKey(),
      () => this.#createClient(),
      () => this.#rotateSecret(0),
      () => this.#rotateSecret(3_600),
      () => this.#revokeClient(),
      () => this.#getToken(),
      () => this.#revokeToken(),
      () => this.#grant(),
      () => this.#createRegistrationToken(),
      () => this.#register(),
      () => this.#register(),
      () => this.#createNamed('group', '/groups', { scopes: [paidScope] }, this.#groups),
      () => this.#changeNamed('group', '/groups', this.#groups),
      () => this.#deleteNamed('group', '/groups', this.#groups),
      () => this.#createNamed('policy', '/policies', { effect: 'deny', enabled: false }, this.#policies),
      () => this.#changeNamed('policy', '/policies', this.#policies),
      () => this.#deleteNamed('policy', '/policies', this.#policies),
      ...(this.stage.dice.number(20) === 0 ? [() => this.#rotateSigningKey()] : [])
    ]
  }

  async #createOrganization (): Promise<boolean> {
    const name = this.newName()
    return await this.change({
      kind: 'organization created',
      ask: world => world.admin('POST', '/organizations', { name }),
      then: ({ json: { id } }) => {
        this.#organization ??= { id, name }
        this.expect('organization created', `organization ${id}`, name, memberOf(`/organizations/${id}`, 'name'))
      },
    })
  }

  async #renameOrganization (): Promise<boolean> {
    const [{ id }, name] = [this.#organization!, this.newName()]
    return await this.change({
      kind: 'organization changed',
      turns: [[`organization ${id}`, name]],
      ask: world => world.admin('PATCH', `/organizations/${id}`, { name })
    })
  }

  #newKey (name: string) {
    return { organization: this.#organization!.id, resource: paidApi, environment: 'live', name, scopes: [paidScope] }
  }

  async #createKey (): Promise<boolean> {
    return await this.change({
      kind: 'key created',
      ask: world => world.admin('POST', '/api-keys', this.#newKey(this.newName())),
      then: ({ json }) => {
        this.#learnKey('key created', json, [])
      }
    })
  }

  #learnKey (kind: string, { id, key: text }: Record<string, any>, overlapping: readonly string[]): void {
    this.keep(this.#keys, { id, text, overlapping })
    this.expect(kind, `key ${id}`, '200', guardedWith({ 'x-api-key': text }))
  }

  async #rotateKey (overlapSeconds: number): Promise<boolean> {
    const key = this.take(this.#keys)
    if (key === null) return await this.#createKey()
    return await this.change({
      kind: 'key rotated',
      // Without an overlap every key of the chain ends.
      turns: overlapSeconds === 0 ? [key.id, ...key.overlapping].map(id => [`key ${id}`, '401'] as const) : [],
      ask: world => world.admin('POST', `/api-keys/${key.id}/rotate`, { overlapSeconds }),
      then: ({ json }) => {
        this.#learnKey('key rotated', json, overlapSeconds === 0 ? [] : [...key.overlapping, key.id])
      }
    })
  }

  async #revokeKey (): Promise<boolean> {
    const key = this.take(this.#keys)
    if (key === null) return await this.#createKey()
    const turns = [key.id, ...key.overlapping].map(id => [`key ${id}`, '401'] as const)
    return await this.change({
      kind: 'key revoked', turns, ask: world => world.admin('POST', `/api-keys/${key.id}/revoke`)
    })
  }

  /** A key made with an Idempotency-Key: a retry returns the same key, also after a request without an answer. */
  async #createOnce (): Promise<boolean> {
    const name = this.newName()
    const ask = (world: World) =>
      world.admin('POST', '/api-keys', this.#newKey(name), { 'idempotency-key': name.replaceAll(' ', '-') })
    let first: string | null = null
    const look: Look = async world => {
      const again = await ask(world)
      first ??= again.text
      if (again.text !== first) return `another answer: ${again.status} ${again.text}`
      const [{ n }] = await world.rows(`SELECT count(*) AS n FROM "ApiKey" WHERE "name" = '${name}'`) as [{ n: string }]
      return `${n} made, which gets ${await guardedWith({ 'x-api-key': again.json.key })(world)}`
    }
    this.expect('key created once', `Idempotency-Key ${name}`, '1 made, which gets 200', look)
    return await this.change({ kind: 'key created once', ask, then: ({ text }) => { first = text } })
  }

  async #createClient (): Promise<boolean> {
    const body = {
      organization: this.#organization!.id, name: this.newName(), grants: [{ resource: paidApi, scopes: [paidScope] }]
    }
    return await this.change({
      kind: 'client created',
      ask: world => world.admin('POST', '/clients', body),
      then: ({ json: { clientId: id, clientSecret: secret } }) => {
        this.keep(this.#clients, { id, secret, tokens: [] })
        this.expect('client created', `secret ${secret} of ${id}`, '200', tokenWith(id, secret))
      },
    })
  }

  async #rotateSecret (overlapSeconds: number): Promise<boolean> {
    const client = this.take(this.#clients)
    if (client === null) return await this.#createClient()
    const { id, secret, tokens } = client
    const ended = [`secret ${secret} of ${id}`, ...tokens.map(token => `token ${token}`)]
    return await this.change({
      kind: 'secret rotated',
      // Without an overlap, the tokens issued for the secret end too.
      turns: overlapSeconds === 0 ? ended.map(subject => [subject, '401'] as const) : [],
      ask: world => world.admin('POST', `/clients/${id}/rotate-secret`, { overlapSeconds }),
      then: ({ json: { clientSecret } }) => {
        // After an emergency rotation a client has one secret again; with an overlap the kept secret is unchanged.
        if (overlapSeconds === 0) this.keep(this.#clients, { id, secret: clientSecret, tokens: [] })
        this.expect('secret rotated', `secret ${clientSecret} of ${id}`, '200', tokenWith(id, clientSecret))
      },
    })
  }

  async #revokeClient (): Promise<boolean> {
    const client = this.take(this.#clients)
    if (client === null) return await this.#createClient()
    const { id, secret, tokens } = client
    const turns = [`secret ${secret} of ${id}`, ...tokens.map(token => `token ${token}`)].map(subject =>
      [subject, '401'] as const
    )
    return await this.change({
      kind: 'client revoked', turns, ask: world => world.admin('POST', `/clients/${id}/revoke`)
    })
  }

  async #getToken (): Promise<boolean> {
    const client = this.take(this.#clients)
    if (client === null) return await this.#createClient()
    const answer = await askToken(this.stage.world, client.id, client.secret).catch(() => null)
    this.keep(this.#clients, client)
    if (answer === null || answer.status === 503) return false
    if (answer.status !== 200) this.stage.wrong(`a token was answered by ${answer.status} ${answer.text}`)
    const token = answer.json.access_token as string
    client.tokens.push(token)
    this.expect('token issued', `token ${token}`, '200', guardedWith({ authorization: `Bearer ${token}` }))
    return true
  }

  async #revokeToken (): Promise<boolean> {
    const client = this.#clients.find(({ tokens }) => tokens.length > 0)
    if (client === undefined) return await this.#getToken()
    const { id, secret, tokens } = client
    const token = tokens[0]!
    return await this.change({
      kind: 'token revoked',
      turns: [[`token ${token}`, '401']],
      ask: world =>
        world.send({
          method: 'POST',
          path: '/api/v1/oauth/revoke',
          body: new URLSearchParams({ token, client_id: id, client_secret: secret })
        }),
      // Without an answer the token may be valid, and may end later with the client's other tokens.
      then: () => { tokens.shift() },
    })
  }

  async #grant (): Promise<boolean> {
    const amount = 50 + this.stage.dice.number(100)
    return await this.change({
      kind: 'credits granted',
      ask: world =>
        world.admin('POST', `/organizations/${this.#organization!.id}/credits`, {
          environment: 'live', amount, reason: this.newName()
        }),
      then: ({ json: { id } }) => {
        this.#credits += amount
        this.expect('credits granted', `entry ${id}`, String(amount), entryWith(id))
      },
    })
  }

  async #spend (): Promise<boolean> {
    const [key] = this.#keys
    if (key === undefined) return await this.#createKey()
    if (this.#credits < spendingCost) return await this.#grant()
    return await this.change({
      kind: 'credits spent',
      ask: world => world.send({ method: 'POST', path: '/paid/spend', headers: { 'x-api-key': key.text } }),
      then: ({ json: { spending } }) => {
        this.#credits -= spendingCost
        this.expect('credits spent', `entry ${spending}`, String(-spendingCost), entryWith(spending))
      },
      // Spendings without an answer may have been done.
      mayBeRefused: ({ status }) => {
        if (status === 402) this.#credits = 0
        return status === 402
      },
    })
  }

  async #createRegistrationToken (): Promise<boolean> {
    const uses = 1 + this.stage.dice.number(4)
    return await this.change({
      kind: 'registration token created',
      ask: world =>
        world.admin('POST', '/registration-tokens', {
          organization: this.#organization!.id, name: this.newName(), resource: paidApi, scopes: [paidScope], uses
        }),
      then: ({ json: { id, token: text } }) => {
        this.keep(this.#registrationTokens, { id, text, left: uses })
        this.expect(
          'registration token created', `registration token ${id}`, String(uses),
          memberOf(`/registration-tokens/${id}`, 'usesLeft')
        )
      }
    })
  }

  async #register (): Promise<boolean> {
    const token = this.take(this.#registrationTokens)
    if (token === null) return await this.#createRegistrationToken()
    const { id, text, left } = token
    return await this.change({
      kind: 'client registered',
      turns: [[`registration token ${id}`, String(left - 1)]],
      ask: world =>
        world.send({
          method: 'POST',
          path: '/api/v1/oauth/register',
          headers: { authorization: `Bearer ${text}` },
          body: {
            client_name: this.newName(), grant_types: ['client_credentials'], redirect_uris: [], response_types: []
          }
        }),
      then: ({ json: { client_id: client, client_secret: secret } }) => {
        if (left > 1) this.keep(this.#registrationTokens, { id, text, left: left - 1 })
        this.expect('client registered', `secret ${secret} of ${client}`, '200', tokenWith(client, secret))
      },
    })
  }

  async #createNamed (what: string, path: string, body: object, among: Named[]): Promise<boolean> {
    if (among.length >= most) return await this.#changeNamed(what, path, among)
    const name = this.newName()
    return await this.change({
      kind: `${what} created`,
      ask: world => world.admin('POST', path, { organization: this.#organization!.id, name, ...body }),
      then: ({ json: { id } }) => {
        this.keep(among, { id, name })
        this.expect(`${what} created`, `${what} ${id}`, name, memberOf(`${path}/${id}`, 'name'))
      },
    })
  }

  async #changeNamed (what: string, path: string, among: Named[]): Promise<boolean> {
    if (among.length === 0) return await this.#createKey()
    const { id } = this.stage.dice.pick(among)
    const name = this.newName()
    return await this.change({
      kind: `${what} changed`,
      turns: [[`${what} ${id}`, name]],
      ask: world => world.admin('PATCH', `${path}/${id}`, { name })
    })
  }

  async #deleteNamed (what: string, path: string, among: Named[]): Promise<boolean> {
    const one = this.take(among)
    if (one === null) return await this.#createKey()
    return await this.change({
      kind: `${what} deleted`,
      turns: [[`${what} ${one.id}`, '404']],
      ask: world => world.admin('DELETE', `${path}/${one.id}`)
    })
  }

  async #rotateSigningKey (): Promise<boolean> {
    return await this.change({
      kind: 'signing key rotated',
      ask: world => world.admin('POST', '/signing-keys/rotate', { now: true }),
      then: ({ json: { id } }) => {
        this.expect('signing key rotated', `signing key ${id}`, id, memberOf(`/signing-keys/${id}`, 'id'))
      }
    })
  }
}

/** The status of the token endpoint's answer to a secret. */
function tokenWith (id: string, secret: string): Look {
  return async world => String((await askToken(world, id, secret)).status)
}

async function askToken (world: World, id: string, secret: string): Promise<Answered> {
  return await world.send({
    method: 'POST',
    path: '/api/v1/auth/token',
    body: new URLSearchParams({ grant_type: 'client_credentials', client_id: id, client_secret: secret })
  })
}

/** The amount of an entry. */
function entryWith (id: string): Look {
  return async world =>
    String((await world.rows(`SELECT "amount" FROM "CreditEntry" WHERE "id" = '${id}'`))[0]?.amount ?? 'nothing')
}
