/** The advisory locks of PostgreSQL that more than one statement takes. */

/** Held while a server joins, so that the next one adopts its lease, and while a server records a new history. */
export const joinLock = 7_305_241_017
