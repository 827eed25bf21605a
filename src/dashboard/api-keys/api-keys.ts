/** The screens of API keys: list, creation, one key, and the ways to end it. */
import { disable, enable } from '../disabling.ts'
import { endingAt } from '../ending.ts'
import { screenAt, formAt, type Dashboard, type Submission } from '../visit.ts'
import { createKey, creationScreen, mended } from './creation.ts'
import { revocation, rotate, rotationScreen } from './ending.ts'
import { keysPath, listScreen, search } from './list.ts'
import { apiPathOf, keyScreen, rename } from './one-key.ts'

export function apiKeyScreens (app: Dashboard): void {
  screenAt(app, '/api-keys', listScreen)
  formAt(app, '/api-keys/search', search)
  screenAt(app, '/api-keys/new', creationScreen)
  formAt(app, '/api-keys', createKey, mended)
  screenAt(app, '/api-keys/:id', visit => keyScreen(visit))
  formAt(app, '/api-keys/:id/name', rename, (sent, { message }) =>
    keyScreen(sent, { name: sent.field('name'), problem: message }))
  formAt(app, '/api-keys/:id/disable', key => disable(key, apiPathOf(key), pathOf(key)))
  formAt(app, '/api-keys/:id/enable', key => enable(key, apiPathOf(key), pathOf(key)))
  screenAt(app, '/api-keys/:id/rotate', rotationScreen)
  formAt(app, '/api-keys/:id/rotate', rotate)
  endingAt(app, '/api-keys/:id/revoke', revocation)
}

function pathOf ({ parameter }: Submission): string {
  return `${keysPath}/${encodeURIComponent(parameter('id'))}`
}
