/** How long the database may take before a request fails with `storage_unavailable`, quickly rather than late. */

/** Milliseconds. */
export interface Limits {
  /** PostgreSQL: to get a connection. */
  connect: number
  /** PostgreSQL: until the database server cancels a statement. */
  statement: number
  /** PostgreSQL: until this side stops waiting for an answer, if the database server is unreachable. > `statement`. */
  answer: number
  /** SQLite: for which a statement blocks the process while another program, such as a backup, locks the file. */
  busy: number
  /** To start a transaction; on SQLite they queue for the one connection. */
  startTransaction: number
  /** PostgreSQL: in the queue of the transaction limiter. The longest, since those ahead make progress meanwhile. */
  turn: number
  /** To finish a transaction. */
  transaction: number
}

export const defaultLimits: Limits = {
  connect: 2000, statement: 3000, answer: 4000, busy: 1000, startTransaction: 5000, turn: 20_000, transaction: 8000,
}
