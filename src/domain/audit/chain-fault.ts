/** Faults that verification finds in an audit chain, and the steps and places it goes by. */

/** What is wrong, and where: the first thing that is. */
export interface ChainFault {
  chain: string
  /** The number of the row at fault. */
  sequence: number
  /** The id of the row; null: it is not there. */
  id: string | null
  problem: keyof typeof problems
  /** For people. */
  message: string
}

export const problems = {
  edited: 'does not say what it said when it was written',
  forged: 'is not sealed by this deployment',
  key_unknown:
    'is sealed under a key that is neither in LATCHKEY_SECRET nor recorded as one that was; if a secret that is gone ' +
    'made it, list that one behind the present one and start the server once',
  moved: 'does not follow the row before it',
  missing: 'is not there',
  cut: 'is not there: the end of the chain was cut off',
  beyond_head: 'is behind the end of the chain, whose head was set back',
  no_head: 'belongs to a chain whose head is not there',
  head_edited: 'is not what the head of the chain says, or the head was altered',
  head_key_unknown:
    'is the end of a chain whose head is sealed under a secret that is not in LATCHKEY_SECRET; list that one behind ' +
    'the present one and start the server',
  not_closed_off:
    'is the end of a chain without hashes and seals: they were taken away, or the server was killed in the middle of ' +
    'the migration that gives them',
  pinned_edited: 'holds the digest of the rows before it, and they are not what they were',
  kept_edited:
    'is the last one that retention removed, and of those before it the ones that stay are not what they were',
  no_checkpoint: 'is the first one that is left, and no row says that retention removed those before it',
  chain_gone: 'is gone, with the whole chain',
  unplaced:
    'has no place that a row can have: its chain has no name, its number is below 1, or another row has the same',
  opened_again:
    'is the end of a chain that the chain of the deployment says was opened more than once: it was taken away and ' +
    'begun anew',
  never_opened:
    'is the end of a chain of which no row in the chain of the deployment says that it was opened: rows there were ' +
    'taken away',
  rewritten: 'is not the one that the given head names'
} as const
export function broken (checked: number, fault: ChainFault): VerificationStep {
  return { checked, fault, recovered: [], next: null }
}

export function fault (chain: string, sequence: number, id: string | null, problem: ChainFault['problem']): ChainFault {
  return {
    chain,
    sequence,
    id,
    problem,
    message: `Row ${sequence} of the chain ${chain}${id === null ? '' : ` (${id})`} ${problems[problem]}.`
  }
}

/** What is known about the chain at a place in it. */
export interface VerifiedPlace {
  chain: string
  sequence: number
  /**
   * The hash of the row there. Among rows that retention left, and in front of the row at `pin`: the digest of those so
   * far.
   */
  hash: string
  /** Whether the place is among rows that retention left. */
  kept: boolean
  /** The number of the row that pins those before it by a digest; 0: there is none ahead. */
  pin: number
  /**
   * The number up to which retention removed rows, as long as the row that says so was not met; 0: nothing to be met.
   */
  unproved: number
}

/** A break that was found earlier: an operator had it recorded, and the chain went on. */
export interface RecoveredBreak {
  chain: string
  /** The number of the row that records it: those before it prove nothing but what they were then. */
  sequence: number
  id: string
  createdAt: Date
  /** What was wrong, for people. */
  message: string
}

export function going (next: VerifiedPlace | null): VerificationStep {
  return { checked: 0, fault: null, recovered: [], next }
}

export interface VerificationStep {
  /** Rows that were looked at in this step. */
  checked: number
  fault: ChainFault | null
  /** Breaks of which the records were met in this step. */
  recovered: RecoveredBreak[]
  /** Where the next step begins; null: everything was looked at, or a fault was found. */
  next: VerifiedPlace | null
}
