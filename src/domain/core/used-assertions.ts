/** Used assertions: each may be used once (RFC 7523 §3 rule 7). */
export interface UsedAssertions {
  /** False: this id is known already. Exactly one of many concurrent calls gets true. */
  remember (id: string, expiresAt: Date): Promise<boolean>
  /** Deletes those that expired before; returns how many. */
  prune (before: Date, limit: number): Promise<number>
}

export interface UsedAssertionPort { usedAssertions: UsedAssertions }
