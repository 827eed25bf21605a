/** What the tests and measurements of remote guards ask them: a request with a key, and needs that any key meets. */
import type { GuardedRequest, Needs } from '../../packages/guard/src/index.ts'

/** What any valid credential meets. */
export const noNeeds: Needs = {
  scopes: [],
  apiKeyOnly: false,
  session: false,
  feature: null,
  object: null,
  credits: 0,
  organizationId: null,
  objectId: null
}

/** A request with a key in its header, or with a token in `authorization`, from this machine. */
export function requestWith (key: string, header: 'x-api-key' | 'authorization' = 'x-api-key'): GuardedRequest {
  const value = header === 'authorization' ? `Bearer ${key}` : key
  return {
    raw: { headers: { [header]: value }, rawHeaders: [header, value] },
    query: {},
    method: 'GET',
    path: '/invoices',
    address: '127.0.0.1',
    isOverTls: false,
    id: 'req_1'
  }
}
