/** A gateway that spends an organization's budget, keeps provider keys, publishes skills, and exchanges its key. */
import { skillFile, zip } from '../support/archives.ts'
import { basic } from '../support/test-server.ts'
import { Caller, guardedWith, memberOf, most } from './caller.ts'
import type { Look } from './journal.ts'
import { paidApi, paidScope } from './names.ts'
import type { Answered, World } from './world.ts'

/** The organization, its key, and the gateway that reserves for it. */
interface Place { organization: string, key: string, gateway: string }
interface Reservation { id: string, estimate: number }
interface Named { id: string, name: string }

/** Micro-dollars that a call is estimated at, at most. */
const mostEstimate = 1_000

export class Gateway extends Caller {
  #organization: string | null = null
  #key: string | null = null
  #place: Place | null = null
  readonly #reservations: Reservation[] = []
  readonly #providerKeys: Named[] = []
  readonly #skills: Named[] = []

  protected async act (): Promise<boolean> {
    if (this.#place === null) return await this.#setUp()
    const place = this.#place
    return await this.stage.dice.pick([
      () => this.#reserve(place),
      () => this.#reserve(place),
      () => this.#reserve(place),
      () => this.#settle(place),
      () => this.#settle(place),
      () => this.#release(place),
      () => this.#setBudget(place),
      () => this.#exchange(place),
      () => this.#setProviderKey(place),
      () => this.#replaceProviderKey(),
      () => this.#removeProviderKey(),
      () => this.#publish(place),
      () => this.#yank()
    ])()
  }

  /** One step at a time: each may be cut off, and is then made anew. */
  async #setUp (): Promise<boolean> {
    const name = this.newName()
    const organization = this.#organization
    if (organization === null) {
      return await this.change({
        kind: 'organization created',
        ask: world => world.admin('POST', '/organizations', { name }),
        then: ({ json: { id } }) => { this.#organization = id },
      })
    }
    const key = this.#key
    if (key === null) {
      return await this.change({
        kind: 'key created',
        ask: world =>
          world.admin('POST', '/api-keys', {
            organization, resource: paidApi, environment: 'live', name, scopes: [paidScope]
          }),
        then: ({ json }) => { this.#key = json.key },
      })
    }
    return await this.change({
      kind: 'client created',
      ask: async world =>
        await world.admin('POST', '/clients', {
          organization: null,
          name,
          grants: [{ resource: await managementOf(world), scopes: ['spend:write', 'provider-keys:lease'] }],
          introspects: [paidApi]
        }),
      then: ({ json: { clientId, clientSecret } }) => {
        this.#place = { organization, key, gateway: basic(clientId, clientSecret) }
      },
    })
  }

  /** Asked for a second time by the same reference, a reservation is the same, also if the first had no answer. */
  async #reserve ({ key, gateway }: Place): Promise<boolean> {
    const estimate = 1 + this.stage.dice.number(mostEstimate)
    const reference = this.newName().replaceAll(' ', '-')
    const ask = (world: World) =>
      asGateway(world, gateway, '', { credential: key, estimate, model: 'gpt-5', reference })
    let first: string | null = null
    const look: Look = async world => {
      const again = await ask(world)
      // A lowered budget refuses what was never reserved.
      if (again.status === 429 && first === null) return 'one'
      // One whose call has ended is named, and not given again.
      const id = again.json.id ?? again.json.details?.reservation
      first ??= id
      if (id !== first) return `another answer: ${again.status} ${again.text}`
      const [row] = await world.rows(
        `SELECT count(*) AS "n" FROM "SpendReservation" WHERE "reference" = '${reference}'`
      )
      return Number(row!.n) === 1 ? 'one' : String(row!.n)
    }
    this.expect('reserved', `reference ${reference}`, 'one', look)
    return await this.change({
      kind: 'reserved',
      ask,
      then: ({ json: { id } }) => {
        first = id
        this.keep(this.#reservations, { id, estimate })
        this.expect('reserved', `reservation ${id}`, 'open null', reservationWith(id))
      },
      mayBeRefused: ({ status }) => status === 429,
    })
  }

  async #settle (place: Place): Promise<boolean> {
    const reservation = this.take(this.#reservations)
    if (reservation === null) return await this.#reserve(place)
    const amount = this.stage.dice.number(2 * reservation.estimate)
    return await this.change({
      kind: 'settled',
      turns: [[`reservation ${reservation.id}`, `settled ${amount}`]],
      ask: world => asGateway(world, place.gateway, `/${reservation.id}/settle`, { amount })
    })
  }

  async #release (place: Place): Promise<boolean> {
    const reservation = this.take(this.#reservations)
    if (reservation === null) return await this.#reserve(place)
    return await this.change({
      kind: 'released',
      turns: [[`reservation ${reservation.id}`, 'released null']],
      ask: world => asGateway(world, place.gateway, `/${reservation.id}/release`)
    })
  }

  async #setBudget ({ organization }: Place): Promise<boolean> {
    const month = this.stage.dice.number(200 * mostEstimate)
    const subject = `budget of ${organization}`
    return await this.change({
      kind: 'budget set',
      turns: [[subject, String(month)]],
      ask: world => world.admin('PUT', `/budgets/organizations/${organization}`, { day: null, month }),
      then: () => { this.expect('budget set', subject, String(month), limitOf(organization)) }
    })
  }

  async #exchange ({ key }: Place): Promise<boolean> {
    return await this.change({
      kind: 'key exchanged',
      ask: world =>
        world.send({
          method: 'POST',
          path: '/api/v1/auth/token',
          body: new URLSearchParams({
            grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
            subject_token: key,
            subject_token_type: 'urn:latchkey:params:oauth:token-type:api-key'
          })
        }),
      then: ({ json: { access_token: token } }) => {
        this.expect('key exchanged', `token ${token}`, '200', guardedWith({ authorization: `Bearer ${token}` }))
      },
    })
  }

