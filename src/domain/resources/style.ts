/** The transports of a key: a request header, a bearer credential, or the query of the URL. */
export type KeyTransport =
  | { in: 'header', name: string }
  | { in: 'bearer' }
  | { in: 'query', name: string }

/** The error styles; guard/refusal/styles.ts has a renderer for each. */
export const errorStyleNames = ['ledgerbee', 'crane-ledger', 'craftkit', 'craftdesk', 'opencrane', 'rfc9457'] as const
export type ErrorStyleName = typeof errorStyleNames[number]

/** The style of a resource: transports of credentials, form of keys, form of errors. Data, without code. */
export interface Style {
  /** The prefix of its keys: lower-case letters and digits, at most 16. */
  keyPrefix: string
  transports: readonly KeyTransport[]
  errors: ErrorStyleName
  /** Whether a request without TLS is refused before its credential is checked. Absent: no. */
  requireTls?: boolean
  /** The feature of an organization's plan that keys with custom access require (CD-12). Absent: none. */
  customAccessFeature?: string
  /** The feature of an organization's plan that sessions of end users require (CK-14). Absent: none. */
  sessionFeature?: string
  /** Whether keys made elsewhere were imported: they may have any form. Set by the first import. */
  importedKeys?: boolean
}

const header: readonly KeyTransport[] = [{ in: 'header', name: 'x-api-key' }]
const headerAndQuery: readonly KeyTransport[] = [...header, { in: 'query', name: 'x-api-key' }]
const bearer: readonly KeyTransport[] = [{ in: 'bearer' }]

/** The named styles; a resource takes one as it is, or with its own prefix. */
export const styles: Readonly<Record<ErrorStyleName, Style>> = {
  ledgerbee: { keyPrefix: 'lb', transports: headerAndQuery, errors: 'ledgerbee' },
  'crane-ledger': { keyPrefix: 'cl', transports: bearer, errors: 'crane-ledger', requireTls: true },
  craftkit: { keyPrefix: 'ck', transports: bearer, errors: 'craftkit', sessionFeature: 'embedding' },
  craftdesk: { keyPrefix: 'cd', transports: bearer, errors: 'craftdesk', customAccessFeature: 'custom-scopes' },
  opencrane: { keyPrefix: 'oc', transports: bearer, errors: 'opencrane' },
  rfc9457: { keyPrefix: 'api', transports: headerAndQuery, errors: 'rfc9457' },
}

/** The style of Latchkey's own API: LedgerBee's header, OpenCrane's envelopes. No credential travels in a URL. */
export const managementStyle: Style = { keyPrefix: 'lk', transports: header, errors: 'opencrane' }

/** The style of the routes on which a credential asks about itself: LedgerBee's, without keys in URLs. */
export const selfStyle: Style = { ...styles.ledgerbee, transports: header }

const prefixPattern = /^[a-z][a-z0-9]{0,15}$/

/** Whether a text may be the prefix of keys. */
export function isKeyPrefix (text: string): boolean {
  return prefixPattern.test(text)
}

/** Whether keys of this style may travel in the query, by this name. */
export function takesKeysInQuery ({ transports }: Style, name: string): boolean {
  return transports.some(transport => transport.in === 'query' && transport.name === name)
}

/** Whether keys of this style may travel as `Authorization: Bearer`. */
export function takesKeysAsBearer (style: Style): boolean {
  return style.transports.some(transport => transport.in === 'bearer')
}
