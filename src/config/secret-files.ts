/**
 * Variables that are given as files: `NAME_FILE` is the path of a file with the text of `NAME`. Containers and systemd
 * hand secrets over as files, which no list of processes and no dump of an environment shows.
 */
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { findRow, textOf, type Environment, type Variable } from './table.ts'

const suffix = '_FILE'

/** The name of the variable with the path of a file that has the text of `name`. */
export function fileVariableOf (name: string): string {
  return name + suffix
}

/** Whether the name is that of a file with the text of a row. */
export function isFileVariable (name: string, rows: readonly Variable[]): boolean {
  return name.endsWith(suffix) && findRow(name.slice(0, -suffix.length), rows)?.row.inFile === true
}

/**
 * The environment with the text of each file under the name of its variable. Fails closed: a file that cannot be read
 * or is blank is a problem, and so is a variable that is set in both ways. Relative paths start at `folder`.
 */
export function withSecretFiles (
  environment: Environment, rows: readonly Variable[], folder: string
): { environment: Environment, problems: string[] } {
  const problems: string[] = []
  const texts: Record<string, string> = {}
  for (const fileVariable of Object.keys(environment).filter(name => isFileVariable(name, rows)).sort()) {
    const path = textOf(fileVariable, environment)
    if (path === undefined) continue
    const name = fileVariable.slice(0, -suffix.length)
    const read = textOf(name, environment) === undefined
      ? readText(resolve(folder, path))
      : { problem: `${name} is set too; unset one of them` }
    if ('problem' in read) problems.push(`${fileVariable}: ${read.problem}`)
    else texts[name] = read.text
  }
  return { environment: { ...environment, ...texts }, problems }
}

function readText (path: string): { text: string } | { problem: string } {
  try {
    const text = readFileSync(path, 'utf8').trim()
    return text === '' ? { problem: `${path} is blank` } : { text }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    return { problem: `${path} cannot be read (${code}); it must exist, and this account must be able to read it` }
  }
}
