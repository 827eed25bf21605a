/**
 * Looks a deployment over without changing anything, whether its server runs or not. Every finding that is not as it
 * should be names what to do.
 */
import { accessSync, constants, existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { clockTolerance } from '../domain/tokens/access-token.ts'
import { inspectConfig, isLoopback, type Config } from '../config/config.ts'
import { ConfigurationError, failures, type FailureCode } from '../base/errors.ts'
import { isAnnounceable, isAnswering, localUrl, readServerFile, type LocalServer } from '../config/server-file.ts'
import { belongsToUs } from '../base/file-ownership.ts'
import { paths } from '../protocol/shared/paths.ts'
import { whyUnreachable, type Unreachable } from '../base/reachability.ts'
import { auditKeys, unseal } from '../secrets/secrets.ts'
import { inspectDatabase, type Inspection } from '../storage/migrations/inspection.ts'
import { newer, remedyForNewer } from '../storage/migrations/newer-database.ts'
import { startProblem } from '../storage/engine/postgresql/start-problems.ts'
import { UnusableDatabase } from '../storage/engine/unusable-database.ts'

export interface Finding {
  /** `configuration`, `data folder`, `database`, … */
  check: string
  /**
   * `warning`: it works, and may not always. `skipped`: another check has to be mended first, or there is nothing to
   * look at.
   */
  status: 'ok' | 'warning' | 'failed' | 'skipped'
  found: string
  /** What to do; null: nothing. */
  remedy: string | null
}

type Environment = Parameters<typeof inspectConfig>[0]

const patience = 5_000

/** Every check in turn. Never throws: what breaks is a finding. */
export async function examine (environment?: Environment, folder?: string): Promise<Finding[]> {
  const config = configuration(environment, folder)
  if (!('port' in config)) return config
  const { inspection, findings: database } = await databaseFindings(config)
  const here = await findServer(config)
  const outside = await askIssuer(config, here)
  return [
    ok('configuration', `complete; serves ${outside.issuer}`),
    ...unknownVariables(config),
    dataFolder(config),
    ...database,
    signingKeys(inspection, config),
    olderSecrets(inspection, config),
    server(here, outside),
    issuer(here, outside),
    oneServer(inspection, here, outside, config),
    databaseClock(inspection),
    standbys(inspection),
    lostChanges(inspection),
    serverClock(outside.asked.response === null ? here.asked : outside.asked),
  ]
}

/** The configuration, or what is wrong with it: then there is nothing else to look at. */
function configuration (environment: Environment | undefined, folder: string | undefined): Config | Finding[] {
  try {
    return inspectConfig(environment, folder)
  } catch (error) {
    const problems = error instanceof ConfigurationError ? error.problems : [String(error)]
    return problems.map(problem =>
      failed('configuration', problem, 'Set the variable it names; the README has the table of all of them.')
    )
  }
}

function unknownVariables ({ unknownVariables }: Config): Finding[] {
  const remedy = 'Correct its name, or take it away: a variable that is ignored changes nothing.'
  return unknownVariables.map(sentence => failed('variables', sentence, remedy))
}

/** Secrets and the database are nobody else's business. */
function dataFolder ({ dataFolder, databaseUrl }: Config): Finding {
  const check = 'data folder'
  if (!existsSync(dataFolder)) {
    return skipped(check, `there is no ${dataFolder}: everything is configured from elsewhere`)
  }
  const files = ['secret', 'admin-token', 'server.json'].map(name => join(dataFolder, name))
  const database = databaseUrl.startsWith('file:') ? [databaseUrl.slice('file:'.length)] : []
  const foreign = [dataFolder, ...files, ...database].filter(path => !belongsToUs(path))
  if (foreign.length > 0) {
    return failed(
      check, `another account owns ${foreign.join(', ')}`,
      `Run the server by the account that owns them, or make them this account's: chown "$(id -u)" ${foreign.join(' ')}`
    )
  }
  const open = [dataFolder, ...files, ...database].filter(path =>
    existsSync(path) && (statSync(path).mode & 0o077) !== 0
  )
  // Only the folder is looked at by others on the way to what is in it; there, closed files are enough.
  const exposed = open.filter(path => path !== dataFolder || (statSync(path).mode & 0o022) !== 0)
  if (exposed.length > 0) {
    return failed(
      check, `others may use ${exposed.join(', ')}`, `Take their permission away: chmod go= ${exposed.join(' ')}`
    )
  }
  const closed = [dataFolder, ...database].filter(path => existsSync(path) && !mayWrite(path))
  if (database.length > 0 && closed.length > 0) {
    return failed(
      check,
      `this account may not write to ${closed.join(', ')}`,
      'Run the server, and this command, by the account that may; or mend the permissions, or a file system that ' +
      'is read-only.'
    )
  }
  return ok(check, `${dataFolder} is this account's alone`)
}

function mayWrite (path: string): boolean {
  try {
    accessSync(path, constants.W_OK)
    return true
  } catch {
    return false
  }
}

async function databaseFindings (
  { databaseUrl }: Config
): Promise<{ inspection: Inspection | null, findings: Finding[] }> {
  try {
    const inspection = await inspectDatabase(databaseUrl)
    if (inspection === null) {
      return {
        inspection,
        findings: [
          failed(
            'database', `there is no ${databaseUrl.slice('file:'.length)}`,
            'Start the server once, or restore a backup to this place.'
          )
        ]
      }
    }
    return { inspection, findings: [databaseVersion(inspection), migrations(inspection)] }
  } catch (error) {
    const { found, remedy } = databaseProblem(error, databaseUrl)
    return { inspection: null, findings: [failed('database', found, remedy)] }
  }
}

/** Why a database could not be looked into. No driver repeats the password. */
function databaseProblem (error: unknown, databaseUrl: string): { found: string, remedy: string } {
  const problem = startProblem(error, databaseUrl)
  if (problem instanceof UnusableDatabase) return { found: problem.reason, remedy: inSentence(problem.remedy) }
  const { code = '', message = '' } = error as { code?: string, message?: string }
  const [said = ''] = (message === '' ? code : message).split('\n')
  if (error instanceof ConfigurationError) {
    return { found: error.problems.join('; '), remedy: 'Do what it says of DATABASE_URL, and look again.' }
  }
  if (databaseUrl.startsWith('file:')) return sqliteProblem(code, said, databaseUrl.slice('file:'.length))
  return postgresqlProblem(code, said, URL.parse(databaseUrl))
}

function sqliteProblem (code: string, said: string, file: string): { found: string, remedy: string } {
  if (code.startsWith('SQLITE_BUSY')) {
    return {
      found: `another program has locked ${file}`,
      remedy: 'Wait until it is done, a backup say; `fuser` with the name of the file tells which it is.',
    }
  }
  if (code === 'SQLITE_NOTADB' || code.startsWith('SQLITE_CORRUPT')) {
    return {
      found: `${file} is damaged, or not a database of SQLite (${said})`,
      remedy: 'Keep it aside and restore a backup, or name another file in DATABASE_URL.',
    }
  }
  return {
    found: `${file} cannot be read: ${said}`,
    remedy: 'Let this account read it, or correct DATABASE_URL; restore a backup if it is damaged.',
  }
}

function postgresqlProblem (code: string, said: string, url: URL | null): { found: string, remedy: string } {
  const { host = '' } = url ?? {}
  if (code === 'ECONNREFUSED') {
    return {
      found: `no PostgreSQL listens at ${host} (${code})`,
      remedy: 'Start it, or correct host and port in DATABASE_URL.',
    }
  }
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') {
    return {
      found: `the host of the database, ${host}, is not known here (${code})`,
      remedy: 'Correct it in DATABASE_URL, or the name service of this machine.',
    }
  }
  return {
    found: `the database at ${host} cannot be reached or read: ${said}`,
    remedy: 'Start it, or correct DATABASE_URL.',
  }
}

