/**
 * Wrong rules, each with a world in which an answer becomes stale: the simulation's silence counts only if it detects
 * them. (A changed simulation may need another world: `npm run simulate -- --break RULE`.)
 */
import { isTrusted, margin, trustedUntil } from '../../src/base/trust.ts'
import { isVisible, mayAcknowledge } from '../../src/storage/replication/lease.ts'
import type { Rules } from './simulation.ts'

export interface Wrong { rules: Partial<Rules>, world: { seed: number, servers: number, guards?: number } }

export const wrong: Readonly<Record<string, Wrong>> = {
  'acknowledge-a-margin-early': {
    world: { seed: 8, servers: 10 },
    rules: {
      mayAcknowledge: (unconfirmed, since, now, lease) =>
        mayAcknowledge(unconfirmed, since, now, lease * (1 - margin))
    }
  },
  'acknowledge-before-the-rows-are-read': {
    world: { seed: 1, servers: 3 },
    rules: {
      mayAcknowledge: (unconfirmed, since, now, lease) =>
        mayAcknowledge(unconfirmed === Infinity ? 0 : unconfirmed, since, now, lease)
    }
  },
  'trust-for-the-whole-lease': {
    world: { seed: 11, servers: 13 }, rules: { trustedUntil: (sent, lease) => trustedUntil(sent, lease / (1 - margin)) }
  },
  'trust-from-the-answer': { world: { seed: 2, servers: 8 }, rules: { countsFrom: 'answered' } },
  'trust-by-the-monotonic-clock-alone': {
    world: { seed: 1, servers: 3 },
    rules: { isTrusted: (until, monotonic) => isTrusted({ ...until, wall: Infinity }, monotonic, 0) }
  },
  'visible-by-xmax-alone': {
    world: { seed: 11, servers: 5 },
    rules: { isVisible: (xid, snapshot) => isVisible(xid, `${snapshot.split(':')[1]}:${snapshot.split(':')[1]}:`) }
  },
  'evict-at-once': { world: { seed: 94, servers: 13 }, rules: { mayEvict: () => true } },
  'cache-late-answers': { world: { seed: 1, servers: 5 }, rules: { keepsLate: true } },
  'acknowledge-no-ops-at-once': { world: { seed: 1, servers: 3 }, rules: { announcesFound: false } },
  'trust-the-cache-after-acknowledging': { world: { seed: 2, servers: 3 }, rules: { waitsForItself: false } },
  'trust-polls-sent-before-acknowledging': { world: { seed: 158, servers: 10 }, rules: { forgetsInvalidation: true } },
  'read-concurrently': { world: { seed: 44, servers: 13 }, rules: { readsAtWill: true } },
  'trust-an-unread-cache': { world: { seed: 1, servers: 3 }, rules: { trustsUnread: true } },
  'lose-changes-applied-while-reading': { world: { seed: 1, servers: 5 }, rules: { losesMeanwhile: true } },
  'accept-messages-from-before-joining-again': { world: { seed: 234, servers: 13 }, rules: { voidsLate: false } },
  'trust-guards-longer-than-oneself': { world: { seed: 3, servers: 5, guards: 2 }, rules: { cutsToServer: false } },
  'trust-guards-from-the-answer': { world: { seed: 1, servers: 3, guards: 2 }, rules: { guardCountsFrom: 'answered' } },
  'report-before-the-guards': { world: { seed: 1, servers: 3, guards: 2 }, rules: { reportsEarly: true } },
  'join-before-the-guards': { world: { seed: 3, servers: 5, guards: 2 }, rules: { joinsEarly: true } },
  'acknowledge-without-its-guards': { world: { seed: 117, servers: 7, guards: 2 }, rules: { forgetsItsGuards: true } },
  'keep-old-look-ups': { world: { seed: 7, servers: 9, guards: 2 }, rules: { keepsOldLookups: true } },
  'forget-late-guards': { world: { seed: 19, servers: 5, guards: 2 }, rules: { forgetsLateSessions: true } },
}
