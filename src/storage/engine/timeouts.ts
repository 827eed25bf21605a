/**
 * Milliseconds after which storage is given up as unavailable: a database that does not answer becomes a refusal
 * quickly.
 */
export interface Limits {
  /** PostgreSQL: to get a connection. */
  connect: number
  /** PostgreSQL: until the server gives a statement up. */
  statement: number
  /**
   * PostgreSQL: until this side gives an answer up, should the server be out of reach itself. More than `statement`.
   */
  answer: number
  /** SQLite: that a statement blocks the process while another program, a backup say, holds the file. */
  busy: number
  /** To get a transaction started; on SQLite they queue for the one connection. */
  startTransaction: number
  /**
   * PostgreSQL: that a change waits for its turn among others. They are getting on meanwhile, so it is more than the
   * rest.
   */
  turn: number
  /** To get a transaction done. */
  transaction: number
}

export const defaultLimits: Limits = {
  connect: 2000, statement: 3000, answer: 4000, busy: 1000, startTransaction: 5000, turn: 20_000, transaction: 8000,
}
