/** The memory of a remote guard: entries by the digest of a credential, and which of them a change outdates. */
import { lru } from '../../base/lru.ts'
import type { KeyFacts, TokenFacts } from '../../domain/access/facts.ts'

/** What the guard knows of a credential until one of the subjects changes. */
export interface Entry {
  facts: KeyFacts | TokenFacts
  follows: readonly string[]
  /** The server has to be asked at each call, because it counts exactly what a call costs. */
  asksEachTime: boolean
}

export class Memory {
  readonly #entries
  readonly #bySubject = new Map<string, Set<string>>()

  /** Keeps at most `most` entries, and forgets the one that was not used for longest. */
  constructor (most: number) {
    this.#entries = lru<Entry>(most, { dispose: ({ follows }, digest) => { this.#unlink(follows, digest) } })
  }

  get size (): number {
    return this.#entries.size
  }

  get (digest: string): Entry | undefined {
    return this.#entries.get(digest)
  }

  keep (digest: string, entry: Entry): void {
    this.#entries.set(digest, entry)
    for (const subject of entry.follows) {
      const digests = this.#bySubject.get(subject)
      if (digests === undefined) this.#bySubject.set(subject, new Set([digest]))
      else digests.add(digest)
    }
  }

  /** Drops every entry that follows from a subject. */
  drop (subject: string): void {
    for (const digest of [...this.#bySubject.get(subject) ?? []]) this.#entries.delete(digest)
  }

  clear (): void {
    this.#entries.clear()
    this.#bySubject.clear()
  }

  #unlink (follows: readonly string[], digest: string): void {
    for (const subject of follows) {
      const digests = this.#bySubject.get(subject)
      digests?.delete(digest)
      if (digests?.size === 0) this.#bySubject.delete(subject)
    }
  }
}
