/** The configuration of a server: the values of its variables, and what follows from several of them. */
import type { IdentityProvider } from './identity-providers.ts'
import type { Settings } from './variables.ts'

/** Settings that are no part of a configuration by themselves. */
const combined = [
  'secrets', 'adminToken', 'shutdownDelay', 'shutdownPatience', 'tracesUrl', 'tracesHeaders', 'serviceName',
  'tracesRatio', 'oidcIssuers', 'oidcClientIds', 'oidcClientSecrets', 'oidcNames', 'oidcScopes',
] as const

type Single = Omit<Settings, typeof combined[number]>

/** The configuration of a server. A setting that is not declared here is the value of one row of variables.ts. */
export interface Config extends Single {
  /** LATCHKEY_SECRET, newest first: the first one encrypts, all of them decrypt. */
  secrets: readonly string[]
  /** SHA-256 of the admin token, base64url. */
  adminTokenDigest: string
  /** The admin token, if this start generated it: to be printed once. Null: it was set or generated before. */
  generatedAdminToken: string | null
  /** The file of the admin token, which commands on this machine read. Null: a variable has the token. */
  adminTokenFile: string | null
  /** Seconds. */
  shutdown: { delay: number, patience: number }
  /** Null: tracing is off. */
  tracing: TracingConfig | null
  /** Empty: people sign in with links and passkeys alone. */
  identityProviders: readonly IdentityProvider[]
  /** A sentence for each variable that is set, looks like one of ours and is unknown. */
  unknownVariables: readonly string[]
}

/** Where traces go, and how many. */
export interface TracingConfig {
  /** Of an OTLP/HTTP collector, with its path. */
  url: string
  /** Sent with every export, such as a credential for the collector. */
  headers: Readonly<Record<string, string>>
  serviceName: string
  /** The share of traces that is recorded, 0 to 1, also of traces that callers began. */
  ratio: number
}

export type RegistrationMode = Config['registration']

/** The settings that are a part of the configuration as they are. */
export function singleSettings (settings: Settings): Single {
  const single = Object.entries(settings).filter(([key]) => !combined.some(each => each === key))
  return Object.fromEntries(single) as unknown as Single
}
