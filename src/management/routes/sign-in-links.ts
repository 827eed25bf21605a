/** Sign-in links of members: made by administrators, shown once. */
import type { FastifyRequest } from 'fastify'
import { Type } from '../../http/typebox-lite.ts'
import { requireFreshTime } from '../../domain/people/fresh-sign-in.ts'
import { createSignInLink, signInLinkUrl, type LinkMaker } from '../../domain/people/sign-in-link.ts'
import { created, type CreationDependencies } from '../conventions/idempotent-creation.ts'
import { routes, type RouteContext } from '../conventions/routes.ts'
import { as, IdParams, Moment, shownOnce } from '../conventions/schemas.ts'

export interface SignInLinkDependencies extends CreationDependencies { issuer: string }

const SignInLinkWithUrl = Type.Object({
  id: as(Type.String(), 'sil_3mKtQ0rXc2sVb8nLd4wEfG'),
  member: as(Type.String(), 'mem_5yKtQ0rXc2sVb8nLd4wEfG'),
  createdAt: Moment,
  expiresAt: Moment,
  url: shownOnce('https://auth.example.com/api/v1/auth/link#lksil_…'),
}, { title: 'SignInLinkWithUrl' })

export const signInLinkRoutes = routes<SignInLinkDependencies>(createSignInLinkRoute)

function createSignInLinkRoute (app: RouteContext, dependencies: SignInLinkDependencies): void {
  app.post('/members/:id/sign-in-links', {
    config: {
      scopes: ['members:write'],
      appends: true,
      failures: [
        'credential_revoked', 'organization_not_active', 'reauthentication_required', 'too_many_requests'
      ]
    },
    schema: {
      summary: 'Make a sign-in link',
      description:
        'Signs the member in, once, within ten minutes. For credentials of the deployment, and for owners and ' +
        'admins, who make links for members of no higher role. Only this answer contains the link. Its session ' +
        'ends with the key or token that made it; made by a session, it ends when that one does at the latest.',
      params: IdParams,
      response: { 201: SignInLinkWithUrl },
    },
  }, async (request, reply) =>
    await created(dependencies, request, reply, async operation => {
      const maker = makerOf(request, dependencies.clock())
      const { link, text } = await createSignInLink(operation, request.params.id, maker)
      const { id, memberId: member, createdAt, expiresAt } = link
      return { id, member, createdAt, expiresAt, url: signInLinkUrl(dependencies.issuer, text) }
    }))
}

/**
 * A link signs in anew: an old session makes none, or a stolen one would count as fresh by a link of its own.
 * @throws Failure `reauthentication_required`.
 */
function makerOf ({ principal, personSession }: FastifyRequest<any>, now: Date): LinkMaker {
  if (principal.kind === 'person') requireFreshTime(personSession!, now, 'A session makes sign-in links')
  switch (principal.kind) {
    case 'admin_token': return { vouchedBy: null, sessionEndsAt: null }
    case 'person': return { vouchedBy: personSession!.vouchedBy, sessionEndsAt: personSession!.expiresAt }
    default: return { vouchedBy: principal.id, sessionEndsAt: null }
  }
}