function databaseVersion ({ provider, version }: Inspection): Finding {
  const name = provider === 'sqlite' ? 'SQLite' : 'PostgreSQL'
  return ok('database', `${name} ${version} answers`)
}

/** As it stands by itself. */
function inSentence (remedy: string): string {
  return `${remedy.charAt(0).toUpperCase()}${remedy.slice(1)}.`
}

function migrations ({ applied, pending, unknown }: Inspection): Finding {
  if (unknown.length > 0) return failed('migrations', newer(unknown), inSentence(remedyForNewer))
  if (applied === null) {
    return failed('migrations', 'the database is empty', 'Run `latchkey migrate`, or start the server once.')
  }
  if (pending.length > 0) {
    return failed(
      'migrations', `${pending.length} not applied: ${pending.join(', ')}`,
      'Back up, then run `latchkey migrate` or start a server of this version.'
    )
  }
  return ok('migrations', `all ${applied.length} are applied`)
}

function signingKeys (inspection: Inspection | null, { secrets }: Config): Finding {
  const check = 'signing keys'
  if (inspection === null || inspection.applied === null) return skipped(check, 'there is no database to look into')
  const { signingKeys } = inspection
  if (signingKeys.length === 0) {
    return failed(
      check, 'there is none that can sign',
      'Start the server once: on an empty database it makes one. Otherwise restore a backup.'
    )
  }
  const closed = signingKeys.filter(key => unseal(key.sealedPrivateKey, secrets, key.kid) === null)
  if (closed.length > 0) {
    return failed(
      check, `${closed.length} of ${signingKeys.length} were sealed under another secret`,
      'List that secret behind the present one: LATCHKEY_SECRET=present,former'
    )
  }
  return ok(check, `${signingKeys.length} there, and LATCHKEY_SECRET opens them`)
}

