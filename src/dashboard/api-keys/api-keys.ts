/** The screens of API keys: list, creation, one key, and the ways to end it. */
import { screenAt, formAt, type Dashboard } from '../visit.ts'
import { createKey, creationScreen, mended } from './creation.ts'
import { disable, enable } from './disabling.ts'
import { revocationScreen, revoke, rotate, rotationScreen } from './ending.ts'
import { listScreen, search } from './list.ts'
import { keyScreen, rename } from './one-key.ts'

export function apiKeyScreens (app: Dashboard): void {
  screenAt(app, '/api-keys', listScreen)
  formAt(app, '/api-keys/search', search)
  screenAt(app, '/api-keys/new', creationScreen)
  formAt(app, '/api-keys', createKey, mended)
  screenAt(app, '/api-keys/:id', keyScreen)
  formAt(app, '/api-keys/:id/name', rename)
  formAt(app, '/api-keys/:id/disable', disable)
  formAt(app, '/api-keys/:id/enable', enable)
  screenAt(app, '/api-keys/:id/rotate', rotationScreen)
  formAt(app, '/api-keys/:id/rotate', rotate)
  screenAt(app, '/api-keys/:id/revoke', revocationScreen)
  formAt(app, '/api-keys/:id/revoke', revoke)
}
