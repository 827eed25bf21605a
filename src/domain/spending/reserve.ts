/** Reserving: the estimate of a call is taken from every budget that it counts in, or from none. */
import { secondsAfter } from '../../base/clock.ts'
import { Failure } from '../../base/errors.ts'
import { newId } from '../../secrets/random.ts'
import { dayOf } from '../core/calendar.ts'
import type { Operation } from '../core/operation.ts'
import {
  budgetState, greatestAmount, periods, type Budget, type BudgetPort, type BudgetState, type Holder, type Period,
  type PeriodState, type TotalName
} from './budget.ts'
import { totalsOf, type Reservation, type SpendPort } from './reservation.ts'

/** Seconds after which a reservation that was not settled is charged. */
export const reservationLifetime = 600

/** What a gateway asks for. `estimate`: whole micro-dollars, at least 1. */
export type AskedReservation = Pick<
  Reservation,
  'clientId' | 'reference' | 'fingerprint' | 'organizationId' | 'credentialId' | 'account' | 'model' | 'estimate'
>

/** The budget that a call does not fit into. `left`: micro-dollars. */
export interface Shortage { holder: Holder, period: Period, limit: number, left: number, resetsAt: Date }

/** `isNew`: this call made the reservation; an earlier one by the same reference did not. */
export type ReserveVerdict =
  | { ok: true, reservation: Reservation, isNew: boolean }
  | { ok: false, shortage: Shortage }

/** Rolls the transaction back. */
class Exceeded extends Error {
  readonly total: TotalName

  constructor (total: TotalName) {
    super('a budget is exceeded')
    this.total = total
  }
}

/**
 * Reserves against every budget or none, exactly, on any number of servers. A reservation of the same client and
 * reference is answered with the first one while that is open.
 * @throws Failure `conflict` for a reference that stands for another call, or for one that has ended.
 */
export async function reserve (
  operation: Pick<Operation<BudgetPort & SpendPort>, 'store' | 'clock'>, asked: AskedReservation
): Promise<ReserveVerdict> {
  const { store, clock } = operation
  const now = clock()
  const reservation: Reservation = {
    ...asked,
    id: newId('rsv'),
    amount: null,
    inputTokens: 0,
    outputTokens: 0,
    status: 'open',
    day: dayOf(now),
    createdAt: now,
    expiresAt: secondsAfter(now, reservationLifetime),
    endedAt: null
  }
  try {
    await store.transaction(async tx => {
      await tx.reservations.insert(reservation)
      await reserveTotals(tx, reservation)
    }, 'read committed')
    return { ok: true, reservation, isNew: true }
  } catch (error) {
    if (error instanceof Exceeded) return { ok: false, shortage: await shortageOf(store, reservation, error, now) }
    if (!(error instanceof Failure && error.code === 'conflict')) throw error
    const first = await reservationOf(store, asked)
    if (first === null) throw error
    return { ok: true, reservation: first, isNew: false }
  }
}

/** The open reservation that a client made by this reference; null: none. @throws Failure `conflict` as `reserve`. */
export async function reservationOf (
  store: SpendPort, { clientId, reference, fingerprint }: Pick<Reservation, 'clientId' | 'reference' | 'fingerprint'>
): Promise<Reservation | null> {
  const first = await store.reservations.byReference(clientId, reference)
  const isSame = first?.fingerprint === fingerprint
  if (first === null || (isSame && first.status === 'open')) return first
  // An ended reservation holds nothing, and can be settled: a call by it would pass every budget.
  throw new Failure('conflict', {
    message: isSame
      ? `The call of this reference has ended, as ${first.status}; give the next call its own.`
      : 'This reference stands for another call already; give each call its own.',
    details: { field: 'reference', reservation: first.id }
  })
}

async function reserveTotals (tx: BudgetPort, reservation: Reservation): Promise<void> {
  const budgets = new Map<string, Budget | null>()
  for (const total of totalsOf(reservation)) {
    const { holder, period } = total
    const name = `${holder.kind} ${holder.id}`
    if (!budgets.has(name)) budgets.set(name, await tx.budgets.of(holder))
    const limit = budgets.get(name)?.[kindOfPeriod(period)] ?? greatestAmount
    if (!await tx.spendTotals.reserve(total, reservation.estimate, limit)) throw new Exceeded(total)
  }
}

function kindOfPeriod (period: string): Period {
  return period.length === 7 ? 'month' : 'day'
}

/**
 * The budget to name: of those without room for the call the one that lasts longest, because a retry before its end is
 * in vain. Room may have come back meanwhile; then it is the one that was found full.
 */
async function shortageOf (
  store: BudgetPort, reservation: Reservation, { total }: Exceeded, now: Date
): Promise<Shortage> {
  const found = kindOfPeriod(total.period)
  const shortages: Shortage[] = []
  for (const holder of new Set(totalsOf(reservation).map(each => each.holder))) {
    const state = await budgetState(store, holder, await store.budgets.of(holder), now)
    const full = periods.filter(period => isFull(state[period], reservation) || isSame(state, period, total, found))
    shortages.push(...full.map(period => shortageIn(state, period)))
  }
  return shortages.toSorted((a, b) => b.resetsAt.getTime() - a.resetsAt.getTime())[0]!
}

function isFull ({ left }: PeriodState, { estimate }: Reservation): boolean {
  return left !== null && left < estimate
}

function isSame ({ holder }: BudgetState, period: Period, total: TotalName, found: Period): boolean {
  return period === found && holder.kind === total.holder.kind && holder.id === total.holder.id
}

function shortageIn (budget: BudgetState, period: Period): Shortage {
  const { holder, [period]: { limit, left, resetsAt } } = budget
  return { holder, period, limit: limit ?? greatestAmount, left: left ?? 0, resetsAt }
}