/** What keeps the secrets behind the first from being dropped. Heads that no server has closed off yet have no key. */
function olderSecrets (inspection: Inspection | null, { secrets }: Config): Finding {
  const check = 'older secrets'
  if (inspection === null || inspection.applied === null) return skipped(check, 'there is no database to look into')
  const [newest, ...older] = secrets as [string, ...string[]]
  const keys = inspection.signingKeys.filter(key =>
    unseal(key.sealedPrivateKey, [newest], key.kid) === null && unseal(key.sealedPrivateKey, older, key.kid) !== null
  )
  const heads = inspection.auditKeys.filter(key =>
    auditKeys(older).some(({ id }) => id === key) && key !== auditKeys([newest])[0]!.id
  )
  const unknown = inspection.auditKeys.some(key => key !== '' && !auditKeys(secrets).some(({ id }) => id === key))
  if (unknown) {
    return failed(
      check, 'audit chains are sealed under another secret',
      'List that secret behind the present one, LATCHKEY_SECRET=present,former, and start a server with it.'
    )
  }
  if (keys.length > 0 || heads.length > 0) {
    const found = [keys.length > 0 ? `${keys.length} signing keys` : '', heads.length > 0 ? 'audit chains' : ''].filter(
      text => text !== ''
    ).join(' and ')
    return failed(
      check, `${found} are still sealed under an older secret of LATCHKEY_SECRET`,
      'Restart a server with this LATCHKEY_SECRET: it seals them under the first one. Until then the older one has ' +
        'to stay.'
    )
  }
  return ok(
    check,
    older.length === 0
      ? 'none is needed'
      : 'nothing is sealed under them any more: once every server knows the first, they can go'
  )
}

/** What a URL answered; null: nothing did, and why. */
interface Asked { response: Heard | null, why: Unreachable | null }
interface Heard {
  status: number
  location: string | null
  date: string | null
  body: Record<string, unknown> | null
  took: number
}

async function ask (url: string): Promise<Asked> {
  const began = Date.now()
  try {
    const signal = AbortSignal.timeout(patience)
    const response = await fetch(url + paths.serverMetadata, { redirect: 'manual', signal })
    const body = await response.json().catch(() => null) as unknown
    const { status, headers } = response
    const heard = { status, location: headers.get('location'), date: headers.get('date'), took: Date.now() - began }
    return { response: { ...heard, body: Object(body) === body ? body as Heard['body'] : null }, why: null }
  } catch (error) {
    return { response: null, why: whyUnreachable(url, error) }
  }
}

/** The server on this machine: where it said that it listens, else where it would. */
interface Here {
  url: string
  announced: boolean
  /** Something answers there, and it is not the server that wrote `server.json`. */
  isOther: boolean
  asked: Asked
}

