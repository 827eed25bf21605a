/** The screens of organizations: operators make, suspend, resume and delete them; others see and name their own. */
import { searchAt } from '../search.ts'
import { formAt, screenAt, type Dashboard } from '../visit.ts'
import { creditForm } from './credits.ts'
import { create, creationScreen, mended } from './creation.ts'
import { organizationDeletion } from './deletion.ts'
import { listScreen } from './list.ts'
import { admitClients, change, mendedChange, organizationScreen, requireProvider } from './one-organization.ts'
import { resume, suspend, suspensionScreen } from './suspension.ts'

export function organizationScreens (app: Dashboard): void {
  screenAt(app, '/organizations', listScreen)
  searchAt(app, '/organizations', ['status', 'sort'])
  screenAt(app, '/organizations/new', creationScreen)
  formAt(app, '/organizations', create, mended)
  screenAt(app, '/organizations/:id', organizationScreen)
  formAt(app, '/organizations/:id', change, mendedChange)
  formAt(app, '/organizations/:id/require-provider', requireProvider)
  formAt(app, '/organizations/:id/admit-clients', admitClients)
  screenAt(app, '/organizations/:id/suspend', suspensionScreen)
  formAt(app, '/organizations/:id/suspend', suspend)
  formAt(app, '/organizations/:id/resume', resume)
  organizationDeletion(app)
  creditForm(app)
}
