/**
 * CraftDesk, a small protected API: workspaces (organizations) with projects, tasks and members. Keys and OAuth tokens
 * use the same routes.
 */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { mayTouch, styles, type Latchkey } from '../../src/index.ts'
import { declare } from '../declare.ts'
import { addTask, startProject, type Desk } from './desk.ts'

/** Where the routes are mounted. */
export const craftdeskPath = '/craftdesk'

const scopes = ['projects:read', 'projects:write', 'tasks:read', 'tasks:write', 'members:read']

export async function declareCraftdesk (latchkey: Latchkey): Promise<void> {
  await declare(latchkey, { identifier: identifierOf(latchkey), name: 'CraftDesk', scopes, style: styles.craftdesk })
}

/** The routes. Mount them at `craftdeskPath`. */
export function craftdesk (latchkey: Latchkey, desk: Desk): FastifyPluginAsyncTypebox {
  const projectsOf = ({ principal }: FastifyRequest) => desk.of(principal.organizationId, principal.environment)
  return async app => {
    await app.register(latchkey.guard, { resource: identifierOf(latchkey) })
    app.setErrorHandler(presentError)
    app.setNotFoundHandler((_request, reply) => sendError(reply, 404, 'route', 'There is no such route.'))

    app.get('/v1/projects', { config: { scopes: ['projects:read'] } }, async request => ({
      data: [...projectsOf(request).values()].filter(({ id }) => mayTouch(request.principal, 'projects', id)).map((
        { id, name }
      ) => ({ id, name }))
    }))

    const Name = Type.Object({ name: Type.String({ minLength: 1, maxLength: 200 }) }, { additionalProperties: false })
    app.post(
      '/v1/projects',
      { config: { scopes: ['projects:write'] }, schema: { body: Name } },
      async (request, reply) => {
        // A new project is outside of a restricted key's projects.
        if (Object.hasOwn(request.principal.objects, 'projects')) {
          return sendError(
            reply,
            403,
            'api_key',
            'The credential is restricted to projects that exist.'
          )
        }
        const { id, name } = startProject(projectsOf(request), request.body.name)
        return await reply.code(201).send({ id, name })
      }
    )

    const object = { type: 'projects', param: 'project_id' }
    const ProjectParams = Type.Object({ project_id: Type.String() })

    app.get('/v1/projects/:project_id/tasks', {
      config: { scopes: ['tasks:read'], object }, schema: { params: ProjectParams }
    }, async (request, reply) => {
      const project = projectsOf(request).get(request.params.project_id)
      return project === undefined
        ? sendError(reply, 404, 'project', 'There is no such project.')
        : { data: project.tasks }
    })

    const Title = Type.Object({ title: Type.String({ minLength: 1, maxLength: 200 }) }, { additionalProperties: false })
    app.post('/v1/projects/:project_id/tasks', {
      config: { scopes: ['tasks:write'], object }, schema: { params: ProjectParams, body: Title }
    }, async (request, reply) => {
      const project = projectsOf(request).get(request.params.project_id)
      if (project === undefined) return sendError(reply, 404, 'project', 'There is no such project.')
      return await reply.code(201).send(addTask(project, request.body.title))
    })

    app.get('/v1/members', { config: { scopes: ['members:read'] } }, async ({ principal }) => {
      const { items } = await latchkey.operation.store.members.page({ limit: 100, after: null }, {
        organizationId: principal.organizationId!
      })
      return {
        data: items.filter(({ removedAt }) => removedAt === null).map(({ id, name, role }) => ({ id, name, role }))
      }
    })
  }
}

function identifierOf ({ config }: Latchkey): string {
  return `${config.issuer}${craftdeskPath}`
}

/** CraftDesk's own errors look like the guard's. */
function presentError (error: FastifyError, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  if (error.statusCode !== undefined && error.statusCode < 500) {
    return sendError(reply, error.statusCode, 'request', error.message)
  }
  request.log.error({ err: error }, 'CraftDesk failed')
  return sendError(reply, 500, 'server', 'CraftDesk failed to answer.')
}

const messages: Readonly<Record<number, string>> = { 400: 'Bad Request', 403: 'Forbidden', 404: 'Not Found' }

function sendError (reply: FastifyReply, status: number, field: string, message: string): FastifyReply {
  return reply.code(status).send({
    message: messages[status] ?? 'Server Error', code: status, errors: { [field]: [message] }
  })
}
