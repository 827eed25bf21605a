/** The digests of all imported keys, in memory: a look-up of an unknown key then costs no query. */
import type { ApiKey } from '../../domain/credentials/api-key.ts'

/** `shared`: for a resource of the deployment. */
export interface ImportedKey extends Pick<ApiKey, 'digest' | 'resourceId'> { shared: boolean }

/** Digests by resource: the import of one organization reveals nothing at another's resource. */
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

  /** The deployment's resources that the key was imported for. Those of organizations are skipped, which saves time. */
  sharedResources (digest: string): string[] {
    return [...this.#shared].filter(([, digests]) => digests.has(digest)).map(([resourceId]) => resourceId)
  }
}
