/** `latchkey access …`: the effective access of credentials, and drift of caches. */
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

export function accessCommands (): Command {
  const access = new Command('access').description('effective access: the scopes that each credential can use now, ' +
    'and why')
  withPageFlags(
    access.command('show').description('show the effective access of the credentials of an organization').argument(
      '<organization>'
    ),
    { org: false }
  )
    .option('--credential <id>', 'only this credential')
    .option('--resource <id>', 'only on this API')
    .option('--address <ip>', 'as used from this address')
    .action(
      calling<Page<CredentialAccess>, AccessFlags>(
        showAccess,
        (api, { credential, resource, address, ...flags }, id) =>
          api.get(`/organizations/${segment(id)}/effective-access`, {
            ...pageQuery(flags), credential, resource, address
          })
      )
    )
  access.command('drift').description('compare the caches of the servers with the database')
    .action(calling<Drift, object>(showDrift, api => api.get('/effective-access/drift')))
  access.command('repair').description('list the drift that would be repaired; with --apply, repair it')
    .option('--apply', 'reload the records that differ')
    .action(
      calling<Drift, { apply?: boolean }>(showDrift, (api, { apply }) =>
        api.post('/effective-access/repair', { dryRun: apply !== true }))
    )
  return access
}

interface Row {
  credential: string, name: string, resource: string | null, scope: string | null, usable: boolean, reasons: Reason[]
}

/** One row per scope; a credential without scopes has one row, too. */
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

/** All reasons of a usable scope; of an unusable one, those that remove it. */
function decisive ({ usable, reasons }: Row): Reason[] {
  return usable ? reasons : reasons.filter(({ effect }) => effect === 'takes_away')
}

/** `policy=pol_…`, `role=viewer`, `expired`. */
function reasonWords ({ effect, by, pattern, id, name }: Reason): string {
  const subject = id ?? name ?? pattern
  return `${effect === 'depends' ? 'depends-on-' : ''}${by}${subject === undefined ? '' : `=${subject}`}`
}

function showDrift ({ dryRun, differences, replicas }: Drift): string {
  const rows = replicas.flatMap(({ replica, differences }) =>
    differences.map(({ kind, id, difference, fields }) => [replica, kind, id, difference, words(fields)])
  )
  const summary = fieldLines([
    ...replicas.map(({ replica, source, held }) =>
      [
        'server', source === 'memory'
          ? `${replica} has ${held} records in memory`
          : `${replica} reads the database for every check`
      ] as const
    ),
    ['differences', differences],
    ['repaired', dryRun === undefined ? null : dryRun ? 'no, this was a dry run: add --apply' : 'yes'],
  ])
  return rows.length === 0
    ? summary
    : `${summary}\n${tableLines(['SERVER', 'KIND', 'ID', 'DIFFERENCE', 'FIELDS'], rows)}`
}
