/**
 * Which keys were imported for which resource, in memory: so that what none of them is costs no query, whatever
 * strangers make up.
 */
import type { ApiKey } from '../../domain/credentials/api-key.ts'

/** `shared`: of a resource of the deployment. */
export interface ImportedKey extends Pick<ApiKey, 'digest' | 'resourceId'> { shared: boolean }

/**
 * Digests by the resource that they were imported for: what one organization imported tells nothing at the resource of
 * another.
 */
export class ImportedKeys {
  readonly #shared = new Map<string, Set<string>>()
  readonly #owned = new Map<string, Set<string>>()

  get size (): number {
    return [...this.#shared.values(), ...this.#owned.values()].reduce((sum, digests) => sum + digests.size, 0)
  }

  add ({ digest, resourceId, shared }: ImportedKey): void {
    const resources = shared ? this.#shared : this.#owned
    const digests = resources.get(resourceId)
    if (digests === undefined) resources.set(resourceId, new Set([digest]))
    else digests.add(digest)
  }

  has (digest: string, resourceId: string): boolean {
    return (this.#shared.get(resourceId) ?? this.#owned.get(resourceId))?.has(digest) === true
  }

  /** Those of the deployment that it was imported for; what organizations have is not looked at, and takes no time. */
  sharedResources (digest: string): string[] {
    return [...this.#shared].filter(([, digests]) => digests.has(digest)).map(([resourceId]) => resourceId)
  }
}
