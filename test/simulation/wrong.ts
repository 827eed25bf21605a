/**
 * Wrong rules, each of which lets something stale pass, and a world in which it does: that the simulation finds them
 * out is what its silence is worth. (Another world may be needed when the simulation changes: `npm run simulate --
 * --break RULE`.)
 */
import { isTrusted, isVisible, mayAcknowledge, margin, trustedUntil } from '../../src/storage/replication/lease.ts'
import type { Rules } from './simulation.ts'

export interface Wrong { rules: Partial<Rules>, world: { seed: number, servers: number } }

export const wrong: Readonly<Record<string, Wrong>> = {
  'acknowledge-a-margin-early': {
    world: { seed: 8, servers: 10 },
    rules: { mayAcknowledge: (unconfirmed, since, now, lease) => mayAcknowledge(unconfirmed, since, now, lease * (1 - margin)) }
  },
  'acknowledge-when-nobody-is-known': {
    world: { seed: 1, servers: 3 },
    rules: {
      mayAcknowledge: (unconfirmed, since, now, lease) => mayAcknowledge(unconfirmed === Infinity ? 0 : unconfirmed, since, now, lease)
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
  'see-by-the-number-alone': {
    world: { seed: 11, servers: 5 },
    rules: { isVisible: (xid, snapshot) => isVisible(xid, `${snapshot.split(':')[1]}:${snapshot.split(':')[1]}:`) }
  },
  'count-out-at-once': { world: { seed: 94, servers: 13 }, rules: { mayEvict: () => true } },
  'keep-what-was-read-before': { world: { seed: 1, servers: 5 }, rules: { keepsLate: true } },
  'answer-what-was-so-already-at-once': { world: { seed: 1, servers: 3 }, rules: { announcesFound: false } },
  'go-on-by-memory-after-answering': { world: { seed: 2, servers: 3 }, rules: { waitsForItself: false } },
  'go-by-what-was-asked-before-answering': { world: { seed: 158, servers: 10 }, rules: { forgetsDoubt: true } },
  'read-again-at-will': { world: { seed: 44, servers: 13 }, rules: { readsAtWill: true } },
  'go-by-memory-before-it-is-read': { world: { seed: 1, servers: 3 }, rules: { trustsUnread: true } },
  'lose-what-was-applied-while-reading': { world: { seed: 1, servers: 5 }, rules: { losesMeanwhile: true } },
  'obey-what-was-sent-before-joining-again': { world: { seed: 234, servers: 13 }, rules: { voidsLate: false } },
}