  async #setProviderKey ({ organization }: Place): Promise<boolean> {
    if (this.#providerKeys.length >= most) return await this.#removeProviderKey()
    const name = this.newName()
    return await this.change({
      kind: 'provider key set',
      ask: world =>
        world.admin('POST', '/provider-keys', {
          organization, provider: name.replaceAll(' ', '-'), key: secretEnding(name)
        }),
      then: ({ json: { id, hint } }) => {
        this.keep(this.#providerKeys, { id, name })
        this.expect('provider key set', `provider key ${id}`, hint, memberOf(`/provider-keys/${id}`, 'hint'))
      },
    })
  }

  async #replaceProviderKey (): Promise<boolean> {
    if (this.#providerKeys.length === 0) return true
    const { id } = this.stage.dice.pick(this.#providerKeys)
    const key = secretEnding(this.newName())
    return await this.change({
      kind: 'provider key replaced',
      turns: [[`provider key ${id}`, key.slice(-4)]],
      ask: world => world.admin('PATCH', `/provider-keys/${id}`, { key })
    })
  }

  async #removeProviderKey (): Promise<boolean> {
    const one = this.take(this.#providerKeys)
    if (one === null) return true
    return await this.change({
      kind: 'provider key removed',
      turns: [[`provider key ${one.id}`, '404']],
      ask: world => world.admin('DELETE', `/provider-keys/${one.id}`)
    })
  }

  async #publish ({ organization }: Place): Promise<boolean> {
    const name = this.newName()
    const archive = zip([{ name: 'SKILL.md', content: skillFile(name.replaceAll(' ', '-')) }])
    return await this.change({
      kind: 'skill published',
      ask: world =>
        world.admin('POST', `/skills?organization=${organization}&version=1.0.0`, archive, {
          'content-type': 'application/zip'
        }),
      then: ({ json: { id } }) => {
        this.keep(this.#skills, { id, name })
        this.expect('skill published', `skill ${id}`, 'active 200', skillWith(id))
      },
    })
  }

  async #yank (): Promise<boolean> {
    const one = this.take(this.#skills)
    if (one === null) return true
    return await this.change({
      kind: 'skill yanked',
      turns: [[`skill ${one.id}`, 'yanked 200']],
      ask: world => world.admin('POST', `/skills/${one.id}/yank`, { reason: 'it failed' })
    })
  }
}

/** A text of 20 characters whose last four tell it apart. */
function secretEnding (name: string): string {
  return `sk-${name.replaceAll(' ', '')}`.padEnd(16, 'x') + String(name.split(' ').at(-1)).padStart(4, '0').slice(-4)
}

async function managementOf (world: World): Promise<string> {
  const { json: { issuer } } = await world.send({ path: '/.well-known/oauth-authorization-server' })
  return `${issuer}/api/v1`
}

async function asGateway (world: World, gateway: string, path: string, body?: object): Promise<Answered> {
  return await world.send({
    method: 'POST',
    path: `/api/v1/spend/reservations${path}`,
    headers: { authorization: gateway },
    ...(body === undefined ? {} : { body })
  })
}

/** Micro-dollars of a month. */
function limitOf (organization: string): Look {
  return async world => String((await world.admin('GET', `/budgets/organizations/${organization}`)).json.month?.limit)
}

/** Its status, and what was charged. */
function reservationWith (id: string): Look {
  return async world => {
    const { json: { status, amount } } = await world.admin('GET', `/spend/reservations/${id}`)
    return `${status} ${amount}`
  }
}

/** Its status, and that of the answer to a download. */
function skillWith (id: string): Look {
  return async world => {
    const { json } = await world.admin('GET', `/skills/${id}`)
    const { status } = await world.admin('GET', `/skills/${id}/archive`)
    return `${json.status} ${status}`
  }
}
