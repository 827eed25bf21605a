/** Access policies: declared here, and enforced by policies of Latchkey as far as they are about MCP servers. */
import { Type } from 'typebox'
import {
  Done, exactly, NameParams, pageByName, pageOf, PageQuerystring, requireOperator, Text, Texts, type Collection
} from './context.ts'
import type { Policy } from './declarations.ts'
import { projectPolicies } from './projection.ts'

const Anything = Type.Object({}, { additionalProperties: true })
const members = {
  namespace: Type.Optional(Text),
  description: Type.Optional(Type.String({ maxLength: 1_000 })),
  tenantSelector: Type.Optional(exactly({
    matchLabels: Type.Optional(Type.Record(Type.Enum(['tenant', 'team']), Text)), matchTeam: Type.Optional(Text)
  })),
  domains: Type.Optional(Anything),
  egressRules: Type.Optional(Type.Array(Anything, { maxItems: 200 })),
  mcpServers: Type.Optional(exactly({ allow: Type.Optional(Texts), deny: Type.Optional(Texts) })),
}
const PolicyName = Type.String({ pattern: '^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$' })
const NewPolicy = exactly({ name: PolicyName, ...members })
const PolicyChange = exactly(members)
const WirePolicy = Type.Unsafe<Policy>(Type.Object({
  name: Type.String(), ...members, createdAt: Type.String({ format: 'date-time' })
}))

export const policies: Collection = (app, plane) => {
  const { declared } = plane
  app.get('/policies', {
    schema: {
      operationId: 'listPolicies',
      summary: 'List the access policies',
      tags: ['Policies'],
      querystring: PageQuerystring,
      response: { 200: pageOf(WirePolicy) }
    }
  }, async request => {
    await requireOperator(plane.latchkey(request))
    return pageByName(declared.policies.values(), request.query)
  })

  app.post('/policies', {
    schema: {
      operationId: 'createPolicy',
      summary: 'Create an access policy',
      tags: ['Policies'],
      body: NewPolicy,
      response: { 201: Done }
    }
  }, async (request, reply) => {
    const latchkey = plane.latchkey(request)
    await requireOperator(latchkey, 'policies:write')
    const { name } = request.body
    await declared.change(async () => {
      declared.requireFree('policies', name)
      declared.policies.set(name, { ...request.body, createdAt: new Date().toISOString() })
      await projectPolicies(plane, latchkey)
    })
    return await reply.code(201).send({ name, status: 'created' })
  })

  app.get('/policies/:name', {
    schema: {
      operationId: 'getPolicy',
      summary: 'Get an access policy',
      tags: ['Policies'],
      params: NameParams,
      response: { 200: WirePolicy }
    }
  }, async request => {
    await requireOperator(plane.latchkey(request))
    return declared.policy(request.params.name)
  })

  app.put('/policies/:name', {
    schema: {
      operationId: 'updatePolicy',
      summary: 'Replace an access policy',
      tags: ['Policies'],
      params: NameParams,
      body: PolicyChange,
      response: { 200: WirePolicy }
    }
  }, async request => {
    const latchkey = plane.latchkey(request)
    await requireOperator(latchkey, 'policies:write')
    return await declared.change(async () => {
      const { name, createdAt } = declared.policy(request.params.name)
      const policy = { name, ...request.body, createdAt }
      declared.policies.set(name, policy)
      await projectPolicies(plane, latchkey)
      return policy
    })
  })

  app.delete('/policies/:name', {
    schema: {
      operationId: 'deletePolicy',
      summary: 'Delete an access policy',
      tags: ['Policies'],
      params: NameParams,
      response: { 200: Done }
    }
  }, async request => {
    const latchkey = plane.latchkey(request)
    await requireOperator(latchkey, 'policies:write')
    const { name } = declared.policy(request.params.name)
    await declared.change(async () => {
      declared.policies.delete(name)
      await projectPolicies(plane, latchkey)
    })
    return { name, status: 'deleted' }
  })
}
