/** The screens of the audit log. */
import { formAt, screenAt, type Dashboard } from '../visit.ts'
import { chainScreen } from './chain.ts'
import { listScreen, notFound, search } from './list.ts'

export function auditScreens (app: Dashboard): void {
  screenAt(app, '/audit', listScreen)
  formAt(app, '/audit/search', search, notFound)
  screenAt(app, '/audit/chain', chainScreen)
}
