/**
 * Challenges of passkeys: each is answered once, within five minutes, by the browser or session that asked for it. The
 * server that gave one out keeps nothing of it: any server of the deployment recognizes it by its mark.
 */
import { epochSeconds, secondsAfter } from '../../base/clock.ts'
import { readMarked, withMark } from '../../secrets/authentication-code.ts'
import { digestOf } from '../../secrets/digest.ts'
import { newSecret } from '../../secrets/random.ts'
import type { UsedAssertions } from '../core/used-assertions.ts'

/** Seconds within which a challenge is answered. */
export const challengeLifetime = 300

/** What a challenge is for: `of` is the session that adds a passkey, or the digest of the browser's sign-in cookie. */
export interface ChallengeUse { for: 'registration' | 'sign-in', of: string }

/** `content`: what comes back with the answer, unchanged; base64url or empty. */
export function newChallenge (secrets: readonly string[], use: ChallengeUse, now: Date, content = ''): string {
  const text = [newSecret(), epochSeconds(secondsAfter(now, challengeLifetime)), content].join(':')
  return withMark(text, secrets[0]!, purposeOf(use))
}

export type ChallengeProblem = 'challenge_unknown' | 'challenge_expired' | 'challenge_used'

/**
 * Uses a challenge up, whatever comes of the answer. The result is its content, or why it is refused: it is of another
 * session or browser, late, or answered before.
 */
export async function useChallenge (
  usedAssertions: UsedAssertions, secrets: readonly string[], use: ChallengeUse, challenge: string, now: Date
): Promise<{ content: string } | { problem: ChallengeProblem }> {
  const text = readMarked(challenge, secrets, purposeOf(use))
  if (text === null) return { problem: 'challenge_unknown' }
  const [, end, content] = text.split(':')
  const expiresAt = new Date(Number(end) * 1_000)
  if (expiresAt <= now) return { problem: 'challenge_expired' }
  const isFirst = await usedAssertions.remember(digestOf(`passkey challenge ${text}`), expiresAt)
  return isFirst ? { content: content! } : { problem: 'challenge_used' }
}

function purposeOf ({ for: what, of }: ChallengeUse): string {
  return `passkey ${what} ${of}`
}
