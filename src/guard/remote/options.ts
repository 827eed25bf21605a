/** The options of a remote guard, checked, and the listeners among them. */
import type { Clock } from '../../base/clock.ts'
import type { Environment } from '../../secrets/credential-text.ts'
import { warn } from '../../telemetry/background.ts'
import type { Listeners } from './contact.ts'
import type { ServerOptions } from './transport.ts'

/**
 * Undefined in the place of `server`, `clientId`, `clientSecret` or `resource`, as of an environment variable that is
 * not set, is refused by its name.
 */
export interface RemoteGuardOptions extends Omit<ServerOptions, Needed> {
  /** The server's origin, such as `https://auth.acme.test`. */
  server: string | undefined
  /** The client that introspects the resource. */
  clientId: string | undefined
  clientSecret: string | undefined
  /** The identifier of the resource that is guarded. */
  resource: string | undefined
  /** The one environment that is served; keys of the other are refused. Both unless given. */
  environment?: Environment
  /** Credentials that are kept in memory, at most; 50,000 unless given. */
  mostEntries?: number
  /** The time by which expiry is judged; the system's unless given. */
  clock?: Clock
  /**
   * Told when the server cannot be followed, once until the message changes, and of requests that could not be decided,
   * once a minute; a warning of the process unless given.
   */
  onError?: (error: unknown) => void
  /** Told once when the server is followed again; a warning of the process unless this or `onError` is given. */
  onRecovery?: () => void
}

type Needed = 'server' | 'clientId' | 'clientSecret' | 'resource'

/** Options of which none that is needed is missing. */
export type CheckedOptions = RemoteGuardOptions & Record<Needed, string>

/** @throws Error naming an option that is missing. */
export function withTexts (options: RemoteGuardOptions): CheckedOptions {
  for (const name of ['server', 'clientId', 'clientSecret', 'resource'] as const) {
    if (typeof options[name] === 'string' && options[name] !== '') continue
    throw new Error(`The guard needs ${name}, which is missing: give it to openGuard, or set its variable.`)
  }
  return options as CheckedOptions
}

/** What is told of a guard, and to whom. */
export function listeners ({ onError, onRecovery }: RemoteGuardOptions): Listeners {
  const tellRecovery = () => { if (onError === undefined) warn('The guard follows its authorization server again.') }
  return { onError: harmless(onError ?? warn), onRecovery: harmless(onRecovery ?? tellRecovery) }
}

/** What is called throws nothing: it may run outside of any request. */
function harmless<Told extends unknown[]> (listener: (...told: Told) => void): (...told: Told) => void {
  return (...told) => {
    try {
      listener(...told)
    } catch (thrown) {
      warn(thrown)
    }
  }
}
