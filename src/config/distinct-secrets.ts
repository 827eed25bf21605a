/**
 * No secret may be used for two purposes. The admin token is sent in requests, administrators of the database know its
 * password, the collector receives its header, and an identity provider its client secret: none of these may decrypt
 * what LATCHKEY_SECRET encrypts, or be the admin token.
 */
import { readPostgresqlUrl } from './database-url.ts'
import { howToGenerate } from './readers.ts'
import { variables, type Settings } from './variables.ts'

interface NamedSecret { name: string, text: string, isOurs: boolean }

interface OwnSecrets { secrets: readonly string[] | null, adminToken: string | null }

type ForeignSecrets = Pick<Settings, 'databaseUrl' | 'tracesUrl' | 'tracesHeaders' | 'oidcClientSecrets'>

/** A problem for each two secrets with the same text. */
export function secretsInCommon (settings: OwnSecrets & ForeignSecrets): string[] {
  const all = [...ownSecrets(settings), ...foreignSecrets(settings)].filter(({ text }) => text !== '')
  return all.flatMap((one, i) =>
    all.slice(i + 1).filter(other => other.text === one.text && one.isOurs).map(other =>
      `${one.name}: is the same as ${other.name}; a party that knows one would know both: ${howToGenerate}`
    )
  )
}

function ownSecrets ({ secrets, adminToken }: OwnSecrets): NamedSecret[] {
  const list = secrets ?? []
  const { name } = variables.secrets
  return [
    ...list.map((text, i) => ({ name: list.length > 1 ? `${name} (number ${i + 1})` : name, text, isOurs: true })),
    { name: variables.adminToken.name, text: adminToken ?? '', isOurs: true },
  ]
}

/** Secrets that another system chose, and with which this server authenticates there. */
function foreignSecrets (
  { databaseUrl, tracesUrl, tracesHeaders, oidcClientSecrets }: ForeignSecrets
): NamedSecret[] {
  const headers = tracesUrl === null ? [] : Object.entries(tracesHeaders)
  return [
    { name: `the password in ${variables.databaseUrl.name}`, text: passwordOf(databaseUrl), isOurs: false },
    ...headers.map(([name, value]) => ({
      name: `the header ${name} in ${variables.tracesHeaders.name}`,
      text: value.replace(/^(Bearer|Basic) +/i, ''),
      isOurs: false
    })),
    ...[...oidcClientSecrets].map(([id, text]) => ({
      name: variables.oidcClientSecrets.name.replace('<ID>', id), text, isOurs: false
    })),
  ]
}

function passwordOf (databaseUrl: string): string {
  return databaseUrl.startsWith('postgresql:') ? readPostgresqlUrl(databaseUrl).target.password ?? '' : ''
}
