/** The routes of remote guards: a session is opened, polled, asked about credentials, reported to, and ended. */
import type { FastifyRequest } from 'fastify'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { addressOf, readAddress, unknownAddress } from '../../base/ip-address.ts'
import { Failure } from '../../base/errors.ts'
import type { Registry } from '../../domain/access/registry.ts'
import type { Client } from '../../domain/credentials/client.ts'
import { resourceMetadataUrl } from '../../domain/resources/resource-metadata.ts'
import type { Resource } from '../../domain/resources/resource.ts'
import { tokenScopesOf } from '../../domain/resources/token-scopes.ts'
import type { KeyRing } from '../../domain/tokens/signing-key.ts'
import type { AdmissionDependencies } from '../../guard/admission.ts'
import { recordRefusal, type RecordDependencies } from '../../guard/verdict-record.ts'
import { quiet } from '../../http/quiet-route.ts'
import { askableResource, askableResources } from '../askable-resources.ts'
import { askingClient, type AskingClientOptions } from '../asking-client.ts'
import { disclosedRefusal } from '../disclosure.ts'
import type { GuardSession } from './guard-session.ts'
import type { GuardSessions } from './guard-sessions.ts'
import { lookUp, type LookupDependencies } from './lookup.ts'
import { refusalTemplates } from './refusal-templates.ts'
import { failures, LookupBody, OpenBody, PollBody, schemas, SessionParams, UsageBody } from './schemas.ts'
import { resourcesOf, signingKeys } from './subjects.ts'
import { applyReport, type ReportOptions } from './usage-report.ts'

export interface GuardSessionOptions extends AdmissionDependencies, RecordDependencies {
  issuer: string
  registry: Registry
  asking: AskingClientOptions
  reporting: ReportOptions
  guardSessions: GuardSessions
  /** The present signing keys. */
  ring: () => KeyRing
}

const path = '/guard/sessions'

/** As an assertion of a client may name it. */
const endpoint = `/api/v1${path}`

/** @throws Failure `insufficient_permissions`, alike for a resource that the client may not ask about, and for none. */
async function requireAsked (registry: Registry, client: Client, named: string): Promise<Resource> {
  const resource = askableResource(await askableResources(registry, client), named)
  if (resource === null) {
    throw new Failure('insufficient_permissions', {
      message: `This client may not guard ${JSON.stringify(named.slice(0, 256))}: it needs the resource among those ` +
        'it introspects: `latchkey client update CLIENT --introspect RESOURCE`.'
    })
  }
  return resource
}

export function guardSessionRoutes (options: GuardSessionOptions): FastifyPluginAsyncTypebox {
  const { issuer, registry, guardSessions, asking, ring, clock, authenticator, reporting } = options
  const lookups: LookupDependencies = { authenticator, meter: reporting.meter, clock }

  /** The client behind a request, and its session. @throws Failure `session_ended` when it has to open another. */
  const ofRequest = async (
    request: FastifyRequest, id: string
  ): Promise<{ client: Client, session: GuardSession, resource: Resource }> => {
    const client = await askingClient(asking, request, endpoint, {})
    const session = guardSessions.require(id, client.id)
    const resource = await requireAsked(registry, client, session.resourceId)
    return { client, session, resource }
  }

  return async app => {
    // Polls that are held would keep a server from closing.
    app.addHook('preClose', async () => { guardSessions.close() })

    app.post(path, {
      config: { failures: failures.open }, schema: { ...schemas.open, body: OpenBody }
    }, async (request, reply) => {
      const client = await askingClient(asking, request, endpoint, {})
      const resource = await requireAsked(registry, client, request.body.resource)
      const session = guardSessions.open(client.id, resource.id, addressOf(request))
      session.hand([resourcesOf(resource.organizationId), signingKeys])
      const { id, identifier, style, organizationId } = resource
      return reply.code(201).send({
        session: session.id,
        position: session.position,
        lease: guardSessions.lease,
        issuer,
        resource: {
          id,
          identifier,
          organization: organizationId,
          style,
          metadata: resourceMetadataUrl(identifier),
          ...tokenScopesOf(resource)
        },
        keys: ring().jwks.keys,
        ...(request.body.templates === true ? refusalTemplates(resource) : {})
      })
    })

    app.post(`${path}/:session/poll`, {
      ...quiet(app),
      config: { failures: failures.poll },
      schema: { ...schemas.poll, params: SessionParams, body: PollBody }
    }, async request => {
      const { session } = await ofRequest(request, request.params.session)
      if (!session.confirm(request.body.applied)) {
        throw new Failure('invalid_request', {
          message: `The position ${request.body.applied} is not between the last confirmed one and ${session.position}.`
        })
      }
      session.counts.confirm(request.body.counted ?? 0)
      const news = await guardSessions.poll(session)
      if (session.hasEnded) throw new Failure('session_ended')
      // It was held: a client that was revoked meanwhile gets no trust.
      await ofRequest(request, session.id)
      return news
    })

    app.post(`${path}/:session/lookup`, {
      config: { failures: failures.lookup },
      schema: { ...schemas.lookup, params: SessionParams, body: LookupBody }
    }, async request => {
      const { client, session, resource } = await ofRequest(request, request.params.session)
      if (session.hasEnded) throw new Failure('session_ended')
      const { credential: text, kind, address } = request.body
      const found = await lookUp(lookups, session, resource, { kind, text })
      if (!('refusal' in found)) return found
      recordRefusal(options, found.refusal, {
        address: readAddress(address) ?? unknownAddress,
        id: request.id,
        log: request.log,
        resource,
        route: `POST ${path}/:session/lookup`,
        about: { askedBy: client.id }
      })
      return { ...found, refusal: disclosedRefusal(client, resource.style.errors, found.refusal) }
    })

    app.post(`${path}/:session/usage`, {
      ...quiet(app),
      config: { failures: failures.usage },
      schema: { ...schemas.usage, params: SessionParams, body: UsageBody }
    }, async (request, reply) => {
      const { session } = await ofRequest(request, request.params.session)
      await applyReport(reporting, session, request.body, clock())
      return reply.code(204).send(null)
    })

    app.delete(`${path}/:session`, {
      config: { failures: failures.end }, schema: { ...schemas.end, params: SessionParams }
    }, async (request, reply) => {
      const { session } = await ofRequest(request, request.params.session)
      guardSessions.leave(session)
      return reply.code(204).send(null)
    })
  }
}
