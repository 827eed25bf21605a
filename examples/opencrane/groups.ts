/** Groups of a tenant's members: their members have the scopes of the group besides their own. */
import { Type, type Static } from 'typebox'
import {
  Ended, exactly, IdParams, pageOf, PageQuerystring, Text, type Collection
} from './context.ts'
import type { Latchkey } from './control-plane.ts'
import { visibleTenant } from './tenants.ts'

const Grants = Type.Array(exactly({ scope: Text }), { maxItems: 200 })
const description = Type.Optional(Type.String({ maxLength: 1_000 }))
const NewGroup = exactly({
  name: Text, tenant: Type.Optional(Text), description, awarenessGrants: Type.Optional(Grants)
})
const GroupChange = exactly({ name: Type.Optional(Text), description, awarenessGrants: Type.Optional(Grants) })
const WireGroup = Type.Object({
  id: Type.String(),
  name: Type.String(),
  description: Type.String(),
  memberCount: Type.Integer(),
  awarenessGrants: Type.Array(Type.Object({ scope: Type.String() }))
})

interface Group { id: string, name: string, description: string | null, scopes: string[] }

export const groups: Collection = (app, plane) => {
  app.get('/groups', {
    schema: {
      operationId: 'listGroups',
      summary: 'List the groups',
      tags: ['Groups'],
      querystring: PageQuerystring,
      response: { 200: pageOf(WireGroup) }
    }
  }, async request => {
    const latchkey = plane.latchkey(request)
    const { data, pagination } = await latchkey.page<Group>('/groups', request.query)
    return { data: await Promise.all(data.map(async group => await wire(latchkey, group))), pagination }
  })

  app.post('/groups', {
    schema: {
      operationId: 'createGroup',
      summary: 'Create a group',
      tags: ['Groups'],
      body: NewGroup,
      description: '`tenant` may be left out by a credential of a tenant.',
      response: { 201: WireGroup }
    }
  }, async (request, reply) => {
    const latchkey = plane.latchkey(request)
    const { tenant, ...input } = request.body
    const owner = tenant === undefined
      ? {}
      : { organization: (await visibleTenant(plane, latchkey, tenant)).organization.id }
    const group = await latchkey.send<Group>('POST', '/groups', { ...owner, scopes: [], ...read(input) })
    return await reply.code(201).send(await wire(latchkey, group))
  })

  app.get('/groups/:id', {
    schema: {
      operationId: 'getGroup',
      summary: 'Get a group',
      tags: ['Groups'],
      params: IdParams,
      response: { 200: WireGroup }
    }
  }, async request => {
    const latchkey = plane.latchkey(request)
    return await wire(latchkey, await latchkey.get<Group>(pathOf(request.params.id)))
  })

  app.put('/groups/:id', {
    schema: {
      operationId: 'updateGroup',
      summary: 'Update a group; given grants replace all',
      tags: ['Groups'],
      params: IdParams,
      body: GroupChange,
      response: { 200: WireGroup }
    }
  }, async request => {
    const latchkey = plane.latchkey(request)
    return await wire(latchkey, await latchkey.send<Group>('PATCH', pathOf(request.params.id), read(request.body)))
  })

  app.delete('/groups/:id', {
    schema: {
      operationId: 'deleteGroup',
      summary: 'Delete a group; its members lose its scopes',
      tags: ['Groups'],
      params: IdParams,
      response: { 200: Ended }
    }
  }, async request => {
    const { id } = request.params
    await plane.latchkey(request).send('DELETE', pathOf(id))
    return { id, status: 'deleted' }
  })
}

function pathOf (id: string): string {
  return `/groups/${encodeURIComponent(id)}`
}

function read ({ awarenessGrants, ...input }: Static<typeof GroupChange>): object {
  return { ...input, ...(awarenessGrants === undefined ? {} : { scopes: awarenessGrants.map(({ scope }) => scope) }) }
}

async function wire (latchkey: Latchkey, group: Group): Promise<Static<typeof WireGroup>> {
  const { id, name, description, scopes } = group
  const { length } = await latchkey.all(`${pathOf(id)}/members`)
  return {
    id, name, description: description ?? '', memberCount: length, awarenessGrants: scopes.map(scope => ({ scope }))
  }
}
