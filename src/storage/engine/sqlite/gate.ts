/**
 * The SQLite driver has one connection. While Prisma has an interactive transaction open on it, every other statement
 * would run inside that transaction: it would see rows that were never committed, and a write that was acknowledged to
 * its caller would vanish with the transaction's rollback. So statements from outside wait at a gate while a
 * transaction is open. Inside a transaction only its own client may be used: the outer one would wait for itself.
 */
import type { SqlDriverAdapter, SqlQuery, Transaction } from '@prisma/driver-adapter-utils'

class Gate {
  #reopened: Promise<void> | null = null

  /** Runs `act` as soon as the gate is open, in the very turn in which it is seen open. */
  async whenOpen<T> (act: () => T | Promise<T>): Promise<T> {
    while (this.#reopened !== null) await this.#reopened
    return await act()
  }

  /** Closes the gate as soon as it is open. The result opens it again; calling that twice does no more than once. */
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

/** `adapter`, one connection, with the gate before it. */
export function gated (adapter: SqlDriverAdapter): SqlDriverAdapter {
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
        // Not adapter.startTransaction(): when BEGIN fails it keeps its own lock for ever.
        await adapter.executeRaw(statement('BEGIN IMMEDIATE'))
      } catch (error) {
        open()
        throw error
      }
      return transaction(adapter, open)
    },
  }
}

/**
 * Prisma runs COMMIT or ROLLBACK as a statement, then calls `commit` or `rollback`, whether the statement failed or
 * not.
 */
function transaction (adapter: SqlDriverAdapter, open: () => void): Transaction {
  const end = async (): Promise<void> => {
    // Only when COMMIT or ROLLBACK failed is there still something to roll back: with nothing open, SQLite refuses.
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
