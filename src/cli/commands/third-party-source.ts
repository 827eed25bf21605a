/** `latchkey source …`: third-party sources, which are shown and never granted anything. */
import { readFileSync } from 'node:fs'
import { Command, InvalidArgumentError, Option } from 'commander'
import { segment } from '../api.ts'
import { calling, pageQuery, requireChange, showPage, withPageFlags, type ListFlags, type Page } from '../command.ts'
import { CommandError } from '../failure.ts'
import { fieldLines, instant, words } from '../print.ts'

interface Source {
  id: string
  organization: string
  name: string
  kind: string
  url: string
  headerNames: string[]
  lastFetch: { askedAt: string, status: number | null, error: string | null } | null
  fetchedAt: string | null
  createdBy: string
  createdAt: string
}

type Headers = Record<string, string>
interface SourceFlags { name?: string, kind?: string, address?: string, headersFile?: Headers, org?: string }

export function sourceCommands (): Command {
  const source = new Command('source').description('third-party sources: registries of others, shown as theirs')
  source.command('add').description('add a third-party source; nothing is asked yet')
    .argument('<address>', 'its https URL, asked as it is')
    .requiredOption('--name <text>', 'a name for people')
    .addOption(new Option('--kind <kind>', 'what it lists').choices(['mcp-registry', 'skills']).makeOptionMandatory())
    .addOption(headersOption())
    .option('--org <id>', 'the organization that it belongs to')
    .action(calling<Source, SourceFlags>(showSource, (api, { org, headersFile, name, kind }, url) =>
      api.post('/third-party-sources', { organization: org, name, kind, url, headers: headersFile })))
  withPageFlags(source.command('list').description('list the third-party sources, newest first'), { org: true })
    .action(calling<Page<Source>, ListFlags>(showSources, (api, flags) =>
      api.get('/third-party-sources', pageQuery(flags))))
  source.command('show').description('show a source, with its last fetch').argument('<id>')
    .action(calling<Source, object>(showSource, (api, _flags, id) => api.get(pathOf(id))))
  source.command('update').description('change a source; another URL forgets what was fetched').argument('<id>')
    .option('--name <text>', 'a name for people')
    // `--url` names the server of the command.
    .option('--address <url>', 'its https URL')
    .addOption(headersOption())
    .action(calling<Source, SourceFlags>(showSource, (api, { name, address, headersFile }, id) =>
      api.patch(
        pathOf(id), requireChange({ name, url: address, headers: headersFile }, '--name, --address and --headers-file')
      )))
  source.command('refresh').description('ask a source, if it has changed').argument('<id>')
    .action(calling<Source, object>(showSource, (api, _flags, id) => api.post(`${pathOf(id)}/refresh`)))
  source.command('content').description('show what a source answered last').argument('<id>')
    .action(calling<object, object>(
      content => `${JSON.stringify(content, null, 2)}\n`, (api, _flags, id) => api.get(`${pathOf(id)}/content`)
    ))
  source.command('remove').description('remove a source, with its headers').argument('<id>')
    .action(calling<null, object>(() => 'Removed.\n', (api, _flags, id) => api.delete(pathOf(id))))
  return source
}

/** Not on the command line: other programs of the machine read that. */
function headersOption (): Option {
  return new Option('--headers-file <file>', 'a JSON file with headers to send, such as {"authorization":"Bearer …"}')
    .argParser(readHeaders)
}

function readHeaders (file: string): Headers {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    throw new CommandError(`${file} cannot be read (${(error as NodeJS.ErrnoException).code}).`)
  }
  try {
    return JSON.parse(text) as Headers
  } catch {
    throw new InvalidArgumentError('The file is not JSON.')
  }
}

function pathOf (id: string): string {
  return `/third-party-sources/${segment(id)}`
}

function showSource (source: Source): string {
  const { lastFetch } = source
  return fieldLines([
    ['id', source.id],
    ['name', source.name],
    ['organization', source.organization],
    ['kind', `${source.kind}, of a third party`],
    ['url', source.url],
    ['sends', words(source.headerNames)],
    ['asked', lastFetch === null ? 'never' : `${instant(lastFetch.askedAt)}: ${lastFetch.error ?? lastFetch.status}`],
    ['kept from', instant(source.fetchedAt)],
    ['created', `${instant(source.createdAt)} by ${source.createdBy}`],
  ])
}

const showSources = showPage<Source>(
  ['ID', 'NAME', 'KIND', 'URL', 'KEPT FROM', 'LAST ERROR'],
  source => [source.id, source.name, source.kind, source.url, instant(source.fetchedAt), source.lastFetch?.error],
  'There is no third-party source yet. Add one: npx latchkey source add URL --name NAME --kind mcp-registry'
)
