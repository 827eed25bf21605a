/** `latchkey audit …`: the audit log, listed, exported, verified and recovered. */
import { createWriteStream } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { pipeline } from 'node:stream/promises'
import { Command, Option } from 'commander'
import { managementApi, type Answer, type Api } from '../api.ts'
import { calling, pageQuery, showPage, withPageFlags, type ListFlags, type Page } from '../command.ts'
import { findConnection, type GlobalOptions } from '../connection.ts'
import { CommandError, UsageError } from '../failure.ts'
import { fieldLines, instant, jsonLines, printable, tableLines } from '../print.ts'
import { showProgress } from '../progress.ts'
import { readMoment } from '../time.ts'

interface AuditEvent {
  id: string
  createdAt: string
  type: string
  actor: string
  organization: string | null
  subject: string | null
  address: string | null
  detail: { reason?: string, revokedReason?: string | null, omitted?: number }
}

interface Head { chain: string, sequence: number, hash: string }
interface Fault { chain: string, sequence: number, id: string | null, problem: string, message: string }
interface Break { chain: string, sequence: number, id: string, createdAt: string | Date, message: string }
interface Verified { checked: number, fault: Fault | null, recovered: Break[], nextCursor?: string }
interface Pruned { organization: string | null, rows: number, through: number, more: boolean }
interface Recovered { fault: Fault, rows: number, sequence: number }

interface FilterFlags { org?: string, actor?: string, type?: string, subject?: string, from?: string, until?: string }
interface VerifyFlags extends GlobalOptions { heads?: string, offline?: boolean }
interface ChainFlags { org?: string, deployment?: boolean, yes?: boolean }
interface PruneFlags extends ChainFlags { before: string }
interface RecoverFlags extends GlobalOptions, ChainFlags { offline?: boolean }

/** Timeout of requests that read a whole chain, ms. */
const wholeChainTimeoutMs = 280_000

/** Commands that read, export, verify, prune and recover the audit log. */
export function auditCommands (): Command {
  const audit = new Command('audit').description(
    'the audit log: every change and refusal, chained so that tampering is detected'
  )
  withFilters(withPageFlags(audit.command('list').description('list audit events, newest first'), { org: true }))
    .action(
      calling<Page<AuditEvent>, ListFlags & FilterFlags>(showEvents, (api, flags) =>
        api.get('/audit', { ...filterQuery(flags), ...pageQuery(flags) }))
    )
  withFilters(
    audit.command('export').description('write the rows as NDJSON, with their positions in the chain')
      .option('--org <id>', 'only of this organization')
  )
    .option('--output <file>', 'the file to write; default: standard output')
    .action(exportRows)
  audit.command('head').description(
    'print the newest row of each chain as NDJSON; store it elsewhere, for `audit verify --heads`'
  )
    .option('--org <id>', 'only of this organization')
    .action(printHeads)
  audit.command('verify').description('verify every row; name the first fault and exit with 1')
    .option('--heads <file>', 'also compare with the heads in this file, an earlier output of `audit head`')
    .option(
      '--offline', 'read the database directly, without a server; for SQLite, stop the server first'
    )
    .action(verify)
  withChainFlags(audit.command('prune').description('remove old rows of one chain; a row records the removal, so ' +
    'that the chain verifies'))
    .requiredOption('--before <when>', 'rows older than this: a day (2027-01-31) or a time', readMoment)
    .option('--yes', 'do not ask for confirmation')
    .action(calling<Pruned, PruneFlags>(showPruned, prune))
  withChainFlags(
    audit.command('recover').description(
      'close off a chain that `audit verify` finds broken: a row records the fault, and the chain continues after it'
    )
  )
    .option('--offline', 'write to the database directly, without a server; for SQLite, stop the server first')
    .option('--yes', 'do not ask for confirmation')
    .action(recover)
  return audit
}

function withChainFlags (command: Command): Command {
  return command
    .option('--org <id>', 'the rows of this organization')
    .addOption(new Option('--deployment', 'the rows without an organization').conflicts('org'))
}

function withFilters (command: Command): Command {
  return command
    .option('--actor <id>', 'only by this credential')
    .option('--type <name>', 'only this type, api_key.revoked, or this prefix, api_key.')
    .option('--subject <id>', 'only about this record')
    .option('--from <when>', 'since this day or time', readMoment)
    .option('--until <when>', 'before this day or time', readMoment)
}

