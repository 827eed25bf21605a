/**
 * The dashboard: pages on which people manage and watch what programs do. It has no privilege of its own: each page
 * calls the management API with the session of the person that asks for it.
 */
import formbody from '@fastify/formbody'
import type { FastifyPluginAsync } from 'fastify'
import { presentPageError } from '../pages/error-page.ts'
import { apiKeyScreens } from './api-keys/api-keys.ts'
import { apiScreens } from './apis/apis.ts'
import { applicationScreens } from './applications/applications.ts'
import { clientScreens } from './clients/clients.ts'
import { dashboardPath } from './frame.ts'
import { publishableKeyScreens } from './publishable-keys/publishable-keys.ts'
import { webhookTokenScreens } from './webhook-tokens/webhook-tokens.ts'

/** Forms of the dashboard may hold lists of scopes and addresses. */
const bodyLimit = 32_768

/** `issuer`: the origin of its pages. */
export function dashboard (issuer: string): FastifyPluginAsync {
  return async app => {
    app.removeContentTypeParser('text/plain')
    await app.register(formbody, { bodyLimit })
    app.setErrorHandler(presentPageError)
    const context = Object.assign(app, { issuer })
    app.get(dashboardPath, { schema: { hide: true } }, async (_request, reply) =>
      await reply.redirect(`${dashboardPath}/api-keys`, 303))
    apiKeyScreens(context)
    clientScreens(context)
    apiScreens(context)
    applicationScreens(context)
    publishableKeyScreens(context)
    webhookTokenScreens(context)
  }
}
