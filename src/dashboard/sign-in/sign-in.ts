/** The screens of signing in: the person's own ways and sessions, trusted providers, and e-mail domains. */
import { formAt, screenAt, type Dashboard } from '../visit.ts'
import * as domains from './domains.ts'
import { endSession, ownScreen, unlink, unlinkingScreen } from './own.ts'
import { providersScreen } from './providers.ts'
import * as trusts from './trust.ts'

export function signInScreens (app: Dashboard): void {
  screenAt(app, '/sign-in', ownScreen)
  formAt(app, '/sign-in/sessions/:id/end', endSession)
  screenAt(app, '/sign-in/accounts/:id', unlinkingScreen)
  formAt(app, '/sign-in/accounts/:id', unlink)
  screenAt(app, '/sign-in/providers', providersScreen)
  screenAt(app, '/sign-in/providers/new', trusts.trustingScreen)
  formAt(app, '/sign-in/providers', trusts.trust, trusts.mended)
  screenAt(app, '/sign-in/providers/:id', trusts.changeScreen)
  formAt(app, '/sign-in/providers/:id', trusts.change, trusts.mendedChange)
  screenAt(app, '/sign-in/providers/:id/end', trusts.endScreen)
  formAt(app, '/sign-in/providers/:id/end', trusts.end)
  screenAt(app, '/sign-in/providers/domains/new', domains.givingScreen)
  formAt(app, '/sign-in/providers/domains', domains.give, domains.mended)
  screenAt(app, '/sign-in/providers/domains/:id/end', domains.takingScreen)
  formAt(app, '/sign-in/providers/domains/:id/end', domains.take)
}
