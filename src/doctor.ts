/**
 * Looks a deployment over without changing anything, whether its server runs or not. Every finding that is not as it should
 * be names what to do.
 */
import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { clockTolerance } from './domain/token.ts'
import { inspectConfig, type Config } from './config.ts'
import { ConfigurationError } from './errors.ts'
import { belongsToUs } from './ownership.ts'
import { auditKeys, unseal } from './secrets.ts'
import { inspectDatabase, type Inspection } from './storage/inspection.ts'

export interface Finding {
  /** `configuration`, `data folder`, `database`, … */
  check: string
  /** Skipped: another check has to be mended first, or there is nothing to look at. */
  status: 'ok' | 'failed' | 'skipped'
  found: string
  /** What to do; null: nothing. */
  remedy: string | null
}

type Environment = Parameters<typeof inspectConfig>[0]

/** The oldest PostgreSQL that is still maintained and was tested. */
const oldestPostgresql = 14

const patience = 5_000

/** Every check in turn. Never throws: what breaks is a finding. */
export async function examine (environment?: Environment, folder?: string): Promise<Finding[]> {
  const config = configuration(environment, folder)
  if (!('port' in config)) return config
  const { inspection, findings: database } = await databaseFindings(config)
  const answer = await ask(`${config.issuer}/.well-known/oauth-authorization-server`)
  return [
    ok('configuration', `complete; serves ${config.issuer}`),
    dataFolder(config),
    ...database,
    signingKeys(inspection, config),
    olderSecrets(inspection, config),
    metadata(answer, config),
    oneServer(inspection, answer),
    databaseClock(inspection),
    standbys(inspection),
    lostChanges(inspection),
    serverClock(answer),
  ]
}

/** The configuration, or what is wrong with it: then there is nothing else to look at. */
function configuration (environment: Environment | undefined, folder: string | undefined): Config | Finding[] {
  try {
    return inspectConfig(environment, folder)
  } catch (error) {
    const problems = error instanceof ConfigurationError ? error.problems : [String(error)]
    return problems.map(problem => failed('configuration', problem, 'Set the variable it names; the README has the table of all of them.'))
  }
}

/** Secrets and the database are nobody else's business. */
function dataFolder ({ dataFolder, databaseUrl }: Config): Finding {
  const check = 'data folder'
  if (!existsSync(dataFolder)) return skipped(check, `there is no ${dataFolder}: everything is configured from elsewhere`)
  const files = ['secret', 'admin-token', 'server.json'].map(name => join(dataFolder, name))
  const database = databaseUrl.startsWith('file:') ? [databaseUrl.slice('file:'.length)] : []
  const foreign = [dataFolder, ...files, ...database].filter(path => !belongsToUs(path))
  if (foreign.length > 0) return failed(check, `another account owns ${foreign.join(', ')}`, `Run the server by the account that owns them, or make them this account's: chown "$(id -u)" ${foreign.join(' ')}`)
  const open = [dataFolder, ...files, ...database].filter(path => existsSync(path) && (statSync(path).mode & 0o077) !== 0)
  // Only the folder is looked at by others on the way to what is in it; there, closed files are enough.
  const exposed = open.filter(path => path !== dataFolder || (statSync(path).mode & 0o022) !== 0)
  if (exposed.length > 0) return failed(check, `others may use ${exposed.join(', ')}`, `Take their permission away: chmod go= ${exposed.join(' ')}`)
  return ok(check, `${dataFolder} is this account's alone`)
}

async function databaseFindings ({ databaseUrl }: Config): Promise<{ inspection: Inspection | null, findings: Finding[] }> {
  try {
    const inspection = await inspectDatabase(databaseUrl)
    if (inspection === null) return { inspection, findings: [failed('database', `there is no ${databaseUrl.slice('file:'.length)}`, 'Start the server once, or restore a backup to this place.')] }
    return { inspection, findings: [databaseVersion(inspection), migrations(inspection)] }
  } catch (error) {
    const [said = ''] = (error instanceof Error && error.message !== '' ? error.message : String((error as { code?: unknown }).code)).split('\n')
    return { inspection: null, findings: [failed('database', `cannot be reached or read: ${said}`, 'Start it, or correct DATABASE_URL; for a damaged SQLite file restore a backup.')] }
  }
}

