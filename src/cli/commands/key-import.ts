/** `latchkey key import-file`: imports keys from a file with one body of `POST /api/v1/api-keys/import` a line. */
import { open } from 'node:fs/promises'
import { Command } from 'commander'
import { managementApi, type Api } from '../api.ts'
import { findConnection, type GlobalOptions } from '../connection.ts'
import { CommandError, RefusedError } from '../failure.ts'
import { showProgress } from '../progress.ts'

/** `latchkey key import-file FILE` */
export function importFileCommand (): Command {
  return new Command('import-file')
    .description('import many keys from a file with one JSON object a line; safe to run again after it stopped')
    .argument(
      '<file>',
      'lines such as {"digest":"…","hint":"…4f2a","name":"legacy","resource":"https://api.acme.test",' +
        '"environment":"live","scopes":["invoices:read"]}'
    )
    .option('--org <id>', 'the organization of keys whose line names none')
    .action(importFile)
}

async function importFile (this: Command, file: string): Promise<void> {
  const { org, ...flags } = this.optsWithGlobals<GlobalOptions & { org?: string }>()
  const api = managementApi(findConnection(flags))
  const handle = await open(file).catch((error: NodeJS.ErrnoException) => {
    throw new CommandError(`${file} cannot be read (${error.code}).`)
  })
  const shown = showProgress('keys imported')
  const counts = { imported: 0, present: 0 }
  let line = 0
  for await (const text of handle.readLines()) {
    line++
    if (text.trim() === '') continue
    counts[await importLine(api, org, text, `${file}:${line}`)]++
    shown.add(1)
  }
  shown.end()
  if (flags.json) process.stdout.write(`${JSON.stringify(counts)}\n`)
  else process.stdout.write(`${counts.imported} keys imported; ${counts.present} were already present.\n`)
}

/**
 * A key that the organization already has is not an error, so that a file can be imported again. @throws CommandError
 * naming the line.
 */
async function importLine (
  api: Api, organization: string | undefined, text: string, place: string
): Promise<'imported' | 'present'> {
  let key: { organization?: unknown } = {}
  try {
    key = { ...(organization === undefined ? {} : { organization }), ...parse(text) }
    await api.post('/api-keys/import', key)
    return 'imported'
  } catch (error) {
    if (error instanceof RefusedError && isPresent(error, key.organization)) return 'present'
    throw new CommandError(
      `${place}: ${(error as Error).message} The lines before it were imported; correct the line and run it again.`
    )
  }
}

/** @throws SyntaxError if it is not a JSON object. */
function parse (text: string): object {
  const value = JSON.parse(text) as unknown
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value
  throw new SyntaxError('It is not a JSON object.')
}

/**
 * Whether that organization already has the key; without a name it is the credential's own, the only one it can see.
 */
function isPresent ({ body }: RefusedError, organization: unknown): boolean {
  const refusal = JSON.parse(body.toString()) as { code?: unknown, details?: { organization?: unknown } } | null
  const owner = refusal?.code === 'CONFLICT' ? refusal.details?.organization : undefined
  return owner !== undefined && (organization === undefined || owner === organization)
}
