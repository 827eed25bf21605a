/** CraftKit, a small protected API: projects (organizations) render templates, embed the editor and take webhooks. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { mayTouch, styles, type GuardOptions, type Latchkey } from '../../src/index.ts'
import { declare } from '../declare.ts'
import { render, type Studio } from './studio.ts'

/** Where the routes are mounted. */
export const craftkitPath = '/craftkit'

const scopes = [
  'renders:read', 'renders:write', 'templates:read', 'templates:write', 'projects:write', 'webhooks:write'
]

export async function declareCraftkit (latchkey: Latchkey): Promise<void> {
  await declare(latchkey, { identifier: identifierOf(latchkey), name: 'CraftKit', scopes, style: styles.craftkit })
}

/** The routes, of one environment if given. Mount them at `craftkitPath`. */
export function craftkit (
  latchkey: Latchkey, studio: Studio, only: Pick<GuardOptions, 'environment'> = {}
): FastifyPluginAsyncTypebox {
  const projectOf = ({ principal }: FastifyRequest) => studio.of(principal.organizationId, principal.environment)

  /** A render for the principal; a test credential's is watermarked. */
  const answerRender = (
    request: FastifyRequest, reply: FastifyReply, template: string, values: Record<string, string>
  ) => {
    const { principal } = request
    if (!mayTouch(principal, 'templates', template)) {
      return sendError(reply, 403, 'forbidden', 'The credential is restricted to other templates.')
    }
    const made = render(projectOf(request), {
      template, values, owner: principal.id, endUser: principal.subject, watermarked: principal.environment === 'test'
    })
    return made === null ? sendError(reply, 404, 'not_found', 'There is no such template.') : reply.code(201).send(made)
  }

  return async app => {
    await app.register(latchkey.guard, { resource: identifierOf(latchkey), ...only })
    app.setErrorHandler(presentError)
    app.setNotFoundHandler((_request, reply) => sendError(reply, 404, 'not_found', 'There is no such route.'))

    const Values = Type.Record(Type.String(), Type.String({ maxLength: 1_000 }))
    const Order = Type.Object({ template: Type.String(), values: Values }, { additionalProperties: false })

    app.get('/v1/templates', { config: { scopes: ['templates:read'] } }, async request => ({
      data: [...projectOf(request).templates.values()].filter(({ id }) => mayTouch(request.principal, 'templates', id)),
    }))

    app.post(
      '/v1/renders', { config: { scopes: ['renders:write'] }, schema: { body: Order } },
      async (request, reply) => await answerRender(request, reply, request.body.template, request.body.values)
    )

    const RenderParams = Type.Object({ render_id: Type.String() })
    app.get(
      '/v1/renders/:render_id',
      { config: { scopes: ['renders:read'] }, schema: { params: RenderParams } },
      async (request, reply) =>
        projectOf(request).renders.get(request.params.render_id) ??
          sendError(reply, 404, 'not_found', 'There is no such render.')
    )

    // The page that embeds the editor asks with a project key; its end users have sessions.
    app.get(
      '/v1/embed', { config: { scopes: ['renders:write'], feature: 'embedding' } },
      async ({ principal }) => ({ project: principal.organizationId, environment: principal.environment })
    )

    app.post('/v1/embed/renders', {
      config: { scopes: ['renders:write'], feature: 'embedding', session: true }, schema: { body: Order }
    }, async (request, reply) => await answerRender(request, reply, request.body.template, request.body.values))

    app.post('/v1/webhooks/:token', {
      config: { scopes: ['renders:write'], webhook: { param: 'token', type: 'templates' } }, schema: { body: Values }
    }, async (request, reply) => await answerRender(request, reply, request.boundObject!.id, request.body))

    await app.register(configuration(projectOf))
  }
}

/**
 * The configuration of a project is reserved to CraftKit's own pages, which use access tokens: a key of any scope
 * cannot change it.
 */
function configuration (projectOf: (request: FastifyRequest) => ReturnType<Studio['of']>): FastifyPluginAsyncTypebox {
  return async app => {
    app.addHook('preHandler', async ({ principal }, reply) => {
      if (principal.kind !== 'access_token') {
        return sendError(reply, 403, 'forbidden', 'A project key renders; it does not change the project.')
      }
    })

    const TemplateParams = Type.Object({ template_id: Type.String({ pattern: '^tpl_[a-z]{1,40}$' }) })
    const Text = Type.Object({ text: Type.String({ maxLength: 10_000 }) }, { additionalProperties: false })
    app.put('/v1/templates/:template_id', {
      config: { scopes: ['templates:write'] }, schema: { params: TemplateParams, body: Text }
    }, async request => {
      const template = { id: request.params.template_id, text: request.body.text }
      projectOf(request).templates.set(template.id, template)
      return template
    })

    const Name = Type.Object({ name: Type.String({ minLength: 1, maxLength: 200 }) }, { additionalProperties: false })
    app.patch('/v1/project', { config: { scopes: ['projects:write'] }, schema: { body: Name } }, async request => {
      projectOf(request).name = request.body.name
      return { id: request.principal.organizationId, name: request.body.name }
    })

    const Target = Type.Object({ target: Type.String({ pattern: '^https://', maxLength: 500 }) }, {
      additionalProperties: false
    })
    app.put(
      '/v1/webhook-configuration',
      { config: { scopes: ['webhooks:write'] }, schema: { body: Target } },
      async request => {
        projectOf(request).webhookTarget = request.body.target
        return { target: request.body.target }
      }
    )
  }
}

function identifierOf ({ config }: Latchkey): string {
  return `${config.issuer}${craftkitPath}`
}

/** CraftKit's own errors look like the guard's. */
function presentError (error: FastifyError, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  if (error.statusCode !== undefined && error.statusCode < 500) {
    return sendError(reply, error.statusCode, 'invalid_request', error.message)
  }
  request.log.error({ err: error }, 'CraftKit failed')
  return sendError(reply, 500, 'internal', 'CraftKit failed to answer.')
}

function sendError (reply: FastifyReply, status: number, code: string, message: string): FastifyReply {
  return reply.code(status).send({ error: { code, message } })
}
