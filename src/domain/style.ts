/** How a key may travel: in a request header, as a bearer credential, or in the query of the URL. */
export type KeyTransport =
  | { in: 'header', name: string }
  | { in: 'bearer' }
  | { in: 'query', name: string }

/** The error styles there are; guard/styles.ts has a renderer for each. */
export const errorStyleNames = ['ledgerbee', 'opencrane', 'rfc9457'] as const
export type ErrorStyleName = typeof errorStyleNames[number]

/** How a resource wants credentials to travel, how its keys look and how its errors look. Data, never a branch. */
export interface Style {
  /** What its keys start with: lower-case letters and digits, at most 16. */
  keyPrefix: string
  transports: readonly KeyTransport[]
  errors: ErrorStyleName
}

const headerAndQuery: readonly KeyTransport[] = [{ in: 'header', name: 'x-api-key' }, { in: 'query', name: 'x-api-key' }]
const bearer: readonly KeyTransport[] = [{ in: 'bearer' }]

/** The named styles; a resource takes one as it is or with a prefix of its own. */
export const styles: Readonly<Record<ErrorStyleName, Style>> = {
  ledgerbee: { keyPrefix: 'lb', transports: headerAndQuery, errors: 'ledgerbee' },
  opencrane: { keyPrefix: 'oc', transports: bearer, errors: 'opencrane' },
  rfc9457: { keyPrefix: 'api', transports: headerAndQuery, errors: 'rfc9457' },
}

/** The style of Latchkey's own API: LedgerBee's credentials, OpenCrane's envelopes. */
export const managementStyle: Style = { keyPrefix: 'lk', transports: headerAndQuery, errors: 'opencrane' }

const prefixPattern = /^[a-z][a-z0-9]{0,15}$/

/** Whether a text may stand at the front of keys. */
export function isKeyPrefix (text: string): boolean {
  return prefixPattern.test(text)
}

/** Whether keys of this style may travel as `Authorization: Bearer`. */
export function takesKeysAsBearer (style: Style): boolean {
  return style.transports.some(transport => transport.in === 'bearer')
}
