/** The end of reservations: settled with what the call cost, released, or charged when nothing settled them. */
import { Failure } from '../../base/errors.ts'
import { newId } from '../../secrets/random.ts'
import { auditEvent } from '../audit/event.ts'
import type { AuditPort } from '../audit/log.ts'
import type { Operation } from '../core/operation.ts'
import { greatestAmount, type BudgetPort, type Total } from './budget.ts'
import { totalsOf, type Ending, type Reservation, type SpendPort, type TokenCounts } from './reservation.ts'

type Ports = AuditPort & BudgetPort & SpendPort

/** How many times its estimate a call may cost before the gateway has to say that it means it. */
export const plausibleMultiple = 100

/** `amount`: whole micro-dollars. `force`: it may be more than `plausibleMultiple` times the estimate. */
export interface Settlement extends TokenCounts { amount: number, force: boolean }

/**
 * Settles a reservation of the client in the period in which it was reserved, whatever its budgets are by now: the
 * money is spent. It wins over a release and over the charge at its end. The same settlement again is answered with
 * the first.
 * @throws Failure `not_found` for a reservation of another client, `conflict` for one that was settled otherwise,
 * `invalid_request` for an implausible amount without `force`.
 */
export async function settleReservation (
  operation: Operation<Ports>, clientId: string, id: string, { amount, force, ...tokens }: Settlement
): Promise<Reservation> {
  const { store, clock, actor } = operation
  return await store.transaction(async tx => {
    // Its status only moves on, from open to settled: of three looks, one is the last.
    for (;;) {
      const before = await ownReservation(tx, clientId, id)
      if (before.status === 'settled') return requireSame(before, amount)
      if (!force) requirePlausible(before, amount)
      const now = clock()
      const after = await end(tx, before, { ...tokens, status: 'settled', amount, endedAt: now })
      if (after === null) continue
      if (amount > plausibleMultiple * before.estimate) {
        await tx.audit.append(auditEvent(actor, now, 'spend_reservation.forced', about(after)))
      }
      return after
    }
  }, 'read committed')
}

/**
 * Releases an open reservation: the call cost nothing. One that was settled stays as it is, because a gateway reports a
 * failed attempt even if a later one succeeds.
 * @throws Failure `not_found` as `settleReservation`, `conflict` for one that was charged at its end.
 */
export async function releaseReservation (
  { store, clock }: Pick<Operation<Ports>, 'store' | 'clock'>, clientId: string, id: string
): Promise<Reservation> {
  return await store.transaction(async tx => {
    const before = await ownReservation(tx, clientId, id)
    const after = before.status === 'open'
      ? await end(tx, before, { ...noTokens, status: 'released', amount: null, endedAt: clock() }) ??
        await ownReservation(tx, clientId, id)
      : before
    if (after.status !== 'unsettled') return after
    throw new Failure('conflict', {
      message: `The reservation ${id} was charged with its estimate when its time was over; settle it with what it ` +
        'has cost, 0 if it cost nothing.'
    })
  }, 'read committed')
}

/**
 * Charges open reservations whose end passed with their estimates, at most `limit`; returns how many it found. Two
 * servers may do so at once: each reservation is charged once, and one that the other server has charged counts as
 * found, so that neither takes a batch for the last one.
 */
export async function chargeUnsettled (operation: Operation<Ports>, now: Date, limit: number): Promise<number> {
  const { store, actor } = operation
  const due = await store.reservations.expired(now, limit)
  for (const before of due) {
    await store.transaction(async tx => {
      const ending: Ending = { ...noTokens, status: 'unsettled', amount: before.estimate, endedAt: now }
      const after = await end(tx, before, ending)
      if (after === null) return
      await tx.audit.append(auditEvent(actor, now, 'spend_reservation.unsettled', about(after)))
    }, 'read committed')
  }
  return due.length
}

const noTokens: TokenCounts = { inputTokens: 0, outputTokens: 0 }

/** What each status has taken from the totals: micro-dollars. */
function takenBy ({ status, estimate, amount }: Pick<Reservation, 'status' | 'estimate' | 'amount'>): Total {
  return status === 'open' ? { spent: 0, reserved: estimate } : { spent: amount ?? 0, reserved: 0 }
}

/** Null: it is no longer as it was read, and nothing was changed. */
async function end (tx: Ports, before: Reservation, ending: Ending): Promise<Reservation | null> {
  if (!await tx.reservations.end(before.id, before.status, ending)) return null
  const after = { ...before, ...ending }
  const [old, next] = [takenBy(before), takenBy(after)]
  const more = { spent: next.spent - old.spent, reserved: next.reserved - old.reserved }
  for (const total of totalsOf(after)) {
    if (!await tx.spendTotals.add(total, more)) throw full()
  }
  await addLine(tx, before, after)
  return after
}

async function addLine (tx: SpendPort, before: Reservation, after: Reservation): Promise<void> {
  const calls = countsAsCall(after) - countsAsCall(before)
  const amount = (after.amount ?? 0) - (before.amount ?? 0)
  if (calls === 0 && amount === 0 && after.inputTokens === 0 && after.outputTokens === 0) return
  const { organizationId, day, credentialId, model, inputTokens, outputTokens } = after
  await tx.spendLines.add({
    id: newId('spl'),
    organizationId,
    day,
    credentialId,
    model,
    amount,
    calls,
    inputTokens,
    outputTokens,
    createdAt: new Date(day)
  })
}

function countsAsCall ({ amount }: Reservation): number {
  return amount === null ? 0 : 1
}

async function ownReservation (tx: SpendPort, clientId: string, id: string): Promise<Reservation> {
  const found = await tx.reservations.get(id)
  if (found !== null && found.clientId === clientId) return found
  throw new Failure('not_found', {
    message: `There is no reservation ${JSON.stringify(id.slice(0, 64))} of this client.`
  })
}

function requireSame (settled: Reservation, amount: number): Reservation {
  if (settled.amount === amount) return settled
  throw new Failure('conflict', {
    message: `The reservation ${settled.id} was settled with ${settled.amount} micro-dollars already.`,
    details: { field: 'amount', amount: settled.amount }
  })
}

function requirePlausible ({ id, estimate }: Reservation, amount: number): void {
  if (amount <= plausibleMultiple * estimate) return
  throw new Failure('invalid_request', {
    message: `${amount} micro-dollars are more than ${plausibleMultiple} times the estimate of ${estimate} of the ` +
      `reservation ${id}; send "force": true if the call did cost that.`,
    details: { field: 'amount' }
  })
}

function full (): Failure {
  return new Failure('conflict', { message: `A total of spending holds at most ${greatestAmount} micro-dollars.` })
}

function about (reservation: Reservation) {
  const { id, organizationId, clientId, credentialId, account, model, estimate, amount } = reservation
  return {
    organizationId,
    subject: id,
    detail: { client: clientId, credential: credentialId, account, model, estimate, amount }
  }
}
