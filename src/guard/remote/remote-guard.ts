/**
 * A guard in another process than its server: gathers from its memory, judges as every guard does, and takes the limits
 * per minute. Where memory does not do, the server decides; where neither does, the request does not pass.
 */
import type { Awaitable } from '../../base/awaitable.ts'
import { systemClock, type Clock } from '../../base/clock.ts'
import { Failure } from '../../base/errors.ts'
import {
  consumerIn, refusal as refusalOf, refusalByLimit, type CredentialFacts, type PlaceFacts
} from '../../domain/access/facts.ts'
import { judge, type JudgedRequest } from '../../domain/access/judge.ts'
import type { Credential, Principal, Refusal } from '../../domain/access/principal.ts'
import { giveBack, type Taken } from '../../domain/metering/minute-limits.ts'
import { resourceMetadataUrl } from '../../domain/resources/resource-metadata.ts'
import type { Resource } from '../../domain/resources/resource.ts'
import { styles, type Style } from '../../domain/resources/style.ts'
import type { Environment } from '../../secrets/credential-text.ts'
import { digestOf } from '../../secrets/digest.ts'
import { newId } from '../../secrets/random.ts'
import { pathOf } from '../log.ts'
import { presentedCredential } from '../presentation.ts'
import { challengeScopes } from '../refusal/challenge.ts'
import { rateLimitHeaders } from '../../http/rate-limit-headers.ts'
import {
  discouragingHeaders, failureAnswer, refusalAnswer, type Refused, type StyledOccasion
} from '../refusal/ready-answer.ts'
import { Contact, GuardRefused } from './contact.ts'
import type { Decider, Decision, GuardedRequest, Needs } from './guarded-request.ts'
import type { Entry } from './memory.ts'
import { MinuteCounts, type Limited } from './minute-counts.ts'
import { listeners, withTexts, type CheckedOptions, type RemoteGuardOptions } from './options.ts'
import { Session } from './session.ts'
import { Transport } from './transport.ts'
import { UsageReporter } from './usage-reporter.ts'
import { askServer } from './verify.ts'

export class RemoteGuard implements Decider {
  readonly #options: CheckedOptions
  readonly #transport: Transport
  readonly #session: Session
  readonly #usage: UsageReporter
  readonly #counts: MinuteCounts
  readonly #clock: Clock
  readonly #contact: Contact