function filterQuery ({ org, actor, type, subject, from, until }: FilterFlags): Record<string, string | undefined> {
  return { organization: org, actor, type, subject, from, until }
}

const showEvents = showPage<AuditEvent>(
  ['TIME', 'TYPE', 'ACTOR', 'SUBJECT', 'ADDRESS', 'REASON'],
  (
    { createdAt, type, actor, subject, address, detail }
  ) => [instant(createdAt), type, actor, subject, address, reasonOf(detail)],
  'There is no such event.'
)

function reasonOf ({ reason, revokedReason, omitted }: AuditEvent['detail']): string | null | undefined {
  return omitted === undefined ? reason ?? revokedReason : `${reason ?? ''} (and ${omitted} more)`.trim()
}

async function exportRows (this: Command): Promise<void> {
  const { output, ...flags } = this.optsWithGlobals<FilterFlags & GlobalOptions & { output?: string }>()
  const rows = await managementApi(findConnection(flags)).download('/audit/export', filterQuery(flags))
  const shown = showProgress(output === undefined ? null : 'rows exported')
  const counted = async function * (chunks: AsyncIterable<Buffer>) {
    for await (const chunk of chunks) {
      shown.add(chunk.filter(byte => byte === 10).length)
      yield chunk
    }
  }
  try {
    if (output === undefined) await writeRows(rows)
    else await pipeline(rows, counted, createWriteStream(output, { mode: 0o600 }))
  } catch (error) {
    throw new CommandError(
      `The export failed (${(error as Error).message}); its output is incomplete. Run it again.`
    )
  }
  shown.end()
}

/** Writes rows to stdout as they arrive, without characters that control a terminal. */
async function writeRows (rows: AsyncIterable<Buffer>): Promise<void> {
  const text = new TextDecoder()
  for await (const chunk of rows) {
    if (!process.stdout.write(jsonLines(text.decode(chunk, { stream: true })))) {
      await new Promise(resolve => process.stdout.once('drain', resolve))
    }
  }
}

async function printHeads (this: Command): Promise<void> {
  const { org, ...flags } = this.optsWithGlobals<GlobalOptions & { org?: string }>()
  const api = managementApi(findConnection(flags))
  for (let cursor: string | undefined; ;) {
    const { value: { data, pagination } } = await api.get<Page<Head>>('/audit/head', {
      organization: org, limit: '200', cursor
    })
    for (const { chain, sequence, hash } of data) {
      process.stdout.write(jsonLines(`${JSON.stringify({ chain, sequence, hash })}\n`))
    }
    if (!pagination.hasMore) return
    cursor = pagination.nextCursor
  }
}

async function verify (this: Command): Promise<void> {
  const flags = this.optsWithGlobals<VerifyFlags>()
  const heads = flags.heads === undefined ? [] : await readHeads(flags.heads)
  const shown = showProgress('rows verified')
  const result = flags.offline
    ? await verifyOffline(heads, shown.add)
    : await verifyOnline(managementApi(findConnection(flags)), heads, shown.add)
  shown.end()
  const { checked, fault, recovered } = result
  if (flags.json) {
    process.stdout.write(jsonLines(`${JSON.stringify({ checked, heads: heads.length, fault, recovered })}\n`))
  } else if (fault === null) {
    process.stdout.write(
      fieldLines([['verified', `${checked} rows`], ['heads', heads.length === 0 ? null : `${heads.length} compared`]])
    )
  }
  if (!flags.json && recovered.length > 0) {
    process.stderr.write(
      `\nBroken earlier, closed off since:\n${
        tableLines(['CHAIN', 'UP TO ROW', 'RECOVERED', 'FAULT'], recovered.map(showBreak))
      }`
    )
  }
  if (fault !== null) {
    throw new CommandError(
      `The audit log was tampered with. ${
        printable(String(fault.message))
      } (${checked} rows were checked.)\nKeep a copy of the database and find the cause; then \`latchkey audit recover\` closes off the chain and records it there.`
    )
  }
}

