/** The example's business: a ledger per organization and environment, in memory. Independent of credentials. */
import { randomUUID } from 'node:crypto'

export interface Invoice { id: string, customer: string, cents: number }

export interface Ledger {
  currency: string
  invoices: Invoice[]
  customers: { id: string, name: string }[]
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
      const ledger = ledgers.get(name) ?? { currency: 'EUR', invoices: [], customers: [] }
      ledgers.set(name, ledger)
      return ledger
    }
  }
}

export function newInvoice (customer: string, cents: number): Invoice {
  return { id: `inv_${randomUUID()}`, customer, cents }
}

export function newCustomer (name: string): { id: string, name: string } {
  return { id: `cus_${randomUUID()}`, name }
}
