/** The keys by which the cached registry keeps records. */
import type { Awaitable } from '../../base/awaitable.ts'
import type { Registry } from '../../domain/access/registry.ts'
import type { ApiKey } from '../../domain/credentials/api-key.ts'

/** The cache key of the deployment's policies and signing keys; no organization has this id. */
export const deployment = 'deployment'

/** The cache key of an imported key; a generated key has its digest alone. */
export function importedKeyName (digest: string, resourceId: string): string {
  return `${digest} ${resourceId}`
}

/**
 * The record's own string as its cache key: the argument may be a slice, which would retain the whole request, with the
 * client's secret.
 */
export function ownText (key: string, record: object): string {
  return Object.values(record).find((value): value is string => value === key) ?? key
}

/** By its cache key. */
export function loadApiKey (source: Registry, name: string): Awaitable<ApiKey | null> {
  const [digest, resourceId] = name.split(' ') as [string, string?]
  return resourceId === undefined ? source.apiKey(digest) : source.importedApiKey(digest, resourceId)
}