function showBreak ({ chain, sequence, createdAt, message }: Break): (string | number | null)[] {
  return [chain, sequence - 1, instant(new Date(createdAt).toISOString()), message]
}

type Verdict = Pick<Verified, 'checked' | 'fault' | 'recovered'>

async function verifyOnline (api: Api, heads: readonly Head[], onChecked: (rows: number) => void): Promise<Verdict> {
  let checked = 0
  const recovered: Break[] = []
  for (let cursor: string | undefined; ;) {
    const { value } = await api.get<Verified>('/audit/verify', { cursor })
    checked += value.checked
    recovered.push(...value.recovered)
    onChecked(value.checked)
    if (value.fault !== null) return { checked, fault: value.fault, recovered }
    if (value.nextCursor === undefined) break
    cursor = value.nextCursor
  }
  for (let i = 0; i < heads.length; i += 200) {
    const { value: { fault } } = await api.post<Verified>('/audit/verify', { heads: heads.slice(i, i + 200) })
    if (fault !== null) return { checked, fault, recovered }
  }
  return { checked, fault: null, recovered }
}

async function verifyOffline (heads: readonly Head[], onChecked: (rows: number) => void): Promise<Verdict> {
  return await (await import('../../server/offline-commands.ts')).verifyAudit(heads, onChecked)
}

/** @throws CommandError if `audit head` did not write the file. */
async function readHeads (file: string): Promise<Head[]> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new CommandError(`${file} cannot be read (${error.code}).`)
  })
  return text.split('\n').filter(line => line.trim() !== '').map((line, i) => {
    const head = parse(line)
    if (head === null) {
      throw new CommandError(
        `${file}:${i + 1} is not the head of a chain: give a file from \`latchkey audit head\`.`
      )
    }
    return head
  })
}

function parse (line: string): Head | null {
  try {
    const { chain, sequence, hash } = JSON.parse(line) as Partial<Head>
    return typeof chain === 'string' && Number.isSafeInteger(sequence) && typeof hash === 'string'
      ? { chain, sequence: sequence!, hash }
      : null
  } catch {
    return null
  }
}

/** Repeats the request until nothing is left: a server prunes for some seconds at a time. */
async function prune (api: Api, { before, yes, ...chain }: PruneFlags): Promise<Answer<Pruned>> {
  const organization = chainOf(chain)
  if (!yes) throw new UsageError('Removed rows cannot be restored: export them first, then add --yes.')
  const shown = showProgress('rows removed')
  for (let rows = 0; ;) {
    const { value } = await api.post<Pruned>('/audit/prune', { organization, before }, wholeChainTimeoutMs)
    rows += value.rows
    shown.add(value.rows)
    if (value.more) continue
    if (rows > 0) shown.end()
    const all = { ...value, rows }
    return { body: Buffer.from(JSON.stringify(all)), value: all, warnings: [] }
  }
}

function showPruned ({ organization, rows, through }: Pruned): string {
  return tableLines(['CHAIN', 'ROWS REMOVED', 'UP TO'], [[organization ?? 'deployment', rows, through]])
}

async function recover (this: Command): Promise<void> {
  const flags = this.optsWithGlobals<RecoverFlags>()
  const organization = chainOf(flags)
  if (!flags.yes) {
    throw new UsageError(
      'Investigate the fault first: run `latchkey audit verify`, keep a copy of the database, then add --yes.'
    )
  }
  const { fault, rows, sequence } = flags.offline
    ? await (await import('../../server/offline-commands.ts')).recoverAuditOffline(organization)
    : (await managementApi(findConnection(flags)).post<Recovered>(
        '/audit/recover', { organization }, wholeChainTimeoutMs
      ))
        .value
  if (flags.json) process.stdout.write(`${JSON.stringify({ organization, fault, rows, sequence })}\n`)
  else {
    process.stdout.write(
      fieldLines([['chain', organization ?? 'deployment'], ['found', fault.message], ['closed off', `${rows} rows`], [
        'continues at', `row ${sequence}`
      ]])
    )
  }
}

/** @throws UsageError if neither flag is given. */
function chainOf ({ org, deployment }: Pick<ChainFlags, 'org' | 'deployment'>): string | null {
  if (org === undefined && !deployment) throw new UsageError('Give --org ID, or --deployment.')
  return org ?? null
}
