/** The flags of lists that are searched: a text, an order, a count, and what narrows keys and clients. */
import { InvalidArgumentError, Option, type Command } from 'commander'
import { pageQuery, withPageFlags, type ListFlags } from '../command.ts'
import { readDuration, readMoment } from '../time.ts'

export interface SearchFlags extends ListFlags { search?: string, sort?: string, total?: boolean }

interface Searched {
  /** Whether the API can filter by organization. */
  org: boolean
  /** What a text is searched for in. */
  found: string
  /** Orders of the API; absent: newest first alone. */
  sorts?: readonly string[]
}

/** Adds the flags of a list that is searched. */
export function withSearchFlags (command: Command, { org, found, sorts = [] }: Searched): Command {
  withPageFlags(command, { org }).option('--search <text>', `only with this text in ${found}, in any case`)
  if (sorts.length > 0) command.addOption(new Option('--sort <order>', 'the order').choices(['newest', ...sorts]))
  return command.option('--total', 'also print how many there are on all pages')
}

/** The query of a list that is searched. */
export function searchQuery ({ search, sort, total, ...page }: SearchFlags): Record<string, string | undefined> {
  return { ...pageQuery(page), search, sort, total: total === true ? 'true' : undefined }
}

/** What keys and clients are narrowed by. */
export interface CredentialFlags extends SearchFlags {
  status?: string
  name?: string
  resource?: string
  creator?: string
  externalId?: string
}

export function withCredentialFlags (command: Command): Command {
  return command
    .option('--name <text>', 'only with exactly this name')
    .option('--resource <identifier>', 'only for this API')
    .option('--creator <id>', 'only of this member')
    .option('--external-id <id>', 'only with this id in a system of yours')
}

export function credentialQuery (
  { status, name, resource, creator, externalId, ...flags }: CredentialFlags
): Record<string, string | undefined> {
  return { ...searchQuery(flags), status, name, resource, creator, externalId }
}

/** What only keys are narrowed by. */
export interface KeyNarrowingFlags { env?: string, unusedSince?: string, expiresWithin?: number }

export function withKeyNarrowingFlags (command: Command): Command {
  return command
    .addOption(new Option('--env <name>', 'only of this environment').choices(['live', 'test']))
    .option('--unused-since <when>', 'only without use for a duration (30d), or since a day or a time', readPast)
    .option('--expires-within <duration>', 'only with an end within this time (14d), or before now', readDuration)
}

export function keyNarrowingQuery (
  { env, unusedSince, expiresWithin }: KeyNarrowingFlags
): Record<string, string | undefined> {
  return {
    environment: env,
    unusedSince,
    expiresBefore: expiresWithin === undefined ? undefined : fromNow(expiresWithin)
  }
}

/** An instant that is over, as a duration until now, a day or a time. @throws InvalidArgumentError. */
function readPast (text: string): string {
  if (/^\d{4}-/.test(text)) return readMoment(text)
  try {
    return fromNow(-readDuration(text))
  } catch {
    throw new InvalidArgumentError('Write a duration (30d), a day (2027-01-31) or a time (2027-01-31T12:00:00Z).')
  }
}

function fromNow (seconds: number): string {
  return new Date(Date.now() + seconds * 1_000).toISOString()
}
