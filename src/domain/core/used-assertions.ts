/** Assertions that were used (RFC 7523 §3 rule 7): each may be used once. */
export interface UsedAssertions {
  /** False: this id was remembered before. Exactly one of many racing callers gets true. */
  remember (id: string, expiresAt: Date): Promise<boolean>
  /** Forgets those that expired before; returns how many. */
  prune (before: Date, limit: number): Promise<number>
}

export interface UsedAssertionPort { usedAssertions: UsedAssertions }