function databaseVersion ({ provider, version }: Inspection): Finding {
  const name = provider === 'sqlite' ? 'SQLite' : 'PostgreSQL'
  if (provider === 'postgresql' && parseInt(version) < oldestPostgresql) {
    return failed('database', `${name} ${version}`, `Upgrade to PostgreSQL ${oldestPostgresql} or newer.`)
  }
  return ok('database', `${name} ${version} answers`)
}

function migrations ({ applied, pending }: Inspection): Finding {
  if (applied === null) return failed('migrations', 'the database is empty', 'Run `latchkey migrate`, or start the server once.')
  if (pending.length > 0) return failed('migrations', `${pending.length} not applied: ${pending.join(', ')}`, 'Back up, then run `latchkey migrate` or start a server of this version.')
  return ok('migrations', `all ${applied.length} are applied`)
}

function signingKeys (inspection: Inspection | null, { secrets }: Config): Finding {
  const check = 'signing keys'
  if (inspection === null || inspection.applied === null) return skipped(check, 'there is no database to look into')
  const { signingKeys } = inspection
  if (signingKeys.length === 0) return failed(check, 'there is none that can sign', 'Start the server once: on an empty database it makes one. Otherwise restore a backup.')
  const closed = signingKeys.filter(key => unseal(key.sealedPrivateKey, secrets, key.kid) === null)
  if (closed.length > 0) {
    return failed(check, `${closed.length} of ${signingKeys.length} were sealed under another secret`, 'List that secret behind the present one: LATCHKEY_SECRET=present,former')
  }
  return ok(check, `${signingKeys.length} there, and LATCHKEY_SECRET opens them`)
}

/** What keeps the secrets behind the first from being dropped. Heads that no server has closed off yet have no key. */
function olderSecrets (inspection: Inspection | null, { secrets }: Config): Finding {
  const check = 'older secrets'
  if (inspection === null || inspection.applied === null) return skipped(check, 'there is no database to look into')
  const [newest, ...older] = secrets as [string, ...string[]]
  const keys = inspection.signingKeys.filter(key => unseal(key.sealedPrivateKey, [newest], key.kid) === null && unseal(key.sealedPrivateKey, older, key.kid) !== null)
  const heads = inspection.auditKeys.filter(key => auditKeys(older).some(({ id }) => id === key) && key !== auditKeys([newest])[0]!.id)
  const unknown = inspection.auditKeys.some(key => key !== '' && !auditKeys(secrets).some(({ id }) => id === key))
  if (unknown) return failed(check, 'audit chains are sealed under another secret', 'List that secret behind the present one, LATCHKEY_SECRET=present,former, and start a server with it.')
  if (keys.length > 0 || heads.length > 0) {
    const found = [keys.length > 0 ? `${keys.length} signing keys` : '', heads.length > 0 ? 'audit chains' : ''].filter(text => text !== '').join(' and ')
    return failed(check, `${found} are still sealed under an older secret of LATCHKEY_SECRET`, 'Restart a server with this LATCHKEY_SECRET: it seals them under the first one. Until then the older one has to stay.')
  }
  return ok(check, older.length === 0 ? 'none is needed' : 'nothing is sealed under them any more: once every server knows the first, they can go')
}

/** What a URL answered; null: nothing did, and why. */
interface Asked { response: { status: number, date: string | null, body: Record<string, unknown> | null, took: number } | null, reason: string }

async function ask (url: string): Promise<Asked> {
  const began = Date.now()
  try {
    const response = await fetch(url, { redirect: 'manual', signal: AbortSignal.timeout(patience) })
    const body = await response.json().catch(() => null) as Record<string, unknown> | null
    return { response: { status: response.status, date: response.headers.get('date'), body, took: Date.now() - began }, reason: '' }
  } catch (error) {
    const { code } = ((error as Error).cause ?? {}) as { code?: string }
    return { response: null, reason: code ?? (error as Error).name }
  }
}

