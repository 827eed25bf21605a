/** A platform that gives its workloads identity tokens, and the requests by which they trade them. */
import { randomUUID } from 'node:crypto'
import { exportJWK, generateKeyPair, SignJWT, type CryptoKey, type JWK, type JWTHeaderParameters } from 'jose'
import { epochSeconds } from '../../src/base/clock.ts'
import type { Answer, Json, TestServer } from './test-server.ts'

export const jwtBearer = 'urn:ietf:params:oauth:grant-type:jwt-bearer'

export interface Platform {
  issuer: string
  jwks: { keys: JWK[] }
  /** A token with these claims besides `iss`, `iat`, `exp` and `jti`; undefined leaves one out. */
  token (claims: Json, header?: Partial<JWTHeaderParameters>): Promise<string>
}

export interface PlatformKey { kid: string, algorithm: string, publicJwk: JWK, privateKey: CryptoKey }

export async function platformKey (kid = 'first', algorithm = 'ES256'): Promise<PlatformKey> {
  const { publicKey, privateKey } = await generateKeyPair(algorithm, { extractable: true })
  return { kid, algorithm, publicJwk: { ...await exportJWK(publicKey), kid, alg: algorithm }, privateKey }
}

/** Signs by `key`, which may be replaced later. */
export async function newPlatform (
  issuer: string, { key, now = () => new Date() }: { key?: PlatformKey, now?: () => Date } = {}
): Promise<Platform> {
  const { kid, algorithm, publicJwk, privateKey } = key ?? await platformKey()
  return {
    issuer,
    jwks: { keys: [publicJwk] },
    token: async (claims, header = {}) => {
      const iat = epochSeconds(now())
      const all = { iss: issuer, iat, exp: iat + 600, jti: randomUUID(), ...claims }
      const sent = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined))
      return await new SignJWT(sent).setProtectedHeader({ alg: algorithm, kid, ...header }).sign(privateKey)
    },
  }
}

/** A request of a workload for a token. */
export async function trade (
  server: Pick<TestServer, 'send'>, assertion: string, parameters: Record<string, string> = {},
  headers: Record<string, string> = {}
): Promise<Answer> {
  return await server.send({
    method: 'POST',
    path: '/api/v1/auth/token',
    headers,
    body: new URLSearchParams({ grant_type: jwtBearer, assertion, ...parameters })
  })
}

/** Makes a record by the admin token; throws the answer unless it is 201. */
export async function make (server: Pick<TestServer, 'admin'>, path: string, body: Json): Promise<Json> {
  const answer = await server.admin('POST', path, body)
  if (answer.status !== 201) throw new Error(`POST ${path}: ${answer.status} ${answer.text}`)
  return answer.json
}

/** The newest audit event of a type. */
export async function lastEvent (server: TestServer, type: string): Promise<Json | undefined> {
  await server.latchkey.operation.store.audit.page({ limit: 1, after: null }, {})
  const { json } = await server.admin('GET', `/audit?type=${type}&limit=1`)
  return json.data[0]
}
