/** The screens of applications that act for members: in use, remembered, approved, and their registration. */
import type { Dashboard } from '../visit.ts'
import { approvalScreens } from './approvals.ts'
import { authorizationScreens } from './authorizations.ts'
import { consentScreens } from './consents.ts'
import { registrationScreens } from './registration.ts'

export function applicationScreens (app: Dashboard): void {
  consentScreens(app)
  approvalScreens(app)
  registrationScreens(app)
  authorizationScreens(app)
}
