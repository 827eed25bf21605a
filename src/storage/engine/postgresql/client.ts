/**
 * A connection to PostgreSQL that is as Latchkey needs it from its first statement on, whatever the database, the role
 * or a pooler in between has set. There is no other way to one: the pool, the listener, the migrations and the doctor
 * take theirs here.
 */
import { readFileSync } from 'node:fs'
import pg from 'pg'
import { postgresqlTarget } from '../../../config/database-url.ts'
import type { PostgresqlTarget, Tls } from '../../../config/postgresql/target.ts'
import { UnusableDatabase } from '../unusable-database.ts'

/** Milliseconds; 0: no limit. */
export interface Waits {
  connect: number
  /** Until the server gives a statement up. */
  statement: number
  /** Until this side gives an answer up. */
  answer: number
  /** That a transaction may be idle. */
  idle: number
}

/** What the driver is to know of a connection, and what the connection itself is to be told. */
export interface ClientConfig extends pg.ClientConfig {
  /** In this order, before the first statement. */
  settings: readonly (readonly [name: string, value: string])[]
}

/** What a connection says of its server. */
export interface ServerFacts {
  /** The number of the process that serves it, also behind a pooler, which tells another one. */
  pid: number
  /** As in 150004. */
  version: number
  encoding: string
  /** Whether transactions may not write, by a default of the database or the role. */
  readOnly: boolean
}

/** How the connections to `url` are made. `suffix`: what they are for, behind the name that the database shows. */
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
    // None of the limits goes along with the start of a connection: poolers refuse what they do not know there.
    ...(answer === 0 ? {} : { query_timeout: answer }),
    settings: [...target.settings, ...settingsFor(target.schema, statement, idle)],
    target,
  } as ClientConfig & { target: PostgresqlTarget }
}

/**
 * What all statements rely on. Not here: `default_transaction_read_only`, by which operators and hosts (whose disk is
 * full) keep a database from being written, and mean it.
 */
function settingsFor (schema: string, statement: number, idle: number): [string, string][] {
  return [
    ['search_path', `"${schema}"`],
    // Both drivers read dates as ISO alone, and times without a zone as UTC.
    ['DateStyle', 'ISO, MDY'],
    ['IntervalStyle', 'postgres'],
    ['TimeZone', 'UTC'],
    ['client_encoding', 'UTF8'],
    ['standard_conforming_strings', 'on'],
    ['bytea_output', 'hex'],
    // A statement that is its own transaction would be refused for another's sake, and nobody runs it again: what needs
    // more than this says so when it begins.
    ['default_transaction_isolation', 'read committed'],
    ['default_transaction_deferrable', 'off'],
    ['statement_timeout', String(statement)],
    ['lock_timeout', '0'],
    ['idle_in_transaction_session_timeout', String(idle)],
    ['idle_session_timeout', '0'],
  ]
}

/** For each connection anew: certificates are replaced while a server runs. One that cannot be read stays as it was. */
function tlsOptions ({ verify, ca, certificate, key }: Tls): object {
  const lastRead = new Map<string, string>()
  const reread = (path: string): string => {
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
    reread(path)
    Object.defineProperty(options, name, { enumerable: true, configurable: true, get: () => reread(path) })
  }
  return options
}

/** Not connected yet. */
export class PostgresqlClient extends pg.Client {
  readonly #settings: ClientConfig['settings']
  #facts: ServerFacts | null = null

  constructor (config: ClientConfig) {
    super(config)
    this.#settings = config.settings
  }

  /** Of a connection that there is. */
  get facts (): ServerFacts {
    return this.#facts!
  }

  /**
   * Resolves once the connection has everything set.
   * @throws what the driver throws; for a standby, as it would for a write there.
   */
  override connect (): Promise<this>
  override connect (callback: (error: Error) => void): void
  override connect (callback?: (error: Error) => void): Promise<this> | void {
    const prepared = super.connect().then(() => this.#prepare()).then(() => this)
    if (callback === undefined) return prepared
    prepared.then(() => { callback(null as unknown as Error) }, callback)
  }

  async #prepare (): Promise<void> {
    // What breaks rejects the statement that waits for it; the event besides would end the process.
    const ignore = () => {}
    this.on('error', ignore)
    try {
      const { rows: [row] } = await this.query<Record<keyof ServerFacts | 'standby', never>>(this.#statement())
      // What it last heard of a revocation may be long ago: no check may go by it.
      if (row!.standby) throw Object.assign(new Error(standby), { code: '25006', severity: 'FATAL' })
      this.#facts = { pid: row!.pid, version: row!.version, encoding: row!.encoding, readOnly: row!.readOnly }
    } catch (error) {
      (this as unknown as { connection: { stream: { destroy (): void } } }).connection.stream.destroy()
      if (!isOfSettings(error)) throw error
      const reason = `its options cannot be set (${error.message})`
      throw new UnusableDatabase(reason, 'correct the parameter options, or leave it out')
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

/** No such setting, no such value, not now, not by this role: of what the URL brings, since ours can be set. */
function isOfSettings (error: unknown): error is Error {
  return ['42704', '22023', '55P02', '42501'].includes((error as { code?: string }).code ?? '')
}

export const standby = 'this server is a standby, which cannot be written and may lag behind'
