/** A PostgreSQL database as DATABASE_URL names it. */

/** How the server has to authenticate itself. */
export interface Tls {
  /**
   * `full`: a certificate of a trusted CA for the name of the host; `chain`: a certificate of the named CA, for any
   * host; `none`: encrypted, but not authenticated.
   */
  verify: 'full' | 'chain' | 'none'
  /** Path of a PEM file; null: the CAs that Node trusts. */
  ca: string | null
  /** Paths of PEM files; null: no client certificate. */
  certificate: string | null
  key: string | null
}

export interface PostgresqlTarget {
  /** Undefined, as the next four: the PG* variable of the environment, or the driver's default. */
  host: string | undefined
  port: number | undefined
  user: string | undefined
  password: string | undefined
  database: string | undefined
  /** Holds all tables, independent of the search_path of the role or the database. */
  schema: string
  /** Whether the URL names the schema. */
  namesSchema: boolean
  /** Null: no TLS; undefined: PGSSLMODE decides, no TLS without it. */
  tls: Tls | null | undefined
  /** Whether TLS starts without a request for it (PostgreSQL 17 and newer). */
  directTls: boolean
  applicationName: string
  /** Settings of each connection: `options=-c name=value`. */
  settings: readonly (readonly [name: string, value: string])[]
  /** The rest of `options`, sent when a connection starts. */
  startOptions: string
  /** Milliseconds to get a connection; undefined: the default of storage. */
  connectLimit: number | undefined
  /** The most connections of the pool. The change feed uses one more. */
  connections: number
}

/** A target while its URL is read. */
export interface TargetDraft extends PostgresqlTarget {
  /** The parameter sslmode. */
  mode: string | undefined
  files: Partial<Record<FileParameter, string>>
}

export type FileParameter = 'sslrootcert' | 'sslcert' | 'sslkey'

export function newTargetDraft (): TargetDraft {
  return {
    host: undefined,
    port: undefined,
    user: undefined,
    password: undefined,
    database: undefined,
    schema: 'public',
    namesSchema: false,
    tls: undefined,
    directTls: false,
    applicationName: 'latchkey',
    settings: [],
    startOptions: '',
    connectLimit: undefined,
    connections: 10,
    mode: undefined,
    files: {},
  }
}
