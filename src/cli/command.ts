/** Parts of commands: one request with its answer printed, pages of lists, and the flags that several commands take. */
import { InvalidArgumentError, Option, type Command } from 'commander'
import { managementApi, type Answer, type Api } from './api.ts'
import { findConnection, type Connection, type GlobalOptions } from './connection.ts'
import { RefusedError, UsageError } from './failure.ts'
import { jsonLines, printable, printableLines, tableLines } from './print.ts'
import { readExpiry } from './time.ts'

/** The flags of a command, by name. */
export type Flags = Record<string, unknown>

/** The request of a command; `name` is its first argument, if it has one. */
type Ask<T, F> = (api: Api, flags: F, name: string) => Promise<Answer<T>>

/**
 * The action of a command: sends a request, and prints its answer unchanged (`--json`) or formatted by `show`.
 * `connect`: by the flags and the first argument.
 */
export function calling<T, F extends object> (
  show: (value: T) => string, ask: Ask<T, F>,
  connect: (flags: F & GlobalOptions, name: string) => Connection | Promise<Connection> = flags => findConnection(flags)
) {
  return async function (this: Command): Promise<void> {
    const flags = this.optsWithGlobals<F & GlobalOptions>()
    const api = managementApi(await connect(flags, this.args[0] ?? ''))
    const answer = await ask(api, flags, this.args[0] ?? '').catch(error => { throw namingFlags(error, this) })
    if (flags.json) printJson(answer.body)
    else process.stdout.write(printableLines(show(answer.value)))
    // On stderr, so that pipes do not get it.
    for (const warning of answer.warnings) process.stderr.write(`${printable(warning)}.\n`)
  }
}

/** The API names the members of bodies and queries; a command has flags for them. */
function namingFlags (error: unknown, command: Command): unknown {
  if (!(error instanceof RefusedError)) return error
  const [place, index] = /^redirectUris\[(\d+)\]/.exec(error.message) ?? []
  const uri = command.opts<{ redirectUri?: string[] }>().redirectUri?.[Number(index)]
  if (place !== undefined && uri !== undefined) {
    return new RefusedError(`--redirect-uri ${printable(uri)}${error.message.slice(place.length)}`, error.body)
  }
  const option = command.options.find(option => isAbout(error, option))
  if (option !== undefined) {
    return new RefusedError(option.long + error.message.slice(error.message.indexOf(' ')), error.body)
  }
  if (!error.message.startsWith('Name the organization')) return error
  const flags = command.options.map(({ long }) => long).filter(long => long === '--org' || long === '--deployment')
  if (flags.length === 0) return error
  const named = flags.map(flag => flag === '--org' ? '--org ORG' : '--deployment').join(', or ')
  return new RefusedError(`${error.message}\nPass ${named}.`, error.body)
}

function isAbout ({ message }: RefusedError, option: Option): boolean {
  return ['body', 'querystring'].some(part => message.startsWith(`${part}.${option.attributeName()} `))
}

/** Deletes a record, and answers with what it was. */
export async function removed<T extends object> (api: Api, path: string): Promise<Answer<T>> {
  const record = await api.get<T>(path)
  await api.delete(path)
  return record
}

/** A terminal also gets a line break, so that the prompt starts on its own line. */
function printJson (body: Buffer): void {
  process.stdout.write(jsonLines(body.toString()))
  if (process.stdout.isTTY) process.stdout.write('\n')
}

/** One page of a list, as the API answers it. */
export interface Page<T> {
  data: T[]
  pagination: { limit: number, hasMore: boolean, nextCursor?: string, total?: number, totalIsAtLeast?: true }
}

export interface ListFlags { limit?: string, cursor?: string, org?: string }

/** Adds the flags of a list; `--org` if the API can filter by organization. */
export function withPageFlags (command: Command, filter: { org: boolean }): Command {
  if (filter.org) command.option('--org <id>', 'only of this organization')
  return command
    .option('--limit <n>', 'the maximum number of rows', readCount)
    .option('--cursor <text>', 'the start of the page: the cursor from the previous page')
}

/** The query of a list. */
export function pageQuery ({ limit, cursor, org }: ListFlags): Record<string, string | undefined> {
  return { limit, cursor, organization: org }
}

/** Formats a page as a table; notes go to stderr, so that pipes do not get them. */
export function showPage<T> (
  headings: readonly string[], row: (item: T) => ReadonlyArray<string | number | null | undefined>, whenEmpty: string
): (page: Page<T>) => string {
  return ({ data, pagination }) => {
    const { hasMore, nextCursor, total, totalIsAtLeast } = pagination
    // A search may have looked at very many rows without a match.
    if (data.length === 0 && !hasMore) process.stderr.write(`${whenEmpty}\n`)
    if (total !== undefined) process.stderr.write(`${total}${totalIsAtLeast === true ? ' or more' : ''} in all.\n`)
    if (hasMore) process.stderr.write(`There are more: --cursor ${printable(String(nextCursor))}\n`)
    return data.length === 0 ? '' : tableLines(headings, data.map(row))
  }
}

/** Parses a flag that may be repeated. */
export function repeated (value: string, before: readonly string[] = []): string[] {
  return [...before, value]
}

/** `--scope`, once per scope. */
export function scopeOption (description = 'a scope; repeat it for several'): Option {
  return new Option('--scope <name>', description).argParser(repeated)
}

/** `--allow-ip`, once per address or range. */
export function allowlistOption (): Option {
  return new Option('--allow-ip <address>', 'an address or CIDR range that it may be used from; repeat it for several')
    .argParser(repeated)
}

/** `--allow-any-ip`, to remove an allowlist. */
export function anyAddressOption (): Option {
  return new Option('--allow-any-ip', 'allow every address').conflicts('allowIp')
}

/** The allowlist that the flags request; undefined: no change. */
export function allowlistOf (flags: { allowIp?: string[], allowAnyIp?: boolean }): string[] | undefined {
  return flags.allowAnyIp ? [] : flags.allowIp
}

/** A whole number, 1 or greater. @throws InvalidArgumentError. */
export function readCount (text: string): string {
  if (/^[1-9]\d{0,8}$/.test(text)) return text
  throw new InvalidArgumentError('Write a whole number, 1 or greater.')
}

/** A number from the command line. Wrapped, because commander treats null as absent. */
export interface Amount { count: number | null }

/** A whole number. @throws InvalidArgumentError. */
export function readWhole (text: string): number {
  if (/^\d{1,10}$/.test(text)) return Number(text)
  throw new InvalidArgumentError('Write a whole number, such as 0 or 10.')
}

/** A whole number, 1 or greater, or null for `unlimited`. @throws InvalidArgumentError. */
export function readAmount (text: string): Amount {
  if (text === 'unlimited') return { count: null }
  try {
    return { count: Number(readCount(text)) }
  } catch {
    throw new InvalidArgumentError('Write a whole number, 1 or greater, or unlimited.')
  }
}

/** `--expires`, for secrets that can expire. */
export function expiryOption (): Option {
  return new Option('--expires <when>', 'a duration (90d), a day (2027-01-31), a time or never').argParser(text =>
    readExpiry(text)
  )
}

/** Refuses an empty change. @throws UsageError naming the flags. */
export function requireChange<T extends object> (change: T, flags: string): T {
  if (Object.values(change).some(value => value !== undefined)) return change
  throw new UsageError(`Nothing to change: give at least one of ${flags}.`)
}

/** `--algorithm`, for the algorithms that sign access tokens. */
export function algorithmOption (description: string): Option {
  return new Option('--algorithm <name>', description).choices(['ES256', 'RS256', 'EdDSA'])
}
