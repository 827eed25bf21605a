/** The end of a member's sessions: the part of the port of sessions that changes of members need. */

/** Why a session has ended before its time. */
export const sessionEnds = [
  'sign-out', 'sign-out-everywhere', 'ended', 'replaced', 'organization-changed', 'member-changed', 'member-removed',
  'provider-sign-out', 'provider-not-trusted', 'provider-required', 'recovered', 'passkey-removed',
  'identity-unlinked', 'key-disabled'
] as const
export type SessionEnd = typeof sessionEnds[number]

export interface MemberSessionPort {
  personSessions: {
    /** Ends every session of a member that has not ended yet; returns how many. */
    endOfMember (memberId: string, at: Date, reason: SessionEnd): Promise<number>
  }
}
