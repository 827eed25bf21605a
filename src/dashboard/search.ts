/** The search in a list: a text travels in the address of the list, and what looks like a secret does not. */
import { withoutAnySecrets } from '../secrets/redaction.ts'
import { ApiRefusal } from './api.ts'
import { dashboardPath } from './frame.ts'
import { narrowed } from './list.ts'
import { formAt, type Dashboard } from './visit.ts'

/** The form of the list at a path below the dashboard. `names`: what else narrows it. */
export function searchAt (app: Dashboard, path: string, names: readonly string[]): void {
  formAt(app, `${path}/search`, async ({ field }) => {
    const filter = Object.fromEntries(['search', ...names].map(name => [name, field(name).trim()]))
    if (withoutAnySecrets(filter.search!) === filter.search) return { to: narrowed(dashboardPath + path, filter) }
    throw new ApiRefusal(422, {
      error: 'That looks like a secret, which nothing is found by here. Search for a part of a name.',
      code: 'INVALID_REQUEST'
    })
  })
}
