/** Fails a run whose tests leave code unexecuted that test/uncovered.txt does not name. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { compare, readAccepted } from './accepted.ts'
import type { Coverage } from './report.ts'

const list = join(import.meta.dirname, '..', '..', 'test', 'uncovered.txt')

/** Whether the list names every function with uncovered lines; prints those that it does not. */
export async function namesUncovered (coverage: Coverage): Promise<boolean> {
  const { added, covered } = compare(coverage.uncovered, readAccepted(await readFile(list, 'utf8')))
  for (const { place, lines } of added) {
    console.log(`uncovered: ${place}, ${lines.length === 1 ? 'line' : 'lines'} ${lines.join(', ')}`)
  }
  for (const place of covered) console.log(`covered by now, remove it from test/uncovered.txt: ${place}`)
  if (added.length > 0) console.log('Test or delete these functions, or add them to test/uncovered.txt with a reason.')
  return added.length === 0
}
