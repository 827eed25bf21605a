/**
 * A connection to PostgreSQL with Latchkey's settings from its first statement on, whatever the database, the role or a
 * pooler has set. Every connection is made here: those of the pool, the listener, the migrations and the doctor.
 */
import { readFileSync } from 'node:fs'
import pg from 'pg'
import { postgresqlTarget } from '../../../config/database-url.ts'
import type { PostgresqlTarget, Tls } from '../../../config/postgresql/target.ts'
import { UnusableDatabase } from '../unusable-database.ts'
import { standby } from './unusable-server.ts'

/** Milliseconds; 0: no limit. */
export interface Waits {
  connect: number
  /** Until the server cancels a statement. */
  statement: number
  /** Until this side stops waiting for an answer. */
  answer: number
  /** For which a transaction may be idle. */
  idle: number
}

/** The driver's options for a connection, and the settings of its session. */
export interface ClientConfig extends pg.ClientConfig {
  /** In this order, before the first statement. */
  settings: readonly (readonly [name: string, value: string])[]
}

/** Facts about the server, read on a connection. */
export interface ServerFacts {
  /** The process that serves the connection, also behind a pooler, which reports another number to the client. */
  pid: number
  /** Such as 150004. */
  version: number
  encoding: string
  /** Whether transactions are read-only by a default of the database or the role. */
  readOnly: boolean
}

/** The configuration of connections to `url`. `suffix`: their purpose, appended to the application name. */
export function clientConfig (url: string, suffix: string, waits: Waits): ClientConfig & { target: PostgresqlTarget } {
  const { connect, statement, answer, idle } = waits
  const target = postgresqlTarget(url)
  const { host, port, user, password, database, tls, directTls, applicationName, startOptions } = target
  // The driver reads the PG* variables for what is undefined here.
  const named = Object.entries({ host, port, user, password, database })
  const given = Object.fromEntries(named.filter(([, value]) => value !== undefined))
  return {
    ...given,
    ...(tls === undefined ? {} : { ssl: tls === null ? false : tlsOptions(tls) }),
    ...(directTls ? { sslnegotiation: 'direct' } : {}),
    ...(startOptions === '' ? {} : { options: startOptions }),
    application_name: `${applicationName}${suffix}`,
    keepAlive: true,
    connectionTimeoutMillis: connect,
    // The limits are no startup parameters: poolers refuse those that they do not know.
    ...(answer === 0 ? {} : { query_timeout: answer }),
    settings: [...target.settings, ...settingsFor(target.schema, statement, idle)],
    target,
  } as ClientConfig & { target: PostgresqlTarget }
}

/**
 * The settings that all statements rely on. Not among them: `default_transaction_read_only`, by which operators, and
 * hosts whose disk is full, prevent writes on purpose.
 */
function settingsFor (schema: string, statement: number, idle: number): [string, string][] {
  return [
    ['search_path', `"${schema}"`],
    // Both drivers parse ISO dates only, and times without a zone as UTC.
    ['DateStyle', 'ISO, MDY'],
    ['IntervalStyle', 'postgres'],
    ['TimeZone', 'UTC'],
    ['client_encoding', 'UTF8'],
    ['standard_conforming_strings', 'on'],
    ['bytea_output', 'hex'],
    // A stricter default would make single statements fail with conflicts, which are not retried. Transactions that
    // need more set their isolation level.
    ['default_transaction_isolation', 'read committed'],
    ['default_transaction_deferrable', 'off'],
    ['statement_timeout', String(statement)],
    ['lock_timeout', '0'],
    ['idle_in_transaction_session_timeout', String(idle)],
    ['idle_session_timeout', '0'],
  ]
}

/**
 * Reads the files for each connection: certificates are replaced while a server runs. An unreadable one keeps its last
 * content.
 */
function tlsOptions ({ verify, ca, certificate, key }: Tls): object {
  const lastRead = new Map<string, string>()
  const readAgain = (path: string): string => {
    try {
      lastRead.set(path, readFileSync(path, 'utf8'))
    } catch (error) {
      if (!lastRead.has(path)) throw error
    }
    return lastRead.get(path)!
  }
  const chain = verify === 'chain' ? { checkServerIdentity: () => undefined } : {}
  const options = verify === 'none' ? { rejectUnauthorized: false } : chain
  for (const [name, path] of Object.entries({ ca, cert: certificate, key })) {
    if (path === null) continue
    readAgain(path)
    Object.defineProperty(options, name, { enumerable: true, configurable: true, get: () => readAgain(path) })
  }
  return options
}

/** A client that sets up its session while connecting. */
export class PostgresqlClient extends pg.Client {
  readonly #settings: ClientConfig['settings']
  #facts: ServerFacts | null = null

  constructor (config: ClientConfig) {
    super(config)
    this.#settings = config.settings
  }

  /** Once connected. */
  get facts (): ServerFacts {
    return this.#facts!
  }

  /**
   * Resolves once the session is set up.
   * @throws the driver's errors; for a standby, the error that a write there would cause.
   */
  override connect (): Promise<this>
  override connect (callback: (error: Error) => void): void
  override connect (callback?: (error: Error) => void): Promise<this> | void {
    const prepared = super.connect().then(() => this.#prepare()).then(() => this)
    if (callback === undefined) return prepared
    prepared.then(() => { callback(null as unknown as Error) }, callback)
  }

  async #prepare (): Promise<void> {
    // A broken connection rejects the pending statement; its error event, unhandled, would end the process.
    const ignore = () => {}
    this.on('error', ignore)
    try {
      const { rows: [row] } = await this.query<Record<keyof ServerFacts | 'standby', never>>(this.#statement())
      // A standby may lag: a check that read from it could miss a revocation.
      if (row!.standby) throw Object.assign(new Error(standby), { code: '25006', severity: 'FATAL' })
      this.#facts = { pid: row!.pid, version: row!.version, encoding: row!.encoding, readOnly: row!.readOnly }
    } catch (error) {
      (this as unknown as { connection: { stream: { destroy (): void } } }).connection.stream.destroy()
      if (!isOfSettings(error)) throw error
      const reason = `its options cannot be applied (${error.message})`
      throw new UnusableDatabase(reason, 'correct the parameter options, or remove it')
    } finally {
      this.off('error', ignore)
    }
  }

  /** One statement, so one round trip. PostgreSQL knows a transaction_timeout from 17 on. */
  #statement (): string {
    const set = (name: string, value: string) =>
      `set_config(${pg.escapeLiteral(name)}, ${pg.escapeLiteral(value)}, false)`
    return `
      SELECT pg_backend_pid() AS "pid", pg_is_in_recovery() AS "standby",
        current_setting('server_encoding') AS "encoding", current_setting('server_version_num')::int AS "version",
        current_setting('transaction_read_only') = 'on' AS "readOnly",
        ${this.#settings.map(([name, value]) => set(name, value)).join(', ')},
        CASE WHEN current_setting('transaction_timeout', true) IS NOT NULL THEN ${set('transaction_timeout', '0')} END,
        CASE WHEN current_setting('synchronous_commit') = 'off' THEN ${set('synchronous_commit', 'on')} END`
  }
}

/** No such setting, no such value, not now, not by this role: settings of the URL, since ours are always valid. */
function isOfSettings (error: unknown): error is Error {
  return ['42704', '22023', '55P02', '42501'].includes((error as { code?: string }).code ?? '')
}
