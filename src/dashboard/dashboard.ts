/**
 * The dashboard: pages on which people manage and watch what programs do. It has no privilege of its own: each page
 * calls the management API with the session of the person that asks for it.
 */
import formbody from '@fastify/formbody'
import type { FastifyPluginAsync } from 'fastify'
import { Failure } from '../base/errors.ts'
import type { LargeBodies } from '../http/large-bodies.ts'
import { dashboardPath } from '../pages/page.ts'
import { auditScreens } from './audit/audit.ts'
import { apiKeyScreens } from './api-keys/api-keys.ts'
import { apiScreens } from './apis/apis.ts'
import { applicationScreens } from './applications/applications.ts'
import { clientScreens } from './clients/clients.ts'
import { explainScreens } from './explain/explain.ts'
import { groupScreens } from './groups/groups.ts'
import { invitationScreens } from './invitations/invitations.ts'
import { memberScreens } from './members/members.ts'
import { organizationScreens } from './organizations/organizations.ts'
import { overviewScreen } from './overview/overview.ts'
import { policyScreens } from './policies/policies.ts'
import { publishableKeyScreens } from './publishable-keys/publishable-keys.ts'
import { skillScreens } from './registries/skills.ts'
import { thirdPartySourceScreens } from './registries/third-party-sources.ts'
import { serverScreens } from './servers/servers.ts'
import { savedForm } from './shown-once.ts'
import { signInScreens } from './sign-in/sign-in.ts'
import { providerKeyScreens } from './provider-keys/provider-keys.ts'
import { spendingScreens } from './spending/spending.ts'
import { signingKeyScreens } from './signing-keys/signing-keys.ts'
import { trustedIssuerScreens } from './trusted-issuers/trusted-issuers.ts'
import { webhookTokenScreens } from './webhook-tokens/webhook-tokens.ts'
import { usageScreen } from './usage/usage.ts'
import { presentDashboardError, type Dashboard } from './visit.ts'

/** Forms of the dashboard may hold lists of scopes and addresses. */
const bodyLimit = 32_768

/**
 * `issuer`: the origin of its pages. `apiPrefix`: the path below which the management API is served. `archives`: those
 * that are sent at once.
 */
export function dashboard (issuer: string, apiPrefix: string, archives: LargeBodies): FastifyPluginAsync {
  return async app => {
    app.removeContentTypeParser('text/plain')
    await app.register(formbody, { bodyLimit })
    app.setErrorHandler(presentDashboardError)
    // Redirects, too.
    app.addHook('onRequest', async (_request, reply) => { reply.header('cache-control', 'no-store') })
    const context = Object.assign(app, { issuer, apiPrefix, archives })
    savedForm(context)
    overviewScreen(context)
    apiKeyScreens(context)
    clientScreens(context)
    apiScreens(context)
    applicationScreens(context)
    publishableKeyScreens(context)
    webhookTokenScreens(context)
    skillScreens(context)
    thirdPartySourceScreens(context)
    trustedIssuerScreens(context)
    memberScreens(context)
    invitationScreens(context)
    groupScreens(context)
    policyScreens(context)
    organizationScreens(context)
    usageScreen(context)
    spendingScreens(context)
    providerKeyScreens(context)
    auditScreens(context)
    explainScreens(context)
    signInScreens(context)
    serverScreens(context)
    signingKeyScreens(context)
    otherPaths(context)
  }
}

/** A path without a screen, as a person types it. */
function otherPaths (app: Dashboard): void {
  app.get(`${dashboardPath}/*`, { schema: { hide: true } }, async (request, reply) => {
    if (request.url.split('?', 1)[0] === `${dashboardPath}/`) return await reply.redirect(dashboardPath, 303)
    throw new Failure('not_found', { message: 'The dashboard has no such page.' })
  })
}