async function findServer ({ dataFolder, host, port }: Config): Promise<Here> {
  const announced = announcedServer(dataFolder)
  const url = announced?.url ?? localUrl(host, port)
  const isOther = announced !== null && announced.key !== '' && !await isAnswering(announced).catch(() => true)
  return { url, announced: announced !== null, isOther, asked: await ask(url) }
}

/** As commands find it (cli/connection.ts). A file that says nothing is as good as none: the server writes another. */
function announcedServer (dataFolder: string): LocalServer | null {
  try {
    const server = readServerFile(dataFolder)
    return server !== null && isAnnounceable(server) ? server : null
  } catch {
    return null
  }
}

/** What clients reach. `issuer` is the server's own where this command was told none: it may listen on another PORT. */
interface Outside { issuer: string, asked: Asked }

async function askIssuer ({ issuer, port }: Config, here: Here): Promise<Outside> {
  const own = here.asked.response?.body?.issuer
  const isDefault = issuer === `http://localhost:${port}`
  const asked = isDefault && typeof own === 'string' && isLocalOrigin(own) ? own : issuer
  return { issuer: asked, asked: await ask(asked) }
}

function isLocalOrigin (text: string): boolean {
  const url = URL.parse(text)
  return url !== null && url.origin === text && url.protocol === 'http:' && isLoopback(url.hostname)
}

/** Whether a server of Latchkey answered, the right one or another, and whatever it said. */
function isLatchkey (asked: Asked): boolean {
  const { issuer, token_endpoint: token } = asked.response?.body ?? {}
  return (typeof issuer === 'string' && token === issuer + paths.token) || refusalOf(asked.response) !== null
}

/** What a server of Latchkey may say instead of its metadata; null: it did not say so, or something else answered. */
function refusalOf (response: Heard | null): FailureCode | null {
  const codes = ['tls_required', 'overloaded', 'shutting_down', 'storage_unavailable'] as const
  return codes.find(code => response?.body?.error_description === failures[code].message) ?? null
}

/** What a proxy says when it does not reach what is behind it. */
function isGatewayError (asked: Asked): boolean {
  return !isLatchkey(asked) && [502, 503, 504].includes(asked.response?.status ?? 0)
}

function isRight ({ issuer, asked: { response } }: Outside): boolean {
  return response?.status === 200 && response.body?.issuer === issuer
}

function server ({ url, announced, isOther, asked }: Here, outside: Outside): Finding {
  const check = 'server'
  if (isOther && isLatchkey(asked)) {
    return failed(
      check,
      `the server of this data folder has ended, and another one answers at ${url}`,
      'Look at the LATCHKEY_DATA of both: start the one of this folder again, on another PORT if both are to run.'
    )
  }
  if (isLatchkey(asked)) return ok(check, `answers at ${url}${announced ? ', as its server.json says' : ''}`)
  if (isRight(outside)) return skipped(check, 'none of this data folder runs here; the issuer answers all the same')
  if (asked.response === null) {
    return failed(check, `no server answers at ${url}: ${asked.why!.found}`, 'Start it with `latchkey serve`.')
  }
  return failed(
    check,
    `what answers at ${url} is not Latchkey (${asked.response.status})`,
    'Give Latchkey another PORT, and a LATCHKEY_ISSUER to match, and start it with `latchkey serve`.'
  )
}

function issuer (here: Here, outside: Outside): Finding {
  const check = 'issuer'
  const { issuer, asked } = outside
  const { response } = asked
  if (isRight(outside)) return ok(check, `${issuer} answers with its own metadata`)
  const waits = response === null ? asked.why!.remedy === null : isGatewayError(asked) || isAt(here, issuer)
  if (waits && !isLatchkey(here.asked)) return skipped(check, 'the server has to run first')
  if (response === null) return unreachableIssuer(here, issuer, asked.why!)
  if (isGatewayError(asked)) {
    return failed(
      check,
      `a proxy answers ${response.status} at ${issuer}: it does not reach the server, which answers at ${here.url}`,
      `Have the proxy pass requests on to ${here.url}, or to where that is for it, and look at its log.`
    )
  }
  return strangeIssuer(issuer, response)
}