function metadata ({ response, reason }: Asked, { issuer }: Config): Finding {
  const check = 'issuer'
  if (response === null) return failed(check, `${issuer} cannot be reached from here (${reason})`, 'Start the server with `latchkey serve`; if it runs, look at the proxy, the name and the firewall in front of it.')
  if (response.status !== 200) return failed(check, `${issuer} answers ${response.status} for its metadata`, 'Something else answers there: have the proxy pass every path on as it is, and let it say X-Forwarded-Proto: https.')
  if (response.body?.issuer !== issuer) return failed(check, `what answers at ${issuer} is another issuer`, 'Set LATCHKEY_ISSUER to the origin that clients use, letter by letter, in the server as here.')
  return ok(check, `${issuer} answers with its own metadata`)
}

function oneServer (inspection: Inspection | null, { response }: Asked): Finding {
  const check = 'one server'
  if (inspection === null) return skipped(check, 'there is no database to look at')
  if (inspection.inUse === null) return skipped(check, 'PostgreSQL serves several')
  if (!inspection.inUse) return ok(check, 'no server has the SQLite file')
  if (response === null) return failed(check, 'a process has the SQLite file, but no server answers at the issuer', 'Stop that process before another server is started on this file, or give the servers PostgreSQL.')
  return ok(check, 'the SQLite file is in use by a server')
}

function databaseClock (inspection: Inspection | null): Finding {
  const check = 'clock of the database'
  if (inspection === null) return skipped(check, 'there is no database to ask')
  if (inspection.provider === 'sqlite') return ok(check, 'is this machine\'s')
  return skew(check, inspection.now.getTime(), 0)
}

/** What is answered before a standby has it is lost when that becomes the primary. */
function standbys (inspection: Inspection | null): Finding {
  const check = 'standbys'
  if (inspection === null) return skipped(check, 'there is no database to ask')
  const { provider, replication } = inspection
  if (replication === null) return skipped(check, provider === 'sqlite' ? 'SQLite has none' : 'the database does not tell')
  const { standbys, synchronous } = replication
  if (standbys === 0) return ok(check, 'none follows the database')
  if (synchronous) return ok(check, `${standbys}, and answers wait for one`)
  const found = `${standbys}, and no answer waits for any: a failover can undo a revocation`
  return failed(check, found, 'Name them in synchronous_standby_names of the primary: docs/replicas.md.')
}

function lostChanges (inspection: Inspection | null): Finding {
  const check = 'lost changes'
  if (inspection === null) return skipped(check, 'there is no database to look into')
  const { undecided } = inspection
  if (undecided === 0) return ok(check, 'none is undecided')
  const found = `${undecided} are refused because a failover has lost changes`
  return failed(check, found, 'See them with `latchkey replicas lost`, and decide.')
}

/** A Date header has whole seconds, and was written while the answer was on its way. */
function serverClock ({ response }: Asked): Finding {
  const check = 'clock of the server'
  const date = Date.parse(response?.date ?? '')
  return Number.isNaN(date) ? skipped(check, 'no server answered with a date') : skew(check, date, 1_000 + (response?.took ?? 0))
}

function skew (check: string, theirs: number, uncertainty: number): Finding {
  const milliseconds = Math.max(0, Math.abs(Date.now() - theirs) - uncertainty)
  const found = `${(milliseconds / 1000).toFixed(1)} s from this machine's`
  if (milliseconds <= clockTolerance * 1000) return ok(check, found)
  return failed(check, found, 'Have both keep time by NTP: tokens count seconds.')
}

function ok (check: string, found: string): Finding {
  return { check, status: 'ok', found, remedy: null }
}

function failed (check: string, found: string, remedy: string): Finding {
  return { check, status: 'failed', found, remedy }
}

function skipped (check: string, found: string): Finding {
  return { check, status: 'skipped', found, remedy: null }
}
