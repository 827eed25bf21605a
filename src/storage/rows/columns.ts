/**
 * How the values of columns come out of a database, so that there is one mapping from a row to its record whatever read
 * the row.
 */

/** Reads values of one kind of column each. */
export interface Columns {
  text (value: unknown): string
  /** Of a text that many rows have in common, such as an id that they refer to: one string for all of them. */
  common (value: unknown): string
  json (value: unknown): unknown
  instant (value: unknown): Date
  flag (value: unknown): boolean
}

/** `read`, where the column may hold NULL. */
export function orNull<T> (read: (value: unknown) => T, value: unknown): T | null {
  return value === null ? null : read(value)
}

/** Of rows that Prisma read: it has done all of it. */
export const prismaColumns: Columns = {
  text: value => value as string,
  common: value => value as string,
  json: value => value,
  instant: value => value as Date,
  flag: value => value as boolean,
}

/** Of rows as SQLite gives them. A text of JSON that was read before is the same value again: nobody changes one. */
export function sqliteColumns (): Columns {
  const texts = new Shared((text: string) => text)
  const values = new Shared((text: string) => JSON.parse(text) as unknown)
  return {
    text: value => value as string,
    common: value => texts.of(value as string),
    json: value => values.of(value as string),
    instant: value => new Date(value as string),
    flag: value => value === 1,
  }
}

/** Of rows that PostgreSQL turned into JSON (`to_jsonb`), in which instants are in UTC and do not say so. */
export function postgresqlColumns (): Columns {
  const texts = new Shared((text: string) => text)
  const values = new Shared((text: string) => JSON.parse(text) as unknown)
  return {
    text: value => value as string,
    common: value => texts.of(value as string),
    json: value => values.of(JSON.stringify(value)),
    instant: value => new Date(`${value as string}Z`),
    flag: value => value as boolean,
  }
}

/** How many texts are remembered, and how long they may be. Most records have theirs in common with many others. */
const most = 20_000
const longest = 256

/** What was made of a text is made once, as long as it is remembered. */
class Shared<T> {
  readonly #make: (text: string) => T
  readonly #made = new Map<string, T>()

  constructor (make: (text: string) => T) {
    this.#make = make
  }

  of (text: string): T {
    const known = this.#made.get(text)
    if (known !== undefined) return known
    const made = this.#make(text)
    if (text.length > longest) return made
    if (this.#made.size >= most) this.#made.clear()
    this.#made.set(text, made)
    return made
  }
}
