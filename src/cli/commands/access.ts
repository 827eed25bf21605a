import { Command } from 'commander'
import { segment } from '../api.ts'
import { calling, pageQuery, showPage, withPageFlags, type ListFlags, type Page } from '../command.ts'
import { fieldLines, tableLines, words } from '../print.ts'

interface Reason {
  effect: string, by: string, pattern?: string, id?: string, name?: string
}
interface CredentialAccess {
  credential: string,
  kind: string,
  name: string,
  access: { resource: string, lines: { scope: string, usable: boolean, reasons: Reason[] }[] }[]
}

interface Drift {
  dryRun?: boolean
  differences: number
  replicas: {
    replica: string,
    source: string,
    held: number,
    differences: { kind: string, id: string, difference: string, fields: string[] }[]
  }[]
}

interface AccessFlags extends ListFlags { credential?: string, resource?: string, address?: string }

/** `latchkey access …` */
export function accessCommands (): Command {
  const access = new Command('access').description('effective access: what each credential can do now, and why')
  withPageFlags(
    access.command('show').description('show what the credentials of an organization can do').argument(
      '<organization>'
    ),
    { org: false }
  )
    .option('--credential <id>', 'only this one')
    .option('--resource <id>', 'only on this API')
    .option('--address <ip>', 'used from here')
    .action(
      calling<Page<CredentialAccess>, AccessFlags>(
        showAccess,
        (api, { credential, resource, address, ...flags }, id) =>
          api.get(`/organizations/${segment(id)}/effective-access`, {
            ...pageQuery(flags), credential, resource, address
          })
      )
    )
  access.command('drift').description('compare what the server holds in memory with the database')
    .action(calling<Drift, object>(showDrift, api => api.get('/effective-access/drift')))
  access.command('repair').description('tell what would be mended; with --apply, mend it')
    .option('--apply', 'make the server read anew what it holds')
    .action(
      calling<Drift, { apply?: boolean }>(showDrift, (api, { apply }) =>
        api.post('/effective-access/repair', { dryRun: apply !== true }))
    )
  return access
}

interface Row {
  credential: string, name: string, resource: string | null, scope: string | null, usable: boolean, reasons: Reason[]
}

/** One line for each scope; a credential without any has one, too. */
function showAccess (page: Page<CredentialAccess>): string {
  const rows = page.data.flatMap(({ credential, name, access }) => {
    const own: Row[] = access.flatMap(({ resource, lines }) =>
      lines.map(line => ({ credential, name, resource, ...line }))
    )
    return own.length === 0
      ? [{ credential, name, resource: access[0]?.resource ?? null, scope: null, usable: false, reasons: [] }]
      : own
  })
  return showPage<Row>(
    ['CREDENTIAL', 'NAME', 'API', 'SCOPE', 'USABLE', 'BECAUSE'],
    row => [
      row.credential, row.name, row.resource, row.scope, row.usable ? 'yes' : 'no',
      words(decisive(row).map(reasonWords))
    ],
    'The organization has no credential yet. Create one: npx latchkey key create --help'
  )({ ...page, data: rows })
}

/** Of what is usable everything; of what is not, what took it away. */
function decisive ({ usable, reasons }: Row): Reason[] {
  return usable ? reasons : reasons.filter(({ effect }) => effect === 'takes_away')
}

/** `policy=pol_…`, `role=viewer`, `expired`. */
function reasonWords ({ effect, by, pattern, id, name }: Reason): string {
  const what = id ?? name ?? pattern
  return `${effect === 'depends' ? 'depends-on-' : ''}${by}${what === undefined ? '' : `=${what}`}`
}

function showDrift ({ dryRun, differences, replicas }: Drift): string {
  const rows = replicas.flatMap(({ replica, differences }) =>
    differences.map(({ kind, id, difference, fields }) => [replica, kind, id, difference, words(fields)])
  )
  const summary = fieldLines([
    ...replicas.map(({ replica, source, held }) =>
      [
        'server', source === 'memory' ? `${replica} holds ${held} records` : `${replica} asks the database every time`
      ] as const
    ),
    ['differences', differences],
    ['mended', dryRun === undefined ? null : dryRun ? 'no, this was a dry run: add --apply' : 'yes'],
  ])
  return rows.length === 0
    ? summary
    : `${summary}\n${tableLines(['SERVER', 'WHAT', 'ID', 'DIFFERENCE', 'FIELDS'], rows)}`
}
