/**
 * A guard in another process than its server: gathers from its memory, judges as every guard does, and takes the limits
 * per minute. Where memory does not do, the server decides; where neither does, the request does not pass.
 */
import type { Awaitable } from '../../base/awaitable.ts'
import { systemClock, type Clock } from '../../base/clock.ts'
import { Failure } from '../../base/errors.ts'
import {
  refusal as refusalOf, type CredentialFacts, type KeyFacts, type PlaceFacts
} from '../../domain/access/facts.ts'
import { judge, type JudgedRequest } from '../../domain/access/judge.ts'
import type { Credential, Principal, Refusal } from '../../domain/access/principal.ts'
import { giveBack, type Taken } from '../../domain/metering/minute-limits.ts'
import { resourceMetadataUrl } from '../../domain/resources/resource-metadata.ts'
import type { Resource } from '../../domain/resources/resource.ts'
import { styles, type Style } from '../../domain/resources/style.ts'
import type { Environment } from '../../secrets/credential-text.ts'
import { digestOf } from '../../secrets/digest.ts'
import { warn } from '../../telemetry/background.ts'
import { pathOf } from '../log.ts'
import { presentedCredential } from '../presentation.ts'
import { rateLimitHeaders } from '../refusal/rate-limit-headers.ts'
import {
  discouragingHeaders, failureAnswer, refusalAnswer, type Refused, type StyledOccasion
} from '../refusal/ready-answer.ts'
import type { Decider, Decision, GuardedRequest, Needs } from './guarded-request.ts'
import type { Entry } from './memory.ts'
import { MinuteCounts } from './minute-counts.ts'
import { Session } from './session.ts'
import { Transport, type ServerOptions } from './transport.ts'
import { UsageReporter } from './usage-reporter.ts'
import { askServer } from './verify.ts'

export interface RemoteGuardOptions extends ServerOptions {
  /** The identifier of the resource that is guarded. */
  resource: string
  /** The one environment that is served; keys of the other are refused. Both unless given. */
  environment?: Environment
  /** Credentials that are kept in memory, at most; 50,000 unless given. */
  mostEntries?: number
  /** The time by which expiry is judged; the system's unless given. */
  clock?: Clock
  /** Told when the server cannot be followed; a warning of the process unless given. */
  onError?: (error: unknown) => void
}

export class RemoteGuard implements Decider {
  readonly #options: RemoteGuardOptions
  readonly #transport: Transport
  readonly #session: Session
  readonly #usage: UsageReporter
  readonly #counts: MinuteCounts
  readonly #clock: Clock
  /** Told of each request that could not be decided. */
  readonly #onError: (error: unknown) => void

