/**
 * Credits: the whole credits of an organization, on one account for each environment. Every movement is a permanent
 * entry; the balance of an account is the sum of its entries. All amounts are safe integers, so arithmetic is exact.
 */
import { Failure } from '../../base/errors.ts'
import type { Environment } from '../../secrets/credential-text.ts'
import { newId } from '../../secrets/random.ts'
import type { AuthorizationPort } from '../authorizations/authorization.ts'
import type { ApiKeyPort } from '../credentials/api-key.ts'
import { auditEvent } from '../audit/event.ts'
import { dayOf, monthOf } from '../core/calendar.ts'
import { organizationHolder, type Consumer, type Limits } from '../tenancy/limits.ts'
import { requireVisibleOrganization, type OrganizationPort } from '../tenancy/organization.ts'
import type { Page, PageQuery } from '../core/page.ts'
import type { Operation, Transactional } from '../core/operation.ts'
import type { AuditPort } from '../audit/log.ts'
import type { UsagePort } from './usage-meter.ts'
import type { AllowancePort } from './quota-lease.ts'

export const environments: readonly Environment[] = ['live', 'test']

/** The largest balance, and the largest movement. */
export const greatestCredits = Number.MAX_SAFE_INTEGER

export interface CreditAccount { organizationId: string, environment: Environment }

/** A movement on an account. Immutable and permanent. */
export interface CreditEntry extends CreditAccount {
  /** `crd_…` */
  id: string
  /** The consumer that spent, or whose spending was refunded; null: a grant. */
  consumerId: string | null
  /** Negative: spent. Never 0. */
  amount: number
  /** The balance after it. */
  balance: number
  reason: string
  createdAt: Date
}

export interface CreditRepository {
  /** 0 if nothing was ever granted. */
  balance (account: CreditAccount): Promise<number>
  /** Adds to an account; returns the balance after. Null: it would exceed `greatestCredits`, and nothing was added. */
  add (account: CreditAccount, amount: number): Promise<number | null>
  /**
   * Takes from an account, safely against concurrent calls; returns the balance after. Null: the balance is too small,
   * and nothing was taken.
   */
  take (account: CreditAccount, amount: number): Promise<number | null>
  /** @throws Failure `conflict` if an entry exists: then none is appended. */
  append (entries: readonly CreditEntry[]): Promise<void>
  entry (id: string): Promise<CreditEntry | null>
  page (query: PageQuery, filter: { organizationId: string, environment?: Environment }): Promise<Page<CreditEntry>>
}

export interface CreditPort { credits: CreditRepository }

/** @throws Failure `not_found`, also for an organization that the actor may not see. */
export async function balancesOf (
  { store, actor }: Operation<CreditPort & OrganizationPort>, organizationId: string
): Promise<Record<Environment, number>> {
  requireVisibleOrganization(actor, await store.organizations.get(organizationId), organizationId)
  const [live, test] = await Promise.all([
    store.credits.balance({ organizationId, environment: 'live' }),
    store.credits.balance({ organizationId, environment: 'test' })
  ])
  return { live, test }
}

/**
 * Grants credits. `amount` is a whole number from 1 to `greatestCredits`, and so is the balance after.
 * @throws Failure `invalid_request` for any other; `not_found` for an organization that the actor may not see.
 */
export async function grantCredits (
  { store, clock, actor }: Operation<AuditPort & CreditPort & OrganizationPort>,
  { organizationId, environment, amount, reason }: CreditAccount & { amount: number, reason: string }
): Promise<CreditEntry> {
  requireWholeCredits(amount)
  const account = { organizationId, environment }
  return await store.transaction(async tx => {
    requireVisibleOrganization(actor, await tx.organizations.get(organizationId), organizationId)
    const balance = await tx.credits.add(account, amount)
    if (balance === null) {
      throw new Failure('invalid_request', {
        message: `An account holds at most ${greatestCredits} credits; grant less.`, details: { field: 'amount' }
      })
    }
    const entry: CreditEntry = {
      ...account, id: newId('crd'), consumerId: null, amount, balance, reason, createdAt: clock()
    }
    await tx.credits.append([entry])
    await tx.audit.append(auditEvent(actor, entry.createdAt, 'credits.granted', {
      organizationId, subject: organizationId, detail: { environment, amount, balance, reason, entry: entry.id },
    }))
    return entry
  })
}

