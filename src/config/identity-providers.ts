/** Identity providers by configuration: the variables `LATCHKEY_OIDC_<ID>_…` of each, read as one record. */
import { nearest } from '../base/nearest-name.ts'
import { hostOf, isLoopback } from './loopback.ts'
import { fileVariableOf, isFileVariable } from './secret-files.ts'
import { findRow, type Environment, type ReadingContext, type Variable } from './table.ts'

/** An OpenID provider that people sign in with, and the client that this server is there. */
export interface IdentityProvider {
  /** The ID of its variables in lower case, with hyphens: `LATCHKEY_OIDC_MY_OWN_ISSUER` is of `my-own`. */
  id: string
  /** Its issuer identifier, exactly as its documents write it. */
  issuer: string
  clientId: string
  clientSecret: string
  /** As the sign-in page shows it. */
  name: string
  /** Separated by spaces. */
  scopes: string
}

interface ProviderSettings {
  oidcIssuers: ReadonlyMap<string, string>
  oidcClientIds: ReadonlyMap<string, string>
  oidcClientSecrets: ReadonlyMap<string, string>
  oidcNames: ReadonlyMap<string, string>
  oidcScopes: ReadonlyMap<string, string>
}

const prefix = 'LATCHKEY_'
/** Every variable of an identity provider begins so. */
const start = `${prefix}OIDC_`

/** The providers, in the order of their IDs. */
export function providersOf (settings: ProviderSettings): IdentityProvider[] {
  return [...settings.oidcIssuers].map(([id, issuer]) => ({
    id: id.toLowerCase().replaceAll('_', '-'),
    issuer,
    clientId: settings.oidcClientIds.get(id)!,
    clientSecret: settings.oidcClientSecrets.get(id)!,
    name: settings.oidcNames.get(id)!,
    scopes: settings.oidcScopes.get(id)!,
  }))
}

/** The name of a variable of a provider. */
export function providerVariable (id: string, setting: string): string {
  return `${start}${id.toUpperCase().replaceAll('-', '_')}_${setting}`
}

/** Whether a variable belongs to an identity provider, or is meant to. */
export function isProviderVariable (name: string): boolean {
  return name.startsWith(start)
}

/**
 * A problem for each variable that is set, begins as those of a provider and is none: without it, the provider would
 * work in another way than its operator wrote.
 */
export function unknownOfProviders (environment: Environment, rows: readonly Variable[]): string[] {
  const own = rows.filter(({ name }) => name.startsWith(start))
  const names = own.flatMap(({ name, inFile }) => inFile === true ? [name, fileVariableOf(name)] : [name])
  return Object.keys(environment)
    .filter(name => isProviderVariable(name) && findRow(name, own) === null && !isFileVariable(name, own))
    .map(name =>
      `${name}: is no variable of an identity provider; the nearest is ${nearest(name, names).name}, with an ID of ` +
      'capital letters, digits and single underscores')
}

/** An issuer identifier of OpenID Connect (Discovery §2): https, with or without a path, without query or fragment. */
export function readProviderIssuer (text: string, { report }: ReadingContext): string {
  const url = URL.parse(text)
  // A URL with /.well-known/ is that of a discovery document; its issuer would not be compared with the setting.
  if (url === null || !/^https?:\/\//.test(text) || /[?#@\s]|\/\.well-known\//.test(text)) {
    report(
      `${JSON.stringify(text)} is not an issuer; write https://idp.example.com, with its path if it has one, as ` +
        '`issuer` in its discovery document'
    )
  } else if (url.protocol !== 'https:' && !isLoopback(hostOf(text))) {
    report(`${text} is not https; ID tokens and the client secret would cross the network unencrypted`)
  }
  return text
}

/** OpenID Connect Core §3.1.2.1: without `openid` there is no ID token. */
export function readProviderScopes (text: string, { report }: ReadingContext): string {
  const scopes = text.split(/\s+/)
  if (!scopes.every(scope => /^[!#-[\]-~]+$/.test(scope))) {
    report(`${JSON.stringify(text)} is not a list of scopes, separated by spaces`)
  } else if (!scopes.includes('openid')) {
    report(`${JSON.stringify(text)} lacks \`openid\`; write openid email profile`)
  }
  return scopes.join(' ')
}
