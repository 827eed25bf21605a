/** Decodes columns, so that each table maps rows to records once, for Prisma and for both drivers. */

/** Decodes the value of a column by its kind. */
export interface Columns {
  text (value: unknown): string
  /** A text that many rows share, such as an id that they refer to: interned. */
  common (value: unknown): string
  json (value: unknown): unknown
  instant (value: unknown): Date
  flag (value: unknown): boolean
}

/** `read` for a nullable column. */
export function orNull<T> (read: (value: unknown) => T, value: unknown): T | null {
  return value === null ? null : read(value)
}

/** For rows that Prisma read and has decoded. */
export const prismaColumns: Columns = {
  text: value => value as string,
  common: value => value as string,
  json: value => value,
  instant: value => value as Date,
  flag: value => value as boolean,
}

/** For rows of the SQLite driver. Interns parsed JSON; values are immutable. */
export function sqliteColumns (): Columns {
  const texts = new Interned((text: string) => text)
  const values = new Interned((text: string) => JSON.parse(text) as unknown)
  return {
    text: value => value as string,
    common: value => texts.of(value as string),
    json: value => values.of(value as string),
    instant: value => new Date(value as string),
    flag: value => value === 1,
  }
}

/** For rows that PostgreSQL converted to JSON (`to_jsonb`), whose instants are in UTC without saying so. */
export function postgresqlColumns (): Columns {
  const texts = new Interned((text: string) => text)
  const values = new Interned((text: string) => JSON.parse(text) as unknown)
  return {
    text: value => value as string,
    common: value => texts.of(value as string),
    json: value => values.of(JSON.stringify(value)),
    instant: value => new Date(`${value as string}Z`),
    flag: value => value as boolean,
  }
}

/** The number of interned texts, and their length, at most. Most records share theirs with many others. */
const maxTexts = 20_000
const maxLength = 256

/** Values by the text that they are made of. */
class Interned<T> {
  readonly #make: (text: string) => T
  readonly #made = new Map<string, T>()

  constructor (make: (text: string) => T) {
    this.#make = make
  }

  of (text: string): T {
    const known = this.#made.get(text)
    if (known !== undefined) return known
    const made = this.#make(text)
    if (text.length > maxLength) return made
    if (this.#made.size >= maxTexts) this.#made.clear()
    this.#made.set(text, made)
    return made
  }
}