/** Whether an origin is that of a server of this machine. */
function isAt ({ url }: Here, origin: string): boolean {
  const [one, other] = [new URL(origin), new URL(url)]
  return isLoopback(one.hostname) && isLoopback(other.hostname) && one.port === other.port
}

/** The server runs; what keeps callers from it, if they are kept, is in front of it. */
function unreachableIssuer ({ url }: Here, issuer: string, { found, remedy }: Unreachable): Finding {
  const elsewhere = `Ask for ${issuer}${paths.serverMetadata} from where callers are: if it answers there, all is ` +
    'well. If not, look at the name, the proxy and the firewall in front of the server; LATCHKEY_ISSUER is the ' +
    'origin that clients use.'
  return failed('issuer', `${found}; the server itself answers at ${url}`, remedy ?? elsewhere)
}

function strangeIssuer (issuer: string, response: Heard): Finding {
  const check = 'issuer'
  const { status, location, body } = response
  const refusal = refusalOf(response)
  if (refusal === 'tls_required' && issuer.startsWith('http:')) {
    return failed(
      check,
      `the server at ${issuer} was told an https issuer, and this command was not`,
      'Give this command the variables that the server has, LATCHKEY_ISSUER for one.'
    )
  }
  if (refusal === 'tls_required') {
    return failed(
      check,
      `the server takes what comes by ${issuer} for plain HTTP`,
      'Name the proxy\'s address in LATCHKEY_TRUST_PROXY, and have the proxy set X-Forwarded-Proto: https.'
    )
  }
  if (refusal !== null) {
    return failed(
      check,
      `the server at ${issuer} answers ${status}: ${failures[refusal].message}`,
      'Look at its log; docs/operations.md says what each answer means.'
    )
  }
  if (status === 200 && typeof body?.issuer === 'string') {
    return failed(
      check,
      `${issuer} answers as another issuer, ${body.issuer}`,
      'Set LATCHKEY_ISSUER to the origin that clients use, letter by letter, in the server as here.'
    )
  }
  if (location !== null) {
    return failed(
      check,
      `${issuer} answers ${status} for its metadata, a redirection to ${location}`,
      'Set LATCHKEY_ISSUER to the origin that answers by itself, and have the proxy pass every path on as it is.'
    )
  }
  return failed(
    check,
    `${issuer} answers ${status} for its metadata`,
    'Something else answers there: have the proxy pass every path on as it is, or set LATCHKEY_ISSUER to the ' +
    'origin that clients use.'
  )
}

/** A process that has the file may be at work: which it is comes before anything that ends it. */
function oneServer (inspection: Inspection | null, here: Here, outside: Outside, { databaseUrl }: Config): Finding {
  const check = 'one server'
  if (inspection === null) return skipped(check, 'there is no database to look at')
  if (inspection.inUse === null) return skipped(check, 'PostgreSQL serves several')
  if (!inspection.inUse) return ok(check, 'no server has the SQLite file')
  if (isLatchkey(here.asked) || isLatchkey(outside.asked)) return ok(check, 'the SQLite file is in use by a server')
  return failed(
    check,
    `a process has the SQLite file, but no server answers at ${here.url}`,
    `Look which it is, and at its log: fuser ${databaseUrl.slice('file:'.length)}. It may be a server that starts ` +
    'or shuts down, one without this data folder, or `latchkey migrate`. No other server starts on the file meanwhile.'
  )
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
  if (replication === null) {
    return skipped(check, provider === 'sqlite' ? 'SQLite has none' : 'the database does not tell')
  }
  const { standbys, synchronous } = replication
  if (standbys === 0) return ok(check, 'none follows the database')
  if (synchronous) return ok(check, `${standbys}, and answers wait for one`)
  const found = `${standbys}, and no answer waits for any: a failover can undo a revocation`
  return {
    check, status: 'warning', found, remedy: 'Name them in synchronous_standby_names of the primary: docs/replicas.md.'
  }
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
  return Number.isNaN(date)
    ? skipped(check, 'no server answered with a date')
    : skew(check, date, 1_000 + (response?.took ?? 0))
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
