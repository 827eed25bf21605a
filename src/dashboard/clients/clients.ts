/** The screens of clients: list, creation, one client, a test token, and the ways to end it. */
import { disable, enable } from '../disabling.ts'
import { endingAt } from '../ending.ts'
import { formAt, screenAt, type Dashboard } from '../visit.ts'
import { apiPathOf, ownPage } from './client.ts'
import { createClient, creationScreen, mended } from './creation.ts'
import { revocation, rotate, rotationScreen } from './ending.ts'
import { listScreen, search } from './list.ts'
import { claim, clientScreen, rename } from './one-client.ts'
import { askToken, tokenScreen } from './test-token.ts'

export function clientScreens (app: Dashboard): void {
  screenAt(app, '/clients', listScreen)
  formAt(app, '/clients/search', search)
  screenAt(app, '/clients/new', creationScreen)
  formAt(app, '/clients', createClient, mended)
  screenAt(app, '/clients/:id', visit => clientScreen(visit))
  formAt(app, '/clients/:id/name', rename, (sent, { message }) =>
    clientScreen(sent, { name: sent.field('name'), problem: message }))
  formAt(app, '/clients/:id/claim', claim)
  formAt(app, '/clients/:id/disable', client => disable(client, apiPathOf(client), ownPage(client)))
  formAt(app, '/clients/:id/enable', client => enable(client, apiPathOf(client), ownPage(client)))
  screenAt(app, '/clients/:id/token', tokenScreen)
  formAt(app, '/clients/:id/token', askToken)
  screenAt(app, '/clients/:id/rotate', rotationScreen)
  formAt(app, '/clients/:id/rotate', rotate)
  endingAt(app, '/clients/:id/revoke', revocation)
}
