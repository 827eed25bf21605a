/** Keys of AI providers: the platform's, or a tenant's. They go in, and come out to the gateway alone. */
import { Type, type Static } from 'typebox'
import { Refusal, type Latchkey } from './control-plane.ts'
import { exactly, pageOf, pageQuery, shown, Text, type Collection } from './context.ts'
import { byOrganization, organizationOf } from './tenants.ts'

const OfTenant = exactly({ tenant: Type.Optional(Text) })
const KeyText = Type.String({ minLength: 16, maxLength: 1_000 })
const WireKey = Type.Object({
  provider: Type.String(),
  tenant: Type.Optional(Type.String()),
  configured: Type.Boolean(),
  fingerprint: Type.String(),
  updatedAt: Type.String({ format: 'date-time' })
})

interface Key {
  id: string,
  organization: string | null,
  provider: string,
  fingerprint: string
  createdAt: string,
  replacedAt: string | null
}

export const providers: Collection = (app, plane) => {
  const wire = (key: Key): Static<typeof WireKey> => {
    const tenant = key.organization === null ? undefined : byOrganization(plane).get(key.organization)?.name
    return {
      provider: key.provider,
      ...(tenant === undefined ? {} : { tenant }),
      configured: true,
      fingerprint: key.fingerprint,
      updatedAt: key.replacedAt ?? key.createdAt
    }
  }
  app.get('/providers/keys', {
    schema: {
      operationId: 'listProviderKeys',
      summary: 'List the provider keys that are set, without their texts',
      tags: ['Provider Keys'],
      querystring: exactly({ ...pageQuery, ...OfTenant.properties }),
      response: { 200: pageOf(WireKey) }
    }
  }, async request => {
    const latchkey = plane.latchkey(request)
    const { tenant, ...query } = request.query
    const organization = await organizationOf(plane, latchkey, tenant)
    return shown(await latchkey.page<Key>('/provider-keys', query, { organization }), wire)
  })

  app.put('/providers/keys', {
    schema: {
      operationId: 'upsertProviderKey',
      summary: 'Set a provider key',
      tags: ['Provider Keys'],
      body: exactly({ provider: Text, apiKey: KeyText, ...OfTenant.properties }),
      response: { 200: WireKey }
    }
  }, async request => {
    const latchkey = plane.latchkey(request)
    const { provider, apiKey: key, tenant } = request.body
    const organization = await organizationOf(plane, latchkey, tenant)
    const set = async (): Promise<Key> => {
      const before = await keyOf(latchkey, provider, organization)
      return before === undefined
        ? await latchkey.send<Key>('POST', '/provider-keys', { organization: organization ?? null, provider, key })
        : await latchkey.send<Key>('PATCH', `/provider-keys/${before.id}`, { key })
    }
    return wire(await set().catch(async (error: unknown) => {
      // Another request set it meanwhile.
      if (error instanceof Refusal && error.code === 'CONFLICT') return await set()
      throw error
    }))
  })

  app.delete('/providers/keys/:provider', {
    schema: {
      operationId: 'deleteProviderKey',
      summary: 'Remove a provider key',
      tags: ['Provider Keys'],
      params: Type.Object({ provider: Text }),
      querystring: OfTenant,
      response: { 204: Type.Null() }
    }
  }, async (request, reply) => {
    const latchkey = plane.latchkey(request)
    const { provider } = request.params
    const key = await keyOf(latchkey, provider, await organizationOf(plane, latchkey, request.query.tenant))
    if (key === undefined) {
      throw new Refusal(404, 'PROVIDER_KEY_NOT_FOUND', `There is no key of ${JSON.stringify(provider)}.`)
    }
    await latchkey.send('DELETE', `/provider-keys/${key.id}`)
    return await reply.code(204).send(null)
  })
}

/** Without an organization that of the platform. */
async function keyOf (latchkey: Latchkey, provider: string, organization?: string): Promise<Key | undefined> {
  const keys = await latchkey.all<Key>('/provider-keys', { provider, organization })
  return keys.find(key => key.organization === (organization ?? null))
}