/** The cost of a call of a consumer. */
export interface Spending {
  /** The id of the resulting entry. */
  id: string
  consumer: Readonly<Omit<Consumer, 'callsPerMinute' | 'callsPerMonth'>>
  /** The limit of the consumer's own organization. */
  organization: Readonly<Pick<Limits, 'creditsPerMonth'>>
  credits: number
  now: Date
}

/**
 * Credits spent in the month (UTC) of a spending, including it if it succeeded: by the consumer, a key with its chain,
 * and by all of its organization in its environment. Null: no limit.
 */
export interface SpentThisMonth { consumer: number | null, organization: number | null }

export type SpendVerdict =
  | { ok: true, spentThisMonth: SpentThisMonth }
  | { ok: false, reason: 'insufficient_credits' | 'quota_exceeded', spentThisMonth: SpentThisMonth }

/**
 * Takes the credits of several calls in one transaction, each in full or not at all. Of calls that race for the last
 * credit, on any server, exactly one gets it. The verdicts are in the order of `spendings`.
 * @throws Failure `invalid_request` for an amount that is not a whole number from 1 to `greatestCredits`: then none is
 * taken.
 */
export async function spendCredits (
  store: Transactional<AllowancePort & CreditPort & UsagePort>, spendings: readonly Spending[]
): Promise<SpendVerdict[]> {
  for (const { credits } of spendings) requireWholeCredits(credits)
  const verdicts = new Map<Spending, SpendVerdict>()
  await store.transaction(async tx => {
    const entries: CreditEntry[] = []
    for (const spending of inLockOrder(spendings)) {
      const { entry, verdict } = await spend(tx, spending)
      verdicts.set(spending, verdict)
      if (entry !== null) entries.push(entry)
    }
    await countUnlimited(
      tx,
      spendings.filter(spending => spending.organization.creditsPerMonth === null && verdicts.get(spending)!.ok)
    )
    await tx.credits.append(entries)
    await tx.usage.add(
      entries.map(({ consumerId, amount, createdAt }) => ({
        consumerId: consumerId!, day: dayOf(createdAt), calls: 0, credits: -amount
      }))
    )
  }, 'read committed')
  return spendings.map(spending => verdicts.get(spending)!)
}

/**
 * What speaks against a spending now; null: nothing does. Takes nothing, and checks in the order of `spendCredits`.
 */
export async function reasonAgainstSpending (
  store: AllowancePort & CreditPort, { consumer, organization, credits, now }: Omit<Spending, 'id'>
): Promise<'insufficient_credits' | 'quota_exceeded' | null> {
  if (await store.credits.balance(consumer) < credits) return 'insufficient_credits'
  for (const [holder, limit] of [
    [consumer.chainId, consumer.creditsPerMonth], [organizationHolder(consumer), organization.creditsPerMonth]
  ] as const) {
    if (limit === null) continue
    const { credits: spent } = await store.allowances.taken(holder, monthOf(now))
    if (spent + credits > limit) return 'quota_exceeded'
  }
  return null
}

/** By account: servers lock accounts in one order, so they never deadlock. */
function inLockOrder (spendings: readonly Spending[]): Spending[] {
  const account = ({ consumer }: Spending) => `${consumer.organizationId} ${consumer.environment}`
  return spendings.toSorted((a, b) => account(a) < account(b) ? -1 : account(a) > account(b) ? 1 : 0)
}

/** The account first: its row lock also protects the allowances of its consumers, and the organization's. */
async function spend (
  tx: AllowancePort & CreditPort, spending: Spending
): Promise<{ entry: CreditEntry | null, verdict: SpendVerdict }> {
  const { id, consumer, organization, credits, now } = spending
  const { organizationId, environment, chainId, creditsPerMonth } = consumer
  const account = { organizationId, environment }
  const month = monthOf(now)
  const balance = await tx.credits.take(account, credits)
  if (balance === null) return await refused(tx, 'insufficient_credits', spending)
  const own = await tx.allowances.takeCredits(chainId, month, credits, creditsPerMonth)
  const limit = organization.creditsPerMonth
  const byOrganization = own === null || limit === null
    ? null
    : await tx.allowances.takeCredits(organizationHolder(consumer), month, credits, limit)
  if (own === null || (limit !== null && byOrganization === null)) {
    if (own !== null) await tx.allowances.giveBackCredits(chainId, month, credits)
    await tx.credits.add(account, credits)
    return await refused(tx, 'quota_exceeded', spending)
  }
  const entry: CreditEntry = {
    ...account, id, consumerId: consumer.id, amount: -credits, balance, reason: 'call', createdAt: now
  }
  return {
    entry,
    verdict: {
      ok: true, spentThisMonth: { consumer: creditsPerMonth === null ? null : own, organization: byOrganization }
    }
  }
}

