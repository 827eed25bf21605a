/**
 * The server under measurement: Latchkey, and in the same process the bare routes for comparison. Prints one line of
 * JSON when it listens: the address, and the credentials to use.
 */
import formbody from '@fastify/formbody'
import Fastify, { type FastifyInstance } from 'fastify'
import { generateKeyPairSync, randomBytes, sign } from 'node:crypto'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { allow } from '../src/domain/authorizations/allow.ts'
import { createApiKey } from '../src/domain/credentials/api-key-creation.ts'
import { createClient } from '../src/domain/credentials/client-change.ts'
import { createMember } from '../src/domain/members/member.ts'
import { referenceOf } from '../src/domain/resources/scope.ts'
import { signJwt } from '../src/domain/tokens/jws.ts'
import { createOrganization } from '../src/domain/tenancy/organization.ts'
import { updateResource } from '../src/domain/declaration/resource-change.ts'
import { loadConfig, openLatchkey } from '../src/index.ts'

const clientCount = Number(process.argv[2] ?? 1000)
const port = Number(process.argv[3] ?? 4300)
const data = mkdtempSync(join(tmpdir(), 'latchkey-bench-'))
const issuer = `http://127.0.0.1:${port}`
const config = loadConfig({
  PORT: String(port), LATCHKEY_DATA: data, LATCHKEY_ISSUER: issuer, LATCHKEY_LOG_LEVEL: 'silent'
})

const latchkey = await openLatchkey(config)
const { operation } = latchkey
await updateResource(operation, issuer, { scopes: [{ name: 'company:read', keyOnly: false, description: null }] })
const organization = await createOrganization(operation, { name: 'Bench' })
const owner = { organizationId: organization.id, name: 'bench' }
const { text: key } = await createApiKey(operation, {
  ...owner, resource: issuer, environment: 'live', scopes: ['company:read']
})
/** For one call about many. */
const keys: string[] = []
for (let i = 0; i < 100; i++) {
  const { text } = await createApiKey(operation, {
    ...owner, resource: issuer, environment: 'live', scopes: ['company:read']
  })
  keys.push(text)
}
const clients: string[] = []
for (let i = 0; i < clientCount; i++) {
  const { client, secret } = await createClient(operation, {
    ...owner, grants: [{ resource: issuer, scopes: ['company:read'] }], introspects: [issuer]
  })
  clients.push(Buffer.from(`${client.id}:${secret}`).toString('base64'))
}

/** A token by which a client acts for a member, as the token endpoint makes it. */
async function personToken (): Promise<string> {
  const member = await createMember(operation, { organizationId: organization.id, name: 'Ada', role: 'owner' })
  const { client } = await createClient(operation, { ...owner, grants: [{ resource: issuer, scopes: [] }] })
  const { id: resourceId, scopes: declared } = (await operation.store.resources.byIdentifier(issuer))!
  const authorization = await allow(operation, {
    member, client, resourceId, scopes: declared.map(referenceOf), identityScopes: [], isRemembered: false
  })
  await operation.store.authorizations.redeem(authorization.id, new Date())
  const iat = Math.floor(Date.now() / 1_000)
  return await signJwt(latchkey.signingKeys.ring().signing, 'at+jwt', {
    iss: issuer,
    aud: issuer,
    sub: member.id,
    client_id: client.id,
    jti: randomBytes(32).toString('base64url'),
    iat,
    exp: iat + 3_600,
    scope: 'company:read',
    org_id: organization.id,
    gen: client.generation,
    gnt: authorization.id
  })
}

const answer = { company: 'Bench', status: 'active' }
const app = Fastify({ logger: false })
await app.register(latchkey.routes)
app.get('/bare', async () => answer)
app.post('/bare-json', async () => answer)
await app.register(async forms => {
  await forms.register(formbody)
  forms.post('/bare-form', async () => answer)
})
await app.register(async api => {
  await api.register(latchkey.guard, { resource: issuer })
  api.get('/guarded', { config: { scopes: ['company:read'] } }, async () => answer)
})
await app.register(bareSigner)
process.once('SIGINT', () => process.exit(0))
await app.listen({ port, host: '127.0.0.1' })
process.stdout.write(JSON.stringify({
  url: issuer,
  key,
  keys,
  clients,
  personToken: await personToken(),
  organization: organization.id,
  adminToken: config.generatedAdminToken
}) + '\n')

/**
 * The minimum of a token endpoint: signs one ES256 JWT with the claims of Latchkey's, on the thread pool. Reads no
 * body. `/sign` uses `node:crypto` directly, `/sign-quickly` the signer of the token endpoint.
 */
async function bareSigner (context: FastifyInstance): Promise<void> {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const signingKey = {
    kid: randomBytes(32).toString('base64url'),
    algorithm: 'ES256' as const,
    privateJwk: privateKey.export({ format: 'jwk' })
  }
  const header = Buffer.from(JSON.stringify({ alg: 'ES256', typ: 'at+jwt', kid: signingKey.kid })).toString('base64url')
  const subject = `cli_${'x'.repeat(22)}`
  context.removeAllContentTypeParsers()
  context.addContentTypeParser('*', (_request, payload, done) => { payload.resume(); done(null) })
  const claims = () => {
    const iat = Math.floor(Date.now() / 1000)
    return {
      jti: randomBytes(32).toString('base64url'),
      sub: subject,
      iat,
      exp: iat + 3600,
      scope: 'company:read',
      client_id: subject,
      iss: issuer,
      aud: issuer,
      org_id: organization.id,
      gen: 1
    }
  }
  const answerWith = (text: string) => ({
    access_token: text, expires_in: 3600, scope: 'company:read', token_type: 'Bearer'
  })
  context.post('/sign', async () => {
    const input = `${header}.${Buffer.from(JSON.stringify(claims())).toString('base64url')}`
    const signature = await new Promise<Buffer>((resolve, reject) => {
      sign('sha256', Buffer.from(input), { key: privateKey, dsaEncoding: 'ieee-p1363' }, (error, value) => {
        if (error) reject(error)
        else resolve(value)
      })
    })
    return answerWith(`${input}.${signature.toString('base64url')}`)
  })
  context.post('/sign-quickly', async () => answerWith(await signJwt(signingKey, 'at+jwt', claims())))
}
