/**
 * Keys of trusted issuers, fetched and kept: one set for each trust, so that no organization's settings say where
 * another's keys are. A stranger's assertions cost an issuer one fetch in a while.
 */
import type { Clock } from '../../base/clock.ts'
import { Failure } from '../../base/errors.ts'
import { lru } from '../../base/lru.ts'
import type { IssuerKeys, UnavailableKeys } from '../../domain/workloads/assertion.ts'
import { keyFor, longestKeySet, readKeySet, type IssuerKeySet } from '../../domain/workloads/key-set.ts'
import type { KeySource, TrustedIssuer } from '../../domain/workloads/trusted-issuer.ts'
import { freshFor } from '../../fetch/cache-lifetime.ts'
import { staleFor } from '../../fetch/document-fetcher.ts'
import type { Network } from '../../fetch/network.ts'
import { OutboundFailure, type OutboundFetch } from '../../fetch/outbound-fetch.ts'
import type { Metrics } from '../../telemetry/metrics.ts'
import { fetchFor, jsonIn, shortened, withoutNames } from './issuer-hosts.ts'

export interface IssuerKeysOptions {
  clock: Clock
  metrics: Pick<Metrics, 'issuerKeyFetches'>
  /** The way to the hosts of issuers, for tests and demos; rules about addresses hold on it, too. */
  network?: Network | undefined
}

/** Milliseconds for one document: a workload waits. */
const timeout = 2_000
/** Milliseconds between two fetches for one trust, whatever assertions ask for. */
export const fetchCooldown = 30_000
/** Keys that were withdrawn are not taken for longer. */
const lifetime = { least: 60, most: 3_600, otherwise: 300 }
/** Trusts whose keys are kept. */
const mostKept = 2_000

type RemoteSource = Exclude<KeySource, { kind: 'inline' }>

/** What is known of the keys of one trust. */
interface Kept {
  /** The settings that it was fetched by: others begin anew. */
  source: string
  keys: IssuerKeySet | null
  /** Milliseconds since the epoch. */
  freshUntil: number
  triedAt: number
  problem: string
  asking: Promise<void> | null
}

export function issuerKeys ({ clock, network, metrics }: IssuerKeysOptions): IssuerKeys {
  const kept = lru<Kept>(mostKept)
  const keptOf = (issuer: TrustedIssuer): Kept => {
    const source = JSON.stringify([issuer.issuer, issuer.keys, issuer.organizationId])
    const known = kept.get(issuer.id)
    if (known?.source === source) return known
    const begun: Kept = {
      source, keys: null, freshUntil: 0, triedAt: -Infinity, problem: 'were not fetched yet', asking: null
    }
    kept.set(issuer.id, begun)
    return begun
  }
  const refresh = async (entry: Kept, issuer: TrustedIssuer, source: RemoteSource): Promise<void> => {
    entry.triedAt = clock().getTime()
    try {
      const { keys, headers } = await fetchedKeys(fetchFor(issuer, {
        authorities: source.ca === null ? [] : [source.ca], timeout, maxBytes: longestKeySet, network
      }), issuer, source)
      entry.keys = keys
      entry.freshUntil = clock().getTime() + freshFor(headers, clock(), lifetime) * 1_000
      metrics.issuerKeyFetches.increment('fetched')
    } catch (error) {
      const { sentence, mayBeThere } = problemOf(error, issuer)
      entry.problem = sentence
      if (!mayBeThere) entry.keys = null
      metrics.issuerKeyFetches.increment(error instanceof OutboundFailure ? error.reason : 'unusable')
    }
  }
  return {
    async of (issuer, wanted): Promise<IssuerKeySet | UnavailableKeys> {
      const { keys: source } = issuer
      if (source.kind === 'inline') return source.jwks
      const entry = keptOf(issuer)
      const now = clock().getTime()
      const isKnown = entry.keys !== null && entry.freshUntil > now && keyFor(entry.keys, wanted) !== null
      if (!isKnown && (entry.asking !== null || now - entry.triedAt >= fetchCooldown)) {
        entry.asking ??= refresh(entry, issuer, source).finally(() => { entry.asking = null })
        await entry.asking
      }
      const isUsable = entry.keys !== null && entry.freshUntil + staleFor * 1_000 > clock().getTime()
      return isUsable ? entry.keys! : { unavailable: entry.problem }
    },
  }
}

async function fetchedKeys (
  fetch: OutboundFetch, issuer: TrustedIssuer, source: RemoteSource
): Promise<{ keys: IssuerKeySet, headers: Headers }> {
  const uri = source.kind === 'jwks_uri' ? source.uri : await keysUriOf(fetch, issuer.issuer)
  const { document, headers } = await documentAt(fetch, uri)
  return { keys: readKeySet(document), headers }
}

/** OpenID Connect Discovery §4.3: a document of another issuer says nothing. Its keys may be on another host. */
async function keysUriOf (fetch: OutboundFetch, issuer: string): Promise<string> {
  const { document } = await documentAt(fetch, `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`)
  const { issuer: named, jwks_uri: uri } = (document ?? {}) as Record<string, unknown>
  if (named !== issuer) {
    const said = typeof named === 'string' ? `the issuer ${JSON.stringify(shortened(named))}` : 'no issuer'
    throw new Unusable(`are not fetched: its discovery document says ${said}`)
  }
  if (typeof uri === 'string' && URL.canParse(uri)) return uri
  throw new Unusable('are not fetched: its discovery document has no jwks_uri')
}

async function documentAt (fetch: OutboundFetch, uri: string): Promise<{ document: unknown, headers: Headers }> {
  const answer = await fetch(uri, { headers: { accept: 'application/json', 'user-agent': 'latchkey' } })
  const { status, headers } = answer
  const shown = shortened(uri)
  if (status >= 300 && status < 400) {
    throw new Unusable(`cannot be had: ${shown} is answered with a redirect (${status}), which is not followed`)
  }
  const isFailing = status >= 500 || status === 429
  if (status !== 200) throw new Unusable(`cannot be had: ${shown} is answered with ${status}`, isFailing)
  const document = await jsonIn(answer)
  if (document !== undefined) return { document, headers }
  throw new Unusable(`cannot be had: ${shown} is not JSON, or is nested too deeply`)
}

/** Its message continues a sentence about the keys of an issuer. */
class Unusable extends Error {
  /** Whether the host may have keys a moment later: an answer without any has withdrawn them. */
  readonly mayBeThere: boolean

  constructor (message: string, mayBeThere = false) {
    super(message)
    this.mayBeThere = mayBeThere
  }
}

interface Problem { sentence: string, mayBeThere: boolean }

function problemOf (error: unknown, issuer: TrustedIssuer): Problem {
  if (error instanceof Unusable) return { sentence: error.message, mayBeThere: error.mayBeThere }
  if (error instanceof Failure) return { sentence: cannotBeHad(error.message), mayBeThere: false }
  if (!(error instanceof OutboundFailure)) throw error
  // A name that leads elsewhere has withdrawn nothing, and must look as one that leads nowhere.
  const mayBeThere = ['unreachable', 'timeout', 'forbidden_address'].includes(error.reason)
  return { sentence: cannotBeHad(withoutNames(error, issuer)), mayBeThere }
}

function cannotBeHad (reason: string): string {
  return `cannot be had: ${shortened(reason.replace(/\.$/, ''))}`
}
