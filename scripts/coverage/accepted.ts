/** Compares what a run did not execute with the list of what may stay so, each with its reason. */
import type { Uncovered } from './report.ts'

/**
 * Reads a list of lines `src/file.ts function: reason`; `#` begins a comment.
 * @returns the reasons by place.
 */
export function readAccepted (text: string): Map<string, string> {
  const reasons = new Map<string, string>()
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('#')) continue
    const match = /^(\S+ [^:]+): (\S.*)$/.exec(line)
    if (match === null) throw new Error(`test/uncovered.txt needs \`src/file.ts function: reason\`, not: ${line}`)
    reasons.set(match[1]!, match[2]!)
  }
  return reasons
}

/** What is uncovered and not in the list, and which entries of the list are covered by now. */
export function compare (
  uncovered: readonly Uncovered[], accepted: ReadonlyMap<string, string>
): { added: Uncovered[], covered: string[] } {
  const places = new Set(uncovered.map(({ place }) => place))
  return {
    added: uncovered.filter(({ place }) => !accepted.has(place)),
    covered: [...accepted.keys()].filter(place => !places.has(place))
  }
}
