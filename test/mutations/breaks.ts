/**
 * Applies the entries of test/mutations/mutations.ts to the present tests and sources: which apply, and why the others
 * do not.
 */
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Mutation } from './mutations.ts'
import type { TitledTest } from './titles.ts'

/** A mutation whose test and text were found; `source` is the file of the text, relative to the root. */
export interface Break extends Mutation, TitledTest { source: string }

/** Every source that a mutation may change, by its path. */
export function sourcesUnder (root: string): Map<string, string> {
  const paths = globSync(['src/**/*.ts', 'bin/*.js', 'examples/**/*.ts'], { cwd: root }).filter(path =>
    !path.startsWith('src/storage/generated/')
  )
  return new Map(paths.sort().map(path => [path, readFileSync(join(root, path), 'utf8')]))
}

/** Finds the test and the text of a mutation; a string is the reason why it no longer applies. */
export function locate (
  mutation: Mutation, tests: readonly TitledTest[], sources: ReadonlyMap<string, string>
): Break | string {
  const [test, ...namesakes] = tests.filter(each => each.title === mutation.title)
  if (test === undefined) {
    return 'no test has this title; follow the test to its new title, or remove the entry with the test'
  }
  if (namesakes.length > 0) return `${namesakes.length + 1} tests have this title`
  const wanted = pattern(mutation.find)
  const places = [...sources].filter(([, text]) => wanted.test(text))
  const times = places.reduce((sum, [, text]) => sum + [...text.matchAll(new RegExp(wanted, 'g'))].length, 0)
  if (times !== 1) {
    return `its text occurs ${times} times instead of once${
      times > 1 ? ` (${places.map(([path]) => path).join(', ')})` : ''
    }:\n${mutation.find}`
  }
  if (mutation.find === mutation.replace) return 'it replaces its text by the same'
  return { ...mutation, ...test, source: places[0]![0] }
}

/** Matches `text` with any line breaks. */
export function pattern (text: string): RegExp {
  return new RegExp(text.trim().split(/\s+/).map(word => word
    .replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
    .replace(/\\[([{]/g, '$&\\s*')
    .replace(/\\[)\]}]/g, '\\s*$&')).join('\\s+'))
}
