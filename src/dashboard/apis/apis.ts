/** The screens of APIs and of MCP servers: lists, declaring, one of them, protecting it, and its end. */
import { endingAt } from '../ending.ts'
import { searchAt } from '../search.ts'
import { formAt, screenAt, type Dashboard } from '../visit.ts'
import { create, creationScreen, mended } from './creation.ts'
import { apis, mcpServers, type Kind } from './declared-api.ts'
import { saveDefaultScopes } from './default-scopes.ts'
import { revocationOf } from './ending.ts'
import { listScreen } from './list.ts'
import { change, oneScreen } from './one-api.ts'
import { protectionScreen } from './protect.ts'
import { removalOf, saveScopes } from './scopes.ts'

export function apiScreens (app: Dashboard): void {
  screensOf(app, '/apis', apis)
  screensOf(app, '/mcp-servers', mcpServers)
  formAt(app, '/mcp-servers/:id/default-scopes', saveDefaultScopes)
}

function screensOf (app: Dashboard, path: string, kind: Kind): void {
  screenAt(app, path, visit => listScreen(kind, visit))
  searchAt(app, path, ['status', 'sort'])
  screenAt(app, `${path}/new`, visit => creationScreen(kind, visit))
  formAt(app, path, sent => create(kind, sent), (sent, refusal) => mended(kind, sent, refusal))
  screenAt(app, `${path}/:id`, visit => oneScreen(kind, visit))
  formAt(app, `${path}/:id`, sent => change(kind, sent), (sent, { message }) =>
    oneScreen(kind, sent, { of: 'change', sent, message }))
  screenAt(app, `${path}/:id/protect`, visit => protectionScreen(kind, visit))
  formAt(app, `${path}/:id/scopes`, sent => saveScopes(kind, sent), (sent, { message }) =>
    oneScreen(kind, sent, { of: 'scopes', sent, message }))
  endingAt(app, `${path}/:id/scopes/remove`, removalOf(kind))
  endingAt(app, `${path}/:id/revoke`, revocationOf(kind))
}
