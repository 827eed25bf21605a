/** Access tokens for automation: management tokens of Latchkey, shown once. */
import { Type, type Static } from 'typebox'
import { exactly, IdParams, pageOf, PageQuerystring, shown, Text, Texts, type Collection } from './context.ts'
import { visibleTenant } from './tenants.ts'

const Instant = Type.String({ format: 'date-time' })
const NewToken = exactly({
  name: Text,
  owner: Type.Optional(Type.With(Text, {
    description: 'The tenant that it is confined to; absent: that of the caller, or the whole platform.'
  })),
  expiresAt: Type.Optional(Instant),
  scopes: Type.Optional(Type.With(Texts, { description: 'Scopes of the management API. Default: all.' }))
})
const WireToken = Type.Object({
  id: Type.String(),
  name: Type.String(),
  owner: Type.Optional(Type.String()),
  createdAt: Instant,
  expiresAt: Type.Optional(Instant),
  lastUsedAt: Type.Optional(Instant)
})
const Made = Type.Object({ id: Type.String(), plainTextToken: Type.String() })

interface Token {
  id: string,
  name: string,
  organization: string | null
  createdAt: string,
  expiresAt: string | null,
  lastUsedAt: string | null
}

export const accessTokens: Collection = (app, plane) => {
  app.get('/access-tokens', {
    schema: {
      operationId: 'listAccessTokens',
      summary: 'List the access tokens, without their texts',
      tags: ['Access Tokens'],
      querystring: PageQuerystring,
      response: { 200: pageOf(WireToken) }
    }
  }, async request => {
    const page = await plane.latchkey(request).page<Token>('/access-tokens', request.query, { status: 'active' })
    const names = new Map([...plane.declared.tenants.values()].map(({ organization, name }) => [organization, name]))
    return shown(page, token => wire(token, names.get(token.organization ?? undefined)))
  })

  app.post('/access-tokens', {
    schema: {
      operationId: 'createAccessToken',
      summary: 'Create an access token',
      tags: ['Access Tokens'],
      body: NewToken,
      description: 'Only this answer has its text.',
      response: { 201: Made }
    }
  }, async (request, reply) => {
    const latchkey = plane.latchkey(request)
    const { owner, scopes = ['*'], ...input } = request.body
    const confined = owner === undefined
      ? {}
      : { organization: (await visibleTenant(plane, latchkey, owner)).organization.id }
    const { id, token } = await latchkey.send('POST', '/access-tokens', { ...input, ...confined, scopes })
    return await reply.code(201).send({ id, plainTextToken: token })
  })

  app.delete('/access-tokens/:id', {
    schema: {
      operationId: 'deleteAccessToken',
      summary: 'Revoke an access token',
      tags: ['Access Tokens'],
      params: IdParams,
      response: { 204: Type.Null() }
    }
  }, async (request, reply) => {
    await plane.latchkey(request).send('DELETE', `/access-tokens/${encodeURIComponent(request.params.id)}`)
    return await reply.code(204).send(null)
  })
}

function wire ({ id, name, createdAt, expiresAt, lastUsedAt }: Token, owner?: string): Static<typeof WireToken> {
  return {
    id,
    name,
    ...(owner === undefined ? {} : { owner }),
    createdAt,
    ...(expiresAt === null ? {} : { expiresAt }),
    ...(lastUsedAt === null ? {} : { lastUsedAt })
  }
}
