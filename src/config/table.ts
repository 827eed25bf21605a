/**
 * Reads the environment by a table: one row for each variable, with its name, default, description and reader. A new
 * variable is a new row. See variables.ts for the rows.
 */

export type Environment = Readonly<Record<string, string | undefined>>

/** Given to a reader beside the text. */
export interface ReadingContext {
  /** Relative paths start here. */
  folder: string
  /** Adds a problem of the variable. The sentence begins after the variable's name. */
  report: (problem: string) => void
}

/**
 * Converts the text of a variable: trimmed, never empty. After a report, the returned value is only used to check other
 * variables; undefined: the default is used for that.
 */
export type Reader<Value> = (text: string, context: ReadingContext) => Value | undefined

/** Exactly one of `default`, `whenUnset` and `required`. */
export interface Variable<Value = unknown> {
  /**
   * With `<ID>` in it, the row describes one variable for each ID that is set, such as `LATCHKEY_OIDC_<ID>_ISSUER`, and
   * its value is a map by ID. Rows with the same text before `<ID>` share their IDs.
   */
  readonly name: string
  readonly description: string
  readonly read: Reader<Value>
  /** Read when the variable is not set. `<NAME>` in it is the value of that variable, which has a row above. */
  readonly default?: string
  /** Describes what applies when the variable is not set: its value is null then. */
  readonly whenUnset?: string
  /** For rows with `<ID>`: the variable must be set for each ID. */
  readonly required?: true
  /** The text may stand in a file instead, whose path is in `NAME_FILE`: see secret-files.ts. */
  readonly inFile?: true
}

export type Table = Readonly<Record<string, Variable>>

type ValueOf<Row extends Variable> = Row extends { read: Reader<infer Value> }
  ? Row extends { whenUnset: string } ? Value | null : Value
  : never

/** The values of a table, by the keys of its rows. */
export type Settings<Rows extends Table> = {
  -readonly [Key in keyof Rows]: Rows[Key]['name'] extends `${string}<ID>${string}`
    ? ReadonlyMap<string, ValueOf<Rows[Key]>>
    : ValueOf<Rows[Key]>
}

/** Reads every row. With problems, the settings are only good for further checks. */
export function readTable<Rows extends Table> (
  table: Rows, environment: Environment, folder: string
): { settings: Settings<Rows>, problems: string[] } {
  const rows = Object.values(table)
  const reading: Reading = { environment, folder, problems: [], values: new Map() }
  const settings = Object.entries(table).map(([key, row]) => {
    if (!row.name.includes(placeholder)) {
      const value = readVariable(row, row.name, reading)
      reading.values.set(row.name, value)
      return [key, value]
    }
    const ids = idsOf(row, rows, environment)
    return [key, new Map(ids.map(id => [id, readVariable(row, row.name.replace(placeholder, id), reading, id)]))]
  })
  return { settings: Object.fromEntries(settings) as Settings<Rows>, problems: reading.problems }
}

/** The value of a variable that is not set, whose default names no other variable. */
export function defaultOf<Row extends Variable> (row: Row & { default: string }): ValueOf<Row> {
  return readTable({ row }, {}, '').settings.row as ValueOf<Row>
}

/** The trimmed text of a variable; undefined: not set, or blank. */
export function textOf (name: string, environment: Environment): string | undefined {
  return environment[name]?.trim() || undefined
}

/** The row that describes a variable, with the ID in its name, if any; null: the table does not have it. */
export function findRow (name: string, rows: readonly Variable[]): { row: Variable, id: string | null } | null {
  const exact = rows.find(row => row.name === name)
  if (exact !== undefined) return { row: exact, id: null }
  const found = rows.map(row => ({ row, id: idIn(name, row) })).filter(({ id }) => id !== null)
  // X_CLIENT_SECRET is the client secret of X, and not the secret of X_CLIENT.
  return found.sort((one, other) => one.id!.length - other.id!.length)[0] ?? null
}

const placeholder = '<ID>'

interface Reading {
  environment: Environment
  folder: string
  problems: string[]
  /** By name, of the rows above. */
  values: Map<string, unknown>
}

function readVariable (row: Variable, name: string, reading: Reading, id?: string): unknown {
  const { environment, folder, problems } = reading
  const text = textOf(name, environment)
  if (text !== undefined) {
    const report = (problem: string) => { problems.push(`${name}: ${problem}`) }
    const value = row.read(text, { folder, report })
    if (value !== undefined) return value
  } else if (row.required === true) {
    problems.push(`${name}: is required, because another variable with the ID ${id} is set`)
  }
  return defaultValue(row, reading, id)
}

/** A problem of a default is one of the value that it refers to, and reported there. */
function defaultValue (row: Variable, { folder, values }: Reading, id = ''): unknown {
  if (row.default === undefined) return null
  const text = row.default.replace(/<(\w+)>/g, (_, name: string) => name === 'ID' ? id : String(values.get(name)))
  return row.read(text, { folder, report: () => {} })
}

/** The IDs for which a row is read: those of every variable that is set and begins as this row does. */
function idsOf (row: Variable, rows: readonly Variable[], environment: Environment): string[] {
  const found = Object.keys(environment).filter(name => textOf(name, environment) !== undefined)
    .map(name => findRow(name, rows))
    .filter(each => each !== null && each.id !== null && startOf(each.row) === startOf(row))
  return [...new Set(found.map(each => each!.id!))].sort()
}

/** The text of a row's name before `<ID>`. */
export function startOf (row: Variable): string {
  return row.name.split(placeholder, 1)[0]!
}

function idIn (name: string, row: Variable): string | null {
  const [start, end] = row.name.split(placeholder)
  if (end === undefined || !name.startsWith(start!) || !name.endsWith(end)) return null
  const id = name.slice(start!.length, name.length - end.length)
  return /^[A-Z\d]+(?:_[A-Z\d]+)*$/.test(id) ? id : null
}
