import { Parser } from 'tap-parser'

/** Counts of the tests of a run by outcome. A test is a titled block without further blocks in it. */
export interface Count { passed: number, failed: number, skipped: number }

/**
 * The counts of a run, in total and by the database in the title (or in that of an enclosing block); each failure as
 * its titles from the file inwards and tap's output for it; the reasons for skipping, each once.
 */
export interface Counts { all: Count, byDatabase: Map<string, Count>, failures: string[], skips: Set<string> }

/** Counts the tests of a run from tap's output. */
export function countTests (tap: string): Counts {
  const counts: Counts = {
    all: nothing(),
    byDatabase: new Map([['sqlite', nothing()], ['postgresql', nothing()]]),
    failures: [],
    skips: new Set()
  }
  const parser = new Parser()
  follow(parser, null, counts)
  parser.end(tap)
  return counts
}

function follow (parser: Parser, database: string | null, counts: Counts): { leaf: boolean } {
  const block = { leaf: true }
  let child: { leaf: boolean, database: string | null } | null = null
  parser.on('child', childParser => {
    block.leaf = false
    const childDatabase = databaseIn(childParser.name) ?? database
    child = Object.assign(follow(childParser, childDatabase, counts), { database: childDatabase })
  })
  parser.on('assert', result => {
    const ended = child
    child = null
    if (!result.ok && ended === null && !result.skip && !result.todo) {
      counts.failures.push(`${result.fullname}\n${JSON.stringify(result.diag ?? null, null, 2)}`)
    }
    if (typeof result.skip === 'string') counts.skips.add(result.skip)
    // An assertion outside a test is not counted as a test, but its failure is.
    if (ended?.leaf || (ended === null && !block.leaf && !result.ok)) {
      record(counts, ended?.database ?? database, result)
    }
  })
  return block
}

function databaseIn (title: string): string | null {
  return /\[(sqlite|postgresql)\]/.exec(title)?.[1] ?? null
}

function record (
  counts: Counts, database: string | null, result: { ok: boolean, skip?: unknown, todo?: unknown }
): void {
  const outcome = result.skip || result.todo ? 'skipped' : result.ok ? 'passed' : 'failed'
  counts.all[outcome]++
  if (database !== null) counts.byDatabase.get(database)![outcome]++
}

function nothing (): Count {
  return { passed: 0, failed: 0, skipped: 0 }
}
