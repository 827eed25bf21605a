/**
 * Holds statements back while a transaction is open on SQLite's one connection. Without it they would run inside the
 * transaction that Prisma has open: they would see uncommitted rows, and an acknowledged write would vanish with a
 * rollback. Inside a transaction only its own client may be used: the outer one would deadlock.
 */
import type { SqlDriverAdapter, SqlQuery, Transaction } from '@prisma/driver-adapter-utils'

class Gate {
  #reopened: Promise<void> | null = null

  /** Runs `act` once the gate is open, in the same turn in which it finds it open. */
  async whenOpen<T> (act: () => T | Promise<T>): Promise<T> {
    while (this.#reopened !== null) await this.#reopened
    return await act()
  }

  /** Closes the gate once it is open. The result reopens it; a second call does nothing. */
  async close (): Promise<() => void> {
    return await this.whenOpen(() => {
      let resolve = (): void => {}
      const reopened = new Promise<void>(_resolve => { resolve = _resolve })
      this.#reopened = reopened
      return () => {
        if (this.#reopened === reopened) this.#reopened = null
        resolve()
      }
    })
  }
}

/** One connection without transactions: the gate adds them. */
export type UngatedAdapter = Omit<SqlDriverAdapter, 'startTransaction'>

/** `adapter` behind a gate. */
export function gated (adapter: UngatedAdapter): SqlDriverAdapter {
  const gate = new Gate()
  return {
    provider: adapter.provider,
    adapterName: adapter.adapterName,
    queryRaw: query => gate.whenOpen(() => adapter.queryRaw(query)),
    executeRaw: query => gate.whenOpen(() => adapter.executeRaw(query)),
    executeScript: script => gate.whenOpen(() => adapter.executeScript(script)),
    dispose: () => gate.whenOpen(() => adapter.dispose()),
    async startTransaction () {
      const open = await gate.close()
      try {
        await adapter.executeRaw(statement('BEGIN IMMEDIATE'))
      } catch (error) {
        open()
        throw error
      }
      return transaction(adapter, open)
    },
  }
}

/** Prisma runs COMMIT or ROLLBACK as a statement, then calls `commit` or `rollback`, even if the statement failed. */
function transaction (adapter: UngatedAdapter, open: () => void): Transaction {
  const end = async (): Promise<void> => {
    // Rolls back only after a failed COMMIT or ROLLBACK: with no open transaction, SQLite refuses.
    await adapter.executeRaw(statement('ROLLBACK')).catch(() => {})
    open()
  }
  return {
    provider: adapter.provider,
    adapterName: adapter.adapterName,
    options: { usePhantomQuery: false },
    queryRaw: query => adapter.queryRaw(query),
    executeRaw: query => adapter.executeRaw(query),
    commit: end,
    rollback: end,
  }
}

function statement (sql: string): SqlQuery {
  return { sql, args: [], argTypes: [] }
}
