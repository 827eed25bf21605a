/** How a key may travel: in a request header, as a bearer credential, or in the query of the URL. */
export type KeyTransport =
  | { in: 'header', name: string }
  | { in: 'bearer' }
  | { in: 'query', name: string }

/** The error styles there are; guard/styles.ts has a renderer for each. */
export const errorStyleNames = ['ledgerbee', 'crane-ledger', 'craftkit', 'craftdesk', 'opencrane', 'rfc9457'] as const
export type ErrorStyleName = typeof errorStyleNames[number]

/** How a resource wants credentials to travel, how its keys look and how its errors look. Data, never a branch. */
export interface Style {
  /** What its keys start with: lower-case letters and digits, at most 16. */
  keyPrefix: string
  transports: readonly KeyTransport[]
  errors: ErrorStyleName
  /** Whether a request that did not arrive over TLS is refused before its credential is looked at. Absent: no. */
  requireTls?: boolean
  /** What an organization's plan has to include for keys with custom access (CD-12). Absent: nothing. */
  customAccessFeature?: string
  /** What an organization's plan has to include for sessions of end users (CK-14). Absent: nothing. */
  sessionFeature?: string
  /** Whether keys that were made elsewhere were taken over: they have any form. Set by the first import. */
  importedKeys?: boolean
}

const header: readonly KeyTransport[] = [{ in: 'header', name: 'x-api-key' }]
const headerAndQuery: readonly KeyTransport[] = [...header, { in: 'query', name: 'x-api-key' }]
const bearer: readonly KeyTransport[] = [{ in: 'bearer' }]

/** The named styles; a resource takes one as it is or with a prefix of its own. */
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

/** The style of the routes on which a credential asks about itself: LedgerBee's, but for keys in URLs. */
export const selfStyle: Style = { ...styles.ledgerbee, transports: header }

const prefixPattern = /^[a-z][a-z0-9]{0,15}$/

/** Whether a text may stand at the front of keys. */
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
