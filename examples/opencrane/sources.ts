/** Third-party sources: registries of others, which Latchkey asks and shows as theirs. */
import { Type, type Static } from 'typebox'
import {
  Ended, exactly, IdParams, pageOf, PageQuerystring, shown, Text, type Collection
} from './context.ts'
import { ownerOf } from './tenants.ts'

const Kind = Type.Enum(['mcp-registry', 'skills'])
const Url = Type.String({ minLength: 1, maxLength: 2_048 })
const Headers = Type.Record(Type.String(), Type.String(), { maxProperties: 10 })
const NewSource = exactly({
  name: Text,
  type: Kind,
  url: Url,
  headers: Type.Optional(Headers),
  tenant: Type.Optional(Type.With(Text, { description: 'Absent: the platform, which takes an operator.' }))
})
const SourceChange = exactly({
  name: Type.Optional(Text), url: Type.Optional(Url), headers: Type.Optional(Headers)
})
const WireSource = Type.Object({
  id: Type.String(),
  name: Type.String(),
  type: Type.String(),
  url: Type.String(),
  syncStatus: Type.Enum(['pending', 'synced', 'failed']),
  lastSyncedAt: Type.Optional(Type.String({ format: 'date-time' }))
})

interface Source {
  id: string,
  name: string,
  kind: string,
  url: string
  fetchedAt: string | null
  lastFetch: { error: string | null } | null
}

export const sources: Collection = (app, plane) => {
  const tags = ['Third-party Sources']
  const pathOf = (id: string) => `/third-party-sources/${encodeURIComponent(id)}`
  app.get('/third-party-sources', {
    schema: {
      operationId: 'listThirdPartySources',
      summary: 'List the third-party sources',
      tags,
      querystring: PageQuerystring,
      response: { 200: pageOf(WireSource) }
    }
  }, async request => shown(await plane.latchkey(request).page<Source>('/third-party-sources', request.query), wire))

  app.post('/third-party-sources', {
    schema: {
      operationId: 'createThirdPartySource',
      summary: 'Register a third-party source',
      tags,
      body: NewSource,
      response: { 201: WireSource }
    }
  }, async (request, reply) => {
    const latchkey = plane.latchkey(request)
    const { tenant, type: kind, ...input } = request.body
    const organization = await ownerOf(plane, latchkey, tenant)
    const source = await latchkey.send<Source>('POST', '/third-party-sources', { organization, kind, ...input })
    return await reply.code(201).send(wire(source))
  })

  app.get('/third-party-sources/:id', {
    schema: {
      operationId: 'getThirdPartySource',
      summary: 'Get a third-party source',
      tags,
      params: IdParams,
      response: { 200: WireSource }
    }
  }, async request => wire(await plane.latchkey(request).get<Source>(pathOf(request.params.id))))

  app.put('/third-party-sources/:id', {
    schema: {
      operationId: 'updateThirdPartySource',
      summary: 'Update a third-party source',
      tags,
      params: IdParams,
      body: SourceChange,
      response: { 200: WireSource }
    }
  }, async request =>
    wire(await plane.latchkey(request).send<Source>('PATCH', pathOf(request.params.id), request.body)))

  app.delete('/third-party-sources/:id', {
    schema: {
      operationId: 'deleteThirdPartySource',
      summary: 'Remove a third-party source',
      tags,
      params: IdParams,
      response: { 200: Ended }
    }
  }, async request => {
    const { id } = request.params
    await plane.latchkey(request).send('DELETE', pathOf(id))
    return { id, status: 'deleted' }
  })
}

function wire ({ id, name, kind, url, fetchedAt, lastFetch }: Source): Static<typeof WireSource> {
  const syncStatus = lastFetch === null ? 'pending' : lastFetch.error === null ? 'synced' : 'failed'
  return { id, name, type: kind, url, syncStatus, ...(fetchedAt === null ? {} : { lastSyncedAt: fetchedAt }) }
}
