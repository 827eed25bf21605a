/** Names variables that are set, look like ones of Latchkey and are unknown: most likely mistyped. */
import { nearest } from '../base/nearest-name.ts'
import { isProviderVariable } from './identity-providers.ts'
import { fileVariableOf, isFileVariable } from './secret-files.ts'
import { findRow, startOf, type Environment, type Variable } from './table.ts'
import { allVariables } from './variables.ts'

const prefix = 'LATCHKEY_'

/** Set by Kubernetes for a service named latchkey, or read by tests and scripts of this project. */
const otherPrograms = /^LATCHKEY_(?:SERVICE_|PORT_|TEST_|PRISMA_|JUDGES$)/

/** The most edits between a known name and a mistyped one that lacks the prefix. */
const mostEdits = 2

/** A sentence for each, with the nearest known name. Values may be secrets: no sentence repeats one. */
export function unknownVariables (environment: Environment, rows: readonly Variable[] = allVariables): string[] {
  const names = Object.keys(environment).filter(name =>
    findRow(name, rows) === null && !isFileVariable(name, rows))
  return names.filter(name => !isOfAnotherProgram(name, environment[name])).flatMap(name => {
    const known = nearestKnown(name, rows)
    return known === null ? [] : [`${name}: is unknown and ignored; the nearest known variable is ${known}`]
  })
}

function isOfAnotherProgram (name: string, value: string | undefined): boolean {
  // Those of identity providers are problems, not warnings: identity-providers.ts.
  return otherPrograms.test(name) || isProviderVariable(name) ||
    (name === `${prefix}PORT` && value?.includes('://') === true)
}

/** Null: the name is not similar to one of ours, so it belongs to another program. */
function nearestKnown (name: string, rows: readonly Variable[]): string | null {
  const upper = name.toUpperCase()
  const ours = rows.filter(row => row.name.startsWith(prefix))
  if (!upper.startsWith(prefix)) {
    const found = nearest(upper, namesOf(ours))
    return found.edits <= mostEdits ? found.name : null
  }
  const unprefixed = rows.find(row => upper === prefix + row.name)
  if (unprefixed !== undefined) return unprefixed.name
  const abbreviated = ours.find(row => row.name.startsWith(upper))
  if (abbreviated !== undefined) return abbreviated.name
  // An ID in the name counts as edits: only rows with an ID are compared with one another.
  const alike = ours.filter(row => row.name !== startOf(row) && upper.startsWith(startOf(row)))
  return nearest(upper, namesOf(alike.length > 0 ? alike : ours)).name
}

function namesOf (rows: readonly Variable[]): string[] {
  return rows.flatMap(({ name, inFile }) => inFile === true ? [name, fileVariableOf(name)] : [name])
}