  /** @throws Error for an option that is missing, such as an environment variable that is not set. */
  constructor (given: RemoteGuardOptions) {
    const options = withTexts(given)
    const { mostEntries = 50_000, resource } = options
    const contact = new Contact(listeners(options))
    this.#options = options
    this.#contact = contact
    this.#clock = options.clock ?? systemClock
    this.#transport = new Transport(options)
    this.#counts = new MinuteCounts(this.#clock)
    this.#session = new Session({
      transport: this.#transport, resource, most: mostEntries, counts: this.#counts, contact, clock: this.#clock
    })
    this.#usage = new UsageReporter(this.#session, this.#transport, error => { contact.failed(error) })
  }

  /** Begins to follow the server. Resolves once memory may answer, or once the server could not be reached. */
  async start (): Promise<void> {
    this.#usage.start()
    await this.#session.start()
  }

  /** Reports the rest of the usage and ends the session. From then on no request passes by memory. */
  async stop (): Promise<void> {
    await this.#usage.stop()
    await this.#session.close()
    this.#transport.close()
  }

  /** Whether requests are decided from memory now. */
  get isTrusted (): boolean {
    return this.#session.isTrusted()
  }

  /** The decision on a request: without a promise when memory has all that it follows from. Never rejects. */
  decide (request: GuardedRequest, needs: Needs): Awaitable<Decision> {
    const { resource } = this.#session
    try {
      if (resource === null) return this.#unavailable(request)
      if (resource.style.requireTls === true && !request.isOverTls) {
        return this.#refuse(request, needs, unlimited(refusalOf('tls_required', null)))
      }
      const presented = presentedCredential(request, resource.style)
      if ('refusal' in presented) return this.#refuse(request, needs, unlimited(presented.refusal))
      const { credential, inQuery } = presented
      if (credential.text.length > longestCredential) {
        return this.#refuse(request, needs, unlimited(refusalOf('malformed', credential.kind)))
      }
      // A credential is good for what it was presented as alone.
      const name = `${credential.kind} ${digestOf(credential.text)}`
      const entry = this.#session.recall(name)
      return (entry === null ? null : this.#judge(request, needs, entry, inQuery)) ??
        this.#decideLater(request, needs, { credential, inQuery, name }, entry)
    } catch (error) {
      return this.#fail(request, error)
    }
  }

  async #decideLater (
    request: GuardedRequest, needs: Needs, presented: { credential: Credential, inQuery: boolean, name: string },
    known: Entry | null
  ): Promise<Decision> {
    const { credential, inQuery, name } = presented
    if (this.#session.isRefused) return this.#unavailable(request)
    try {
      if (known === null && this.#session.isTrusted()) {
        const found = await this.#session.lookUp(name, credential, request.address)
        if (found !== null && !('facts' in found)) return this.#refuse(request, needs, unlimited(found))
        const decided = found === null ? null : this.#judge(request, needs, found, inQuery)
        if (decided !== null) return decided
      }
      const { resource, environment = null } = this.#options
      const { style } = this.#session.resource!
      return await askServer(this.#transport, { credential, request, needs, resource, style, environment })
    } catch (error) {
      return this.#fail(request, error)
    }
  }

  /** The decision by an entry; null: nothing in it speaks against the request, and only the server can say the rest. */
  #judge (request: GuardedRequest, needs: Needs, { facts, asksEachTime }: Entry, inQuery: boolean): Decision | null {
    const resource = this.#session.resource!
    const { environment = null } = this.#options
    const isAway = isElsewhere(facts, needs.organizationId)
    const now = this.#clock()
    const asked = new Judged(request, isAway ? anyPlace(needs) : needs, resource, environment, now)
    const verdict = judge(facts, isAway ? nowhere : null, asked)
    if (!verdict.ok) return this.#refuse(request, needs, unlimited(verdict.refusal))
    // Data of another organization, or what the server counts exactly.
    if (isAway || asksEachTime || needs.credits > 0) return null
    const headers = inQuery ? discouragingHeaders(resource.style) : none
    const { style } = resource
    const consumer = consumerIn(facts)
    const { principal } = verdict
    if (consumer === null) return { ok: true, principal, headers, style }
    const limited = { consumer, organization: facts.organization! }
    return this.#take(request, needs, limited, { principal, headers, style, now })
  }

  /** Takes the call out of the limits per minute, and counts it. */
  #take (
    request: GuardedRequest, needs: Needs, limited: Limited, { principal, headers, style, now }: Passing
  ): Decision {
    const { consumer, organization } = limited
    // Most have no limit: nothing is looked up for them.
    if (consumer.callsPerMinute === null && organization.callsPerMinute === null) {
      this.#usage.count(consumer.id, now)
      return { ok: true, principal, headers, style }
    }
    const taken: Taken = { limits: [], giveBacks: [] }
    const waitSeconds = this.#counts.take(limited, now, taken)
    if (waitSeconds !== null) {
      giveBack(taken)
      return this.#refuse(request, needs, {
        refusal: refusalByLimit('rate_limited', principal), retryAfterSeconds: waitSeconds, limits: taken.limits
      })
    }
    this.#usage.count(consumer.id, now)
    const { limits } = taken
    return {
      ok: true, principal, headers: limits.length === 0 ? headers : { ...rateLimitHeaders(limits), ...headers }, style
    }
  }

  #refuse (request: GuardedRequest, needs: Needs, refused: Refused): Decision {
    const resource = this.#session.resource!
    const challenged = {
      metadataUrl: resourceMetadataUrl(resource.identifier), scopes: challengeScopes(resource, needs)
    }
    const answer = refusalAnswer(refused, occasion(request, resource, this.#clock()), challenged)
    return { ok: false, answer, refusal: refused.refusal }
  }

  #fail (request: GuardedRequest, error: unknown): Decision {
    if (error instanceof GuardRefused) this.#session.noteRefusal()
    this.#contact.failed(error)
    return this.#unavailable(request)
  }

  #unavailable (request: GuardedRequest): Decision {
    const failure = new Failure('authorization_unavailable')
    const answer = failureAnswer(failure, occasion(request, this.#session.resource, this.#clock()))
    return { ok: false, answer, refusal: null }
  }
}

/** A request that passes unless a limit is reached. */
interface Passing { principal: Principal, headers: Record<string, string>, style: Style, now: Date }

const none: Record<string, string> = {}

/** Characters; the server takes no longer one. */
const longestCredential = 8_192

/** Before the server was ever reached, its style is not known. */
function occasion ({ path, id }: GuardedRequest, resource: Resource | null, now: Date): StyledOccasion {
  return { path: pathOf({ url: path }), now, requestId: id ?? newId('req'), style: resource?.style ?? styles.rfc9457 }
}

/** A refusal before any limit was looked at. */
function unlimited (refusal: Refusal): Refused {
  return { refusal, retryAfterSeconds: null, limits: [] }
}

/** Up to the place that a request names: the checks of a credential that reaches it, apart from those of the place. */
function anyPlace ({ credits, objectId }: Needs): Needs {
  return {
    credits, objectId, organizationId: null, scopes: [], apiKeyOnly: false, session: false, feature: null, object: null
  }
}
const nowhere: PlaceFacts = { organization: null, policies: [] }

function isElsewhere ({ principal }: CredentialFacts, named: string | null): boolean {
  return named !== null && principal !== null && principal.organizationId !== named &&
    principal.organizations.includes(named)
}

/**
 * A request as it is judged, at one moment. A class, because a getter in an object literal is defined anew for each
 * request, which takes longer than the whole judgement.
 */
class Judged implements JudgedRequest {
  readonly requirements: Needs
  readonly environment: Environment | null
  readonly organizationId: string | null
  readonly objectId: string | null
  readonly resource: Resource
  readonly now: Date
  readonly #request: GuardedRequest

  constructor (
    request: GuardedRequest, needs: Needs, resource: Resource, environment: Environment | null, now: Date
  ) {
    this.requirements = needs
    this.environment = environment
    this.organizationId = needs.organizationId
    this.objectId = needs.objectId
    this.resource = resource
    this.now = now
    this.#request = request
  }

  /** Read only if it matters: behind proxies it takes longer than the rest. */
  get address (): string {
    return this.#request.address
  }
}
