/** Refuses a database that a newer version has migrated: this version would ignore what those migrations added. */
import { UnusableDatabase } from '../engine/unusable-database.ts'

/** @throws UnusableDatabase when migrations were applied that this version does not know. */
export function requireKnown ({ unknown }: { unknown: readonly string[] }): void {
  if (unknown.length > 0) throw new UnusableDatabase(newer(unknown), remedyForNewer)
}

export function newer (unknown: readonly string[]): string {
  return `the database was migrated by a newer version (${unknown.join(', ')} ${
    unknown.length === 1 ? 'is' : 'are'
  } unknown to this one)`
}

export const remedyForNewer = 'run that version or a later one, or restore the backup from before it'
