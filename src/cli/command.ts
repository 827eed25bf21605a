/** What the commands have in common: one request, its answer printed, and the flags that several of them take. */
import { InvalidArgumentError, Option, type Command } from 'commander'
import { managementApi, type Answer, type Api } from './api.ts'
import { findConnection, type GlobalOptions } from './connection.ts'
import { UsageError } from './failure.ts'
import { jsonLines, printable, printableLines, tableLines } from './print.ts'
import { readExpiry } from './time.ts'

/** The flags of a command by name; each command knows its own. */
export type Flags = Record<string, unknown>

/** Asks the server for what the command is about; `name` is the command's first argument, if it has one. */
type Ask<T, F> = (api: Api, flags: F, name: string) => Promise<Answer<T>>

/** The action of a command: `ask` the server, then print its answer, as it came (`--json`) or as `show` puts it. */
export function calling<T, F extends object> (show: (value: T) => string, ask: Ask<T, F>) {
  return async function (this: Command): Promise<void> {
    const flags = this.optsWithGlobals<F & GlobalOptions>()
    const answer = await ask(managementApi(findConnection(flags)), flags, this.args[0] ?? '')
    if (flags.json) printJson(answer.body)
    else process.stdout.write(printableLines(show(answer.value)))
    // On a line of its own, out of the way of pipes.
    for (const warning of answer.warnings) process.stderr.write(`${printable(warning)}.\n`)
  }
}

/** On a terminal with a line break behind it, so that the prompt stays on its own line. */
function printJson (body: Buffer): void {
  process.stdout.write(jsonLines(body.toString()))
  if (process.stdout.isTTY) process.stdout.write('\n')
}

/** One page of a list, as the API answers it. */
export interface Page<T> { data: T[], pagination: { limit: number, hasMore: boolean, nextCursor?: string } }

export interface ListFlags { limit?: string, cursor?: string, org?: string }

/** The flags of a list; `--org` where the API can filter by organization. */
export function withPageFlags (command: Command, filter: { org: boolean }): Command {
  if (filter.org) command.option('--org <id>', 'only what belongs to this organization')
  return command
    .option('--limit <n>', 'how many at most', readCount)
    .option('--cursor <text>', 'where the page begins: the cursor that the page before it named')
}

/** The query of a list. */
export function pageQuery ({ limit, cursor, org }: ListFlags): Record<string, string | undefined> {
  return { limit, cursor, organization: org }
}

/** Shows a page as a table; what there is to know besides goes to stderr, out of the way of pipes. */
export function showPage<T> (
  headings: readonly string[], row: (item: T) => ReadonlyArray<string | number | null | undefined>, whenEmpty: string
): (page: Page<T>) => string {
  return ({ data, pagination }) => {
    if (data.length === 0) {
      process.stderr.write(`${whenEmpty}\n`)
      return ''
    }
    if (pagination.hasMore) {
      process.stderr.write(`There are more: --cursor ${printable(String(pagination.nextCursor))}\n`)
    }
    return tableLines(headings, data.map(row))
  }
}

/** For flags that may be given several times. */
export function repeated (value: string, before: readonly string[] = []): string[] {
  return [...before, value]
}

/** `--scope`, once per scope. */
export function scopeOption (description = 'a scope; repeat it for several'): Option {
  return new Option('--scope <name>', description).argParser(repeated)
}

/** `--allow-ip`, once per address or range. */
export function allowlistOption (): Option {
  return new Option('--allow-ip <address>', 'an address or CIDR range it may come from; repeat it for several')
    .argParser(repeated)
}

/** `--allow-any-ip`, to take an allowlist away. */
export function anyAddressOption (): Option {
  return new Option('--allow-any-ip', 'let it come from everywhere').conflicts('allowIp')
}

/** The allowlist that the flags ask for; undefined: leave it as it is. */
export function allowlistOf (flags: { allowIp?: string[], allowAnyIp?: boolean }): string[] | undefined {
  return flags.allowAnyIp ? [] : flags.allowIp
}

/** A whole number from 1 up. @throws InvalidArgumentError. */
export function readCount (text: string): string {
  if (/^[1-9]\d{0,8}$/.test(text)) return text
  throw new InvalidArgumentError('Write a whole number from 1 up.')
}

/** A number of the command line. Wrapped, because commander takes a bare null for "not given". */
export interface Amount { count: number | null }

/** A whole number from 1 up, or null for `unlimited`. @throws InvalidArgumentError. */
export function readAmount (text: string): Amount {
  if (text === 'unlimited') return { count: null }
  try {
    return { count: Number(readCount(text)) }
  } catch {
    throw new InvalidArgumentError('Write a whole number from 1 up, or unlimited.')
  }
}

/** `--expires`, which several kinds of secret take. */
export function expiryOption (): Option {
  return new Option('--expires <when>', 'a duration (90d), a day (2027-01-31), a time or never').argParser(text =>
    readExpiry(text)
  )
}

/** A change that changes something. @throws UsageError naming the flags there are. */
export function requireChange<T extends object> (change: T, flags: string): T {
  if (Object.values(change).some(value => value !== undefined)) return change
  throw new UsageError(`Nothing to change: give at least one of ${flags}.`)
}

/** `--algorithm`: one of those that tokens are signed by. */
export function algorithmOption (description: string): Option {
  return new Option('--algorithm <name>', description).choices(['ES256', 'RS256', 'EdDSA'])
}
