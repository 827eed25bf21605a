/** The screens of access policies. */
import { searchAt } from '../search.ts'
import { formAt, screenAt, type Dashboard } from '../visit.ts'
import { create, creationScreen, mended, tryCreation } from './creation.ts'
import { listScreen } from './list.ts'
import {
  change, changeScreen, deletePolicy, mendedChange, policyScreen, tryChange, tryDeletion
} from './one-policy.ts'

export function policyScreens (app: Dashboard): void {
  screenAt(app, '/policies', listScreen)
  searchAt(app, '/policies', ['effect', 'enabled', 'sort'])
  screenAt(app, '/policies/new', creationScreen)
  formAt(app, '/policies', create, mended)
  formAt(app, '/policies/try', tryCreation, mended)
  screenAt(app, '/policies/:id', policyScreen)
  screenAt(app, '/policies/:id/change', changeScreen)
  formAt(app, '/policies/:id/change', change, mendedChange)
  formAt(app, '/policies/:id/change/try', tryChange, mendedChange)
  formAt(app, '/policies/:id/delete/try', tryDeletion)
  formAt(app, '/policies/:id/delete', deletePolicy)
}