/**
 * Counts the credits of organizations without a limit, in one statement for all: the batch holds the locks of the
 * accounts meanwhile.
 */
async function countUnlimited (tx: AllowancePort, spendings: readonly Spending[]): Promise<void> {
  const sums = new Map<string, { holder: string, month: string, credits: number }>()
  for (const { consumer, credits, now } of inLockOrder(spendings)) {
    const [holder, month] = [organizationHolder(consumer), monthOf(now)]
    const before = sums.get(`${holder} ${month}`)
    sums.set(`${holder} ${month}`, { holder, month, credits: credits + (before?.credits ?? 0) })
  }
  for (const { holder, month, credits } of sums.values()) await tx.allowances.takeCredits(holder, month, credits, null)
}

async function refused (
  tx: AllowancePort, reason: 'insufficient_credits' | 'quota_exceeded', { consumer, organization, now }: Spending
): Promise<{ entry: null, verdict: SpendVerdict }> {
  const spent = async (holder: string, limit: number | null) =>
    limit === null ? null : (await tx.allowances.taken(holder, monthOf(now))).credits
  const spentThisMonth = {
    consumer: await spent(consumer.chainId, consumer.creditsPerMonth),
    organization: await spent(organizationHolder(consumer), organization.creditsPerMonth)
  }
  return { entry: null, verdict: { ok: false, reason, spentThisMonth } }
}

type RefundPorts = AllowancePort & ApiKeyPort & AuthorizationPort & CreditPort & UsagePort

/**
 * Refunds a spending to the account, to the months of the consumer and of its organization, and to the usage of the
 * consumer, because the call failed by the server's fault. Idempotent.
 * @throws Failure `not_found` for an id that is not a spending's.
 */
export async function refundCredits (
  { store, clock }: Pick<Operation<RefundPorts>, 'store' | 'clock'>,
  spending: string,
  reason: string
): Promise<void> {
  const id = spending.replace(/^crd_/, 'rfd_')
  await store.transaction(async tx => {
    const entry = await tx.credits.entry(spending)
    if (entry === null || entry.consumerId === null || entry.amount >= 0) {
      throw new Failure('not_found', { message: `There is no spending ${JSON.stringify(spending.slice(0, 64))}.` })
    }
    if (await tx.credits.entry(id) !== null) return
    const { organizationId, environment, consumerId, createdAt } = entry
    const amount = -entry.amount
    const balance = await tx.credits.add({ organizationId, environment }, amount)
    if (balance === null) {
      throw new Failure('conflict', { message: 'The account is full; it cannot take a refund.' })
    }
    const consumer = await tx.apiKeys.get(consumerId) ?? await tx.authorizations.get(consumerId)
    const chainId = consumer?.chainId ?? consumerId
    for (const holder of [chainId, organizationHolder(entry)]) {
      await tx.allowances.giveBackCredits(holder, monthOf(createdAt), amount)
    }
    await tx.credits.append([{
      organizationId, environment, id, consumerId, amount, balance, reason, createdAt: clock()
    }])
    await tx.usage.add([{ consumerId, day: dayOf(createdAt), calls: 0, credits: -amount }])
  })
}

/** @throws Failure `invalid_request` for an amount that is not a whole number from 1 to `greatestCredits`. */
export function requireWholeCredits (amount: number): void {
  if (Number.isSafeInteger(amount) && amount > 0) return
  throw new Failure('invalid_request', {
    message: `Credits are whole numbers from 1 to ${greatestCredits}.`, details: { field: 'amount' }
  })
}
