/** The screens of members. */
import { searchAt } from '../search.ts'
import { formAt, screenAt, type Dashboard } from '../visit.ts'
import { add, additionScreen, mended } from './addition.ts'
import { listScreen } from './list.ts'
import { change, memberScreen, mendedChange } from './one-member.ts'
import { removalScreen, remove } from './removal.ts'
import { linkScreen, makeLink, wayEnding } from './ways-in.ts'

export function memberScreens (app: Dashboard): void {
  screenAt(app, '/members', listScreen)
  searchAt(app, '/members', ['status', 'role', 'sort'])
  screenAt(app, '/members/new', additionScreen)
  formAt(app, '/members', add, mended)
  screenAt(app, '/members/:id', memberScreen)
  formAt(app, '/members/:id', change, mendedChange)
  screenAt(app, '/members/:id/remove', removalScreen)
  formAt(app, '/members/:id/remove', remove)
  screenAt(app, '/members/:id/link', linkScreen)
  formAt(app, '/members/:id/link', makeLink)
  for (const collection of ['passkeys', 'identities'] as const) {
    const { ask, end } = wayEnding(collection)
    screenAt(app, `/members/:id/${collection}/:way`, ask)
    formAt(app, `/members/:id/${collection}/:way`, end)
  }
}
