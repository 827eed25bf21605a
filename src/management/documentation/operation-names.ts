/** Names of operations, derived from method and path if the route has no operationId: no two are alike. */

const verbs: Readonly<Record<string, string>> = {
  GET: 'get', POST: 'create', PUT: 'replace', PATCH: 'update', DELETE: 'delete'
}

/** The facts a name is derived from. `paged`: the route takes a cursor. `hasReading`: the path has a GET route. */
export interface Named { method: string, url: string, paged: boolean, hasReading: boolean }

/**
 * `GET /clients` → listClients, `PATCH /clients/:id` → updateClient, `POST /clients/:id/rotate-secret` →
 * rotateClientSecret.
 */
export function operationName ({ method, url, paged, hasReading }: Named): string {
  const steps = url.replace(/^\/api\/v1\//, '').split('/').filter(step => step !== '')
  const names = steps.filter(step => !step.startsWith(':') && step !== '*')
  const isOne = (name: string) => steps[steps.indexOf(name) + 1]?.startsWith(':') === true
  const last = names.at(-1) ?? 'root'
  if (method === 'POST' && !hasReading && names.length > 1) {
    const [verb = '', ...rest] = last.split('-')
    return verb + [...names.slice(0, -1).map(singular), ...rest].map(pascal).join('')
  }
  const creates = method === 'POST'
  const nouns = names.map((name, i) => i < names.length - 1 || isOne(name) || creates ? singular(name) : name)
  return (paged && method === 'GET' ? 'list' : verbs[method] ?? method.toLowerCase()) + nouns.map(pascal).join('')
}

/** The name of a body whose schema has no title: `createClient` → CreateClientRequest. */
export function requestName (operationId: string): string {
  return `${pascal(operationId)}Request`
}

/** The collection that a path belongs to. */
export function groupOf (url: string): string {
  return url.replace(/^\/api\/v1\//, '').split('/').find(step => step !== '') ?? 'root'
}

function singular (name: string): string {
  if (name.endsWith('ies')) return `${name.slice(0, -3)}y`
  return name.endsWith('s') && !name.endsWith('ss') ? name.slice(0, -1) : name
}

function pascal (name: string): string {
  return name.split(/[^A-Za-z0-9]+/).map(word => word.slice(0, 1).toUpperCase() + word.slice(1)).join('')
}
