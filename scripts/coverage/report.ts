/** Reads the recorded coverage of a run by c8: the share of src/ that was executed, and what was not. */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { codeLines } from './code-lines.ts'

/** What c8 writes of a file: a statement is a whole line, counted by how often it was executed. */
interface FileCoverage {
  path: string
  statementMap: Record<string, { start: { line: number } }>
  s: Record<string, number>
  b: Record<string, number[]>
}

/** The lines of one function that were not executed, `place` being its file and its name. */
export interface Uncovered { place: string, lines: number[] }

export interface Coverage {
  lines: { covered: number, all: number }
  branches: { covered: number, all: number }
  uncovered: Uncovered[]
}

/** @param runC8 runs c8 with these arguments. */
export async function readCoverage (
  root: string, folder: string, runC8: (parameters: string[]) => Promise<number>
): Promise<Coverage> {
  const reports = await mkdtemp(join(folder, 'report-'))
  const code = await runC8([
    'report', `--temp-directory=${join(folder, 'raw')}`, `--reports-dir=${reports}`, '--reporter=json',
    // One process at a time: all of them together do not fit into memory.
    '--merge-async', '--all', '--src=src', '--include=src/**/*.ts', '--exclude=src/storage/generated/**'
  ])
  if (code !== 0) throw new Error(`c8 failed with exit code ${code}`)
  const files = JSON.parse(await readFile(join(reports, 'coverage-final.json'), 'utf8')) as Record<string, FileCoverage>
  await rm(reports, { recursive: true })
  const coverage: Coverage = { lines: { covered: 0, all: 0 }, branches: { covered: 0, all: 0 }, uncovered: [] }
  for (const file of Object.values(files)) {
    add(coverage, relative(root, file.path), file, await readFile(file.path, 'utf8'))
  }
  return coverage
}

/** The line that ends a run: `coverage: 97.1 % of lines, 91.4 % of branches in src/`. */
export function summaryOf ({ lines, branches }: Coverage): string {
  const share = ({ covered, all }: { covered: number, all: number }): string => (100 * covered / all).toFixed(1)
  return `coverage: ${share(lines)} % of lines, ${share(branches)} % of branches in src/`
}

function add (coverage: Coverage, path: string, file: FileCoverage, text: string): void {
  const code = codeLines(text)
  // c8 counts a file that no process loads as one uncovered function; one of types alone is never loaded.
  if (code.size === 0) return
  const byPlace = new Map<string, number[]>()
  for (const [id, { start: { line } }] of Object.entries(file.statementMap)) {
    const name = code.get(line)
    if (name === undefined) continue
    coverage.lines.all++
    if (file.s[id]! > 0) coverage.lines.covered++
    else {
      const place = `${path} ${name}`
      byPlace.set(place, [...byPlace.get(place) ?? [], line])
    }
  }
  const counts = Object.values(file.b).flat()
  coverage.branches.all += counts.length
  coverage.branches.covered += counts.filter(count => count > 0).length
  for (const [place, lines] of byPlace) coverage.uncovered.push({ place, lines })
}