  /** @throws Error for an option that is missing, such as an environment variable that is not set. */
  constructor (options: RemoteGuardOptions) {
    requireTexts(options)
    const { mostEntries = 50_000, resource } = options
    const onError = reporter(options.onError ?? warn)
    this.#options = options
    this.#onError = options.onError === undefined ? () => {} : onError
    this.#clock = options.clock ?? systemClock
    this.#transport = new Transport(options)
    this.#counts = new MinuteCounts(this.#clock)
    this.#session = new Session({
      transport: this.#transport, resource, most: mostEntries, counts: this.#counts, onError
    })
    this.#usage = new UsageReporter(this.#session, this.#transport, onError)
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
        return this.#refuse(request, unlimited(refusalOf('tls_required', null)))
      }
      const presented = presentedCredential(request, resource.style)
      if ('refusal' in presented) return this.#refuse(request, unlimited(presented.refusal))
      const { credential, inQuery } = presented
      if (credential.text.length > longestCredential) {
        return this.#refuse(request, unlimited(refusalOf('malformed', credential.kind)))
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
    try {
      if (known === null && this.#session.isTrusted()) {
        const found = await this.#session.lookUp(name, credential, request.address)
        if (found !== null && !('facts' in found)) return this.#refuse(request, unlimited(found))
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
    const asked = judged(request, needs, resource, environment, this.#clock())
    const verdict = isAway ? judge(facts, nowhere, { ...asked, ...anyPlace }) : judge(facts, null, asked)
    if (!verdict.ok) return this.#refuse(request, unlimited(verdict.refusal))
    // Data of another organization, or what the server counts exactly.
    if (isAway || asksEachTime || needs.credits > 0) return null
    const headers = inQuery ? discouragingHeaders(resource.style) : none
    const { style } = resource
    if (facts.kind !== 'api_key') return { ok: true, principal: verdict.principal, headers, style }
    return this.#take(request, facts, verdict.principal, { headers, style })
  }

  /** Takes the call out of the limits per minute, and counts it. */
  #take (
    request: GuardedRequest, { key, organization }: KeyFacts, principal: Principal,
    { headers, style }: { headers: Record<string, string>, style: Style }
  ): Decision {
    const now = this.#clock()
    // Most keys have no limit: nothing is looked up for them.
    if (key.callsPerMinute === null && organization!.callsPerMinute === null) {
      this.#usage.count(key.id, now)
      return { ok: true, principal, headers, style }
    }
    const taken: Taken = { limits: [], giveBacks: [] }
    const waitSeconds = this.#counts.take({ key, organization }, now, taken)
    if (waitSeconds !== null) {
      giveBack(taken)
      const { id, organizationId } = principal
      return this.#refuse(request, {
        refusal: refusalOf('rate_limited', 'api_key', id, organizationId),
        retryAfterSeconds: waitSeconds,
        limits: taken.limits
      })
    }
    this.#usage.count(key.id, now)
    const { limits } = taken
    return {
      ok: true, principal, headers: limits.length === 0 ? headers : { ...rateLimitHeaders(limits), ...headers }, style
    }
  }

  #refuse (request: GuardedRequest, refused: Refused): Decision {
    const resource = this.#session.resource!
    const metadataUrl = resourceMetadataUrl(resource.identifier)
    const answer = refusalAnswer(refused, occasion(request, resource, this.#clock()), metadataUrl)
    return { ok: false, answer, refusal: refused.refusal }
  }

  #fail (request: GuardedRequest, error: unknown): Decision {
    this.#onError(error)
    return this.#unavailable(request)
  }

  #unavailable (request: GuardedRequest): Decision {
    const failure = new Failure('authorization_unavailable')
    const answer = failureAnswer(failure, occasion(request, this.#session.resource, this.#clock()))
    return { ok: false, answer, refusal: null }
  }
}

/** Nothing that it is given to throws: it may run outside of any request. */
function reporter (onError: (error: unknown) => void): (error: unknown) => void {
  return error => {
    try {
      onError(error)
    } catch (thrown) {
      warn(thrown)
    }
  }
}

const none: Record<string, string> = {}

/** Characters; the server takes no longer one. */
const longestCredential = 8_192

function requireTexts (options: RemoteGuardOptions): void {
  for (const name of ['server', 'clientId', 'clientSecret', 'resource'] as const) {
    if (typeof options[name] === 'string' && options[name] !== '') continue
    throw new Error(`The guard needs ${name}, which is missing: give it to openGuard, or set its variable.`)
  }
}

/** Before the server was ever reached, its style is not known. */
function occasion ({ path, id }: GuardedRequest, resource: Resource | null, now: Date): StyledOccasion {
  return { path: pathOf({ url: path }), now, requestId: id, style: resource?.style ?? styles.rfc9457 }
}

/** A refusal before any limit was looked at. */
function unlimited (refusal: Refusal): Refused {
  return { refusal, retryAfterSeconds: null, limits: [] }
}

/** Up to the place that a request names: the checks of a credential that reaches it, apart from those of the place. */
const anyPlace = {
  organizationId: null,
  requirements: { scopes: [], apiKeyOnly: false, session: false, feature: null, object: null }
} satisfies Partial<JudgedRequest>
const nowhere: PlaceFacts = { organization: null, policies: [] }

function isElsewhere ({ principal }: CredentialFacts, named: string | null): boolean {
  return named !== null && principal !== null && principal.organizationId !== named &&
    principal.organizations.includes(named)
}

function judged (
  request: GuardedRequest, needs: Needs, resource: Resource, environment: Environment | null, now: Date
): JudgedRequest {
  const { organizationId, objectId } = needs
  return {
    requirements: needs,
    environment,
    organizationId,
    objectId,
    resource,
    // Read only if it matters: behind proxies it takes longer than the rest.
    get address () { return request.address },
    now
  }
}
