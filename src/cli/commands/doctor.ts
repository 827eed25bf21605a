/**
 * `latchkey doctor`: checks the installation; `latchkey doctor mcp URL`: any MCP server as a client meets it. Exit code
 * 1 if a check failed; a warning is not a failure.
 */
import { Command, InvalidArgumentError } from 'commander'
import type { Finding } from '../../server/doctor/finding.ts'
import { scopeOption } from '../command.ts'
import type { GlobalOptions } from '../connection.ts'
import { jsonLines, printable, tableLines } from '../print.ts'

export function doctorCommand (): Command {
  return new Command('doctor').description(
    'check the configuration, the database, the keys and the issuer, and name remedies'
  )
    .action(async function (this: Command) {
      tell(this, await (await import('../../server/doctor/doctor.ts')).examine())
    })
    .addCommand(mcpCommand())
}

interface McpFlags { signIn?: boolean, clientId?: string, scope?: string[], patience: number }

function mcpCommand (): Command {
  return new Command('mcp').description('walk from the URL of an MCP server to a token, as its clients do')
    .argument('<url>', 'the URL that clients connect to', readUrl)
    .option('--sign-in', 'print a URL, wait until a person has signed in there, and use the token')
    .option('--client-id <id>', 'a client that the authorization server knows, or the URL of its metadata document')
    .addOption(scopeOption('ask for this scope; repeatable; default: those that the server names'))
    .option('--patience <seconds>', 'how long to wait for the person', readSeconds, 300)
    .action(async function (this: Command, url: string, { signIn, clientId, scope, patience }: McpFlags) {
      const { walk } = await import('../../server/doctor/mcp/walk.ts')
      tell(this, await walk(url, {
        clientId: clientId ?? null,
        scopes: scope ?? null,
        patience,
        // Not on stdout, which may be read as JSON.
        open: signIn === true ? page => { process.stderr.write(`Sign in at ${printable(page)}\n`) } : null
      }))
    })
}

function readUrl (text: string): string {
  const url = URL.parse(text)
  if (url !== null && ['http:', 'https:'].includes(url.protocol)) return url.href
  throw new InvalidArgumentError('Give a URL, such as https://mcp.example.com/mcp.')
}

function readSeconds (text: string): number {
  const seconds = Number(text)
  if (Number.isInteger(seconds) && seconds >= 1 && seconds <= 3600) return seconds
  throw new InvalidArgumentError('Give whole seconds, from 1 to 3600.')
}

function tell (command: Command, findings: readonly Finding[]): void {
  const healthy = findings.every(finding => finding.status !== 'failed')
  process.stdout.write(
    command.optsWithGlobals<GlobalOptions>().json
      ? `${jsonLines(JSON.stringify({ healthy, findings }))}\n`
      : findingsText(findings)
  )
  if (!healthy) process.exitCode = 1
}

function findingsText (findings: readonly Finding[]): string {
  const remedies = findings.filter(finding => finding.remedy !== null)
  return [
    tableLines(['CHECK', 'STATUS', 'FOUND'], findings.map(({ check, status, found }) => [check, status, found])),
    // Escaped: a remedy may quote another program's answer.
    ...remedies.map(({ check, remedy }) => `\n${check}: ${printable(remedy!)}`),
    remedies.length === 0 ? '' : '\n',
  ].join('')
}
