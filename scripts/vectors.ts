// npm run vectors: writes test/vectors/guard.json, what every guard answers in whatever language; with `--check`, only
// says whether it is current. docs/remote-guard.md says how to read it.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { answered } from './vectors/answers.ts'
import { cases } from './vectors/cases.ts'
import { guardedResources, resources } from './vectors/resources.ts'

export const file = join(import.meta.dirname, '../test/vectors/guard.json')

/** The text of the file: a line for each resource and each case. */
export function vectors (): string {
  const named = Object.entries(guardedResources())
    .map(([name, each]) => `${JSON.stringify(name)}:${JSON.stringify(each)}`)
  const all = cases.map(({ name, resource, ...situation }) =>
    JSON.stringify({ name, resource, ...situation, ...answered(resources.get(resource)!, situation) }))
  return `{"resources":{\n${named.join(',\n')}\n},"cases":[\n${all.join(',\n')}\n]}\n`
}

if (import.meta.main) {
  if (!process.argv.includes('--check')) writeFileSync(file, vectors())
  else if (readFileSync(file, 'utf8') !== vectors()) {
    console.error('test/vectors/guard.json is outdated: run `npm run vectors`.')
    process.exit(1)
  }
}
