/**
 * Clients whose identifier is the URL of their metadata document (draft-ietf-oauth-client-id-metadata-document): found
 * by fetching it, and by the record that is kept from the first consent on.
 */
import type { Awaitable } from '../../base/awaitable.ts'
import type { Clock } from '../../base/clock.ts'
import type { Registry } from '../../domain/access/registry.ts'
import {
  isClientIdUrl, permitsHost, problemOfClientIdUrl, type DomainRules
} from '../../domain/client-metadata/client-id-url.ts'
import type { PrivateSchemes } from '../../domain/client-metadata/redirect-uri.ts'
import { isActive, type Client } from '../../domain/credentials/client.ts'
import { asDocumented, hostedClient } from '../../domain/credentials/hosted-client.ts'
import type { SharedCounters } from '../../domain/metering/shared-counters.ts'
import { DocumentFailure } from '../../fetch/document-failure.ts'
import { documentFetcher } from '../../fetch/document-fetcher.ts'
import { defaultFetchLimits, fetchBudget, type FetchLimits } from '../../fetch/fetch-budget.ts'
import { internet, type Network } from '../../fetch/network.ts'
import { readKeySet, readMetadataDocument, type ReadDocument } from './metadata-document.ts'

export interface HostedClientOptions {
  clock: Clock
  registry: Pick<Registry, 'client'>
  counts: SharedCounters
  /** The domains that clients are taken from. */
  domains: DomainRules
  privateSchemes: PrivateSchemes
  /** The way to their hosts; the internet unless given. */
  network?: Network | undefined
  limits?: Partial<FetchLimits>
}

export interface HostedClients {
  /**
   * The client of a URL, as its document describes it now. The same object until the document or the record changes.
   * `askedBy`: the address for which it is fetched. Null: an operator has revoked or disabled it. @throws
   * DocumentFailure; its message continues a sentence that begins with the client_id.
   */
  find (clientId: string, askedBy: string): Promise<Client | null>
}

/** Bytes of a document; the draft recommends it. */
const longestDocument = 5 * 1024
/** Bytes of a key set: ten RSA keys of 8192 bits. */
const longestKeySet = 24 * 1024

const documentLifetime = { least: 60, most: 3_600, otherwise: 300 }
/** Keys that were withdrawn are not accepted for longer. */
const keySetLifetime = { least: 60, most: 300, otherwise: 300 }

type Keys = ReturnType<typeof readKeySet>

export function hostedClients (options: HostedClientOptions): HostedClients {
  const { clock, registry, counts, domains, privateSchemes, network = internet } = options
  const budget = fetchBudget(clock, counts, { ...defaultFetchLimits, ...options.limits })
  const source = { clock, network, budget }
  const documents = documentFetcher<ReadDocument>({
    maxBytes: longestDocument,
    lifetime: documentLifetime,
    read: (document, url) => readMetadataDocument(document, url, privateSchemes),
  }, source)
  const keySets = documentFetcher<Keys>({
    maxBytes: longestKeySet, lifetime: keySetLifetime, read: readKeySet
  }, source)
  const merged = mergedClients(clock)
  return {
    async find (clientId, askedBy) {
      requireTaken(domains, clientId)
      const record = await registry.client(clientId)
      if (record !== null && !isActive(record)) return null
      const document = await documents.get(clientId, askedBy)
      const { jwksUri } = document
      const keys = jwksUri === null ? null : await keySets.get(jwksUri, askedBy).catch(ofKeys(jwksUri))
      return merged(document, keys, record)
    },
  }
}

/** Nothing is looked up nor fetched for another one. @throws DocumentFailure `refused`. */
function requireTaken (domains: DomainRules, clientId: string): void {
  const problem = problemOfClientIdUrl(clientId)
  if (problem !== null) throw new DocumentFailure('refused', problem)
  if (permitsHost(domains, new URL(clientId).hostname)) return
  throw new DocumentFailure('refused', 'is of a domain that this server takes no clients from')
}

function ofKeys (url: string) {
  return (failure: unknown): never => {
    if (!(failure instanceof DocumentFailure)) throw failure
    const { reason, message, detail, retryAfter } = failure
    throw new DocumentFailure(reason, `has its keys at ${url}, which ${message}`, { detail, retryAfter })
  }
}

/** One client for a document, its keys and its record, as long as none of the three is another object. */
function mergedClients (clock: Clock) {
  const known = new WeakMap<ReadDocument, { keys: Keys | null, record: Client | null, client: Client }>()
  return (document: ReadDocument, keys: Keys | null, record: Client | null): Client => {
    const before = known.get(document)
    if (before !== undefined && before.keys === keys && before.record === record) return before.client
    const metadata = keys === null ? document.metadata : { ...document.metadata, jwks: keys }
    const current = { ...document, metadata }
    const client = record === null ? hostedClient(current, clock()) : asDocumented(record, current)
    known.set(document, { keys, record, client })
    return client
  }
}

/** Finds a client by its identifier, whether this server or the client itself made it; null: there is none. */
export function clientLookup (registry: Pick<Registry, 'client'>, hosted: HostedClients | undefined) {
  return (clientId: string, askedBy: string): Awaitable<Client | null> => {
    if (!isClientIdUrl(clientId)) return registry.client(clientId)
    return hosted === undefined ? null : hosted.find(clientId, askedBy)
  }
}
