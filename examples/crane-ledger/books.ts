/**
 * The example's business: accounts and transactions, per organization and environment, in memory. Independent of
 * credentials.
 */
import { randomUUID } from 'node:crypto'

export interface Account {
  id: string, name: string, currency: string
}
export interface Transaction {
  id: string, account: string, cents: number, description: string
}
export interface Report {
  id: string, kind: 'balance', environment: string, lines: { account: string, cents: number }[]
}

export interface Ledger {
  accounts: Account[]
  transactions: Transaction[]
  reports: Report[]
}

export interface Books {
  /** The ledger of an organization, created empty on first use. */
  of (organizationId: string | null, environment: string): Ledger
}

export function openBooks (): Books {
  const ledgers = new Map<string, Ledger>()
  return {
    of (organizationId, environment) {
      const name = `${organizationId}/${environment}`
      const ledger = ledgers.get(name) ?? { accounts: [], transactions: [], reports: [] }
      ledgers.set(name, ledger)
      return ledger
    },
  }
}

export function openAccount (ledger: Ledger, input: Omit<Account, 'id'>): Account {
  const account = { id: `acc_${randomUUID()}`, ...input }
  ledger.accounts.push(account)
  return account
}

/** Closes an account and removes its transactions. False: there is no such account. */
export function closeAccount (ledger: Ledger, id: string): boolean {
  const at = ledger.accounts.findIndex(account => account.id === id)
  if (at === -1) return false
  ledger.accounts.splice(at, 1)
  ledger.transactions = ledger.transactions.filter(({ account }) => account !== id)
  return true
}

/** Null: there is no such account. */
export function enter (ledger: Ledger, input: Omit<Transaction, 'id'>): Transaction | null {
  if (!ledger.accounts.some(({ id }) => id === input.account)) return null
  const transaction = { id: `txn_${randomUUID()}`, ...input }
  ledger.transactions.push(transaction)
  return transaction
}

/** The balance of every account. */
export function drawUpBalance (ledger: Ledger, environment: string): Report {
  const lines = ledger.accounts.map(({ id }) => ({
    account: id,
    cents: ledger.transactions.filter(({ account }) => account === id).reduce((sum, { cents }) => sum + cents, 0),
  }))
  const report: Report = { id: `rpt_${randomUUID()}`, kind: 'balance', environment, lines }
  ledger.reports.push(report)
  return report
}
