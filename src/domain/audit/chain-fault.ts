/** Faults that verification finds in an audit chain, and the steps and places of a verification. */

/** The first fault of a chain, and its place. */
export interface ChainFault {
  chain: string
  /** The number of the row at fault. */
  sequence: number
  /** The id of the row; null: the row is missing. */
  id: string | null
  problem: keyof typeof problems
  /** For operators. */
  message: string
}

export const problems = {
  edited: 'was altered after it was written',
  forged: 'is not sealed by this deployment',
  key_unknown:
    'is sealed under a key that is neither in LATCHKEY_SECRET nor recorded in the audit log; if it is of an earlier ' +
    'secret, list that one behind the present one and start the server once',
  moved: 'does not follow the row before it',
  missing: 'is missing',
  cut: 'is missing: the end of the chain was cut off',
  beyond_head: 'is behind the end of the chain, whose head was set back',
  no_head: 'belongs to a chain whose head is missing',
  head_edited: 'differs from the head of the chain, or the head was altered',
  head_key_unknown:
    'is the end of a chain whose head is sealed under a secret that is not in LATCHKEY_SECRET; list that one behind ' +
    'the present one and start the server',
  not_closed_off:
    'is the end of a chain without hashes and seals: they were removed, or the server was killed during the ' +
    'migration that adds them',
  pinned_edited: 'holds the digest of the rows before it, and those were altered',
  kept_edited: 'is the last one that retention removed, and rows before it that retention keeps were altered',
  no_checkpoint: 'is the first one left, and no row records that retention removed those before it',
  chain_gone: 'is missing, with its whole chain',
  unplaced: 'has an impossible place: its chain has no name, its number is below 1, or another row has the same',
  opened_again:
    'is the end of a chain that was opened more than once, by the chain of the deployment: it was removed and begun ' +
    'anew',
  never_opened:
    'is the end of a chain whose opening is not recorded in the chain of the deployment: rows were removed there',
  rewritten: 'differs from the row that the given head names'
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

/** The state of a verification at a place in the chain. */
export interface VerifiedPlace {
  chain: string
  sequence: number
  /**
   * The hash of the row there. Among rows that retention kept, and before the row at `pin`: the digest of the rows so
   * far.
   */
  hash: string
  /** Whether the place is among rows that retention kept. */
  kept: boolean
  /** The number of the row that pins the rows before it by a digest; 0: none lies ahead. */
  pin: number
  /**
   * The number up to which retention removed rows, until the row that records the removal is met; 0: none is expected.
   */
  unproved: number
}

/** A fault that an operator recorded earlier, with `audit recover`; the chain continued. */
export interface RecoveredBreak {
  chain: string
  /** The number of the row that records it. Rows before it prove only their state at that time. */
  sequence: number
  id: string
  createdAt: Date
  /** The fault, for operators. */
  message: string
}

export function going (next: VerifiedPlace | null): VerificationStep {
  return { checked: 0, fault: null, recovered: [], next }
}

export interface VerificationStep {
  /** Rows checked in this step. */
  checked: number
  fault: ChainFault | null
  /** Recorded faults that were met in this step. */
  recovered: RecoveredBreak[]
  /** The start of the next step; null: the end, or a fault, was reached. */
  next: VerifiedPlace | null
}
