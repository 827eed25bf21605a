/** An OpenID provider that answers as a test wants it to: wrong claims, other keys, slow, too large, or not at all. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { calculateJwkThumbprint, exportJWK, generateKeyPair, SignJWT, type CryptoKey, type JWK } from 'jose'
import { newSecret } from '../../src/secrets/random.ts'

type Json = Record<string, unknown>

export interface Keys { privateKey: CryptoKey | Uint8Array, jwk: JWK, alg: string }

export async function newKeys (alg = 'RS256'): Promise<Keys> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true })
  const jwk = await exportJWK(publicKey)
  return { privateKey, jwk: { ...jwk, alg, use: 'sig', kid: await calculateJwkThumbprint(jwk) }, alg }
}

/** Starts one, which vouches for `ada` until the test says otherwise. */
export async function startForgingProvider () {
  const seen = new Map<string, { nonce: string, clientId: string }>()
  const made = {
    issuer: '',
    clientId: 'latchkey',
    clientSecret: newSecret(),
    /** Signs. */
    keys: await newKeys(),
    /** Published. */
    published: [] as JWK[],
    /** Claims that replace those of the ID token. */
    claims: { sub: 'ada', email: 'ada@acme.example', email_verified: true } as Json,
    /** Parameters that replace those of the callback; null: left out. */
    callback: {} as Record<string, string | null>,
    /** Members that replace those of the discovery document. */
    discovery: {} as Json,
    /** Answers a path itself; true: it has. */
    answers: (_path: string, _request: IncomingMessage, _response: ServerResponse): boolean => false,
    /** What it was told and has made: codes, states, nonces, access and ID tokens. */
    secrets: [] as string[],
    /** What it tells at its user info, if not null; `discovery` has to name that. */
    userInfo: null as Json | null,
    /** What each sign-in asked for, the last one last. */
    authorized: [] as URLSearchParams[],
    /** How often each path was asked. */
    asked: new Map<string, number>(),
    async sign (payload: Json, typ?: string): Promise<string> {
      const { privateKey, alg, jwk } = made.keys
      return await new SignJWT(payload).setProtectedHeader({ alg, kid: jwk.kid!, ...(typ && { typ }) }).sign(privateKey)
    },
    variables: (id: string): Record<string, string> => ({
      [`LATCHKEY_OIDC_${id}_ISSUER`]: made.issuer,
      [`LATCHKEY_OIDC_${id}_CLIENT_ID`]: made.clientId,
      [`LATCHKEY_OIDC_${id}_CLIENT_SECRET`]: made.clientSecret,
    }),
    close: async (): Promise<void> => {
      server.closeAllConnections()
      await new Promise<void>(resolve => { server.close(() => { resolve() }) })
    },
  }
  made.published = [made.keys.jwk]
  const server = createServer((request, response) => {
    const url = new URL(request.url!, made.issuer)
    made.asked.set(url.pathname, (made.asked.get(url.pathname) ?? 0) + 1)
    if (made.answers(url.pathname, request, response)) return
    answer(url, request, response).catch(() => { response.destroy() })
  })
  const answer = async (url: URL, request: IncomingMessage, response: ServerResponse): Promise<void> => {
    switch (url.pathname) {
      case '/.well-known/openid-configuration': return send(response, { ...documentOf(made.issuer), ...made.discovery })
      case '/jwks': return send(response, { keys: made.published })
      case '/authorize': return redirect(url, response)
      case '/token': return send(response, {
        ...kept({ access_token: newSecret(), id_token: await made.sign(idTokenClaims(await codeIn(request))) }),
        token_type: 'Bearer'
      })
      case '/userinfo': return send(response, made.userInfo ?? {})
      default: response.writeHead(404).end()
    }
  }
  const kept = <T extends Record<string, string>>(tokens: T): T => {
    made.secrets.push(...Object.values(tokens))
    return tokens
  }
  const redirect = (url: URL, response: ServerResponse): void => {
    const { redirect_uri: target, state, nonce, client_id: clientId } = Object.fromEntries(url.searchParams)
    const code = newSecret()
    made.authorized.push(url.searchParams)
    made.secrets.push(code, state!, nonce!)
    seen.set(code, { nonce: nonce!, clientId: clientId! })
    const callback = new URL(target!)
    const parameters = { code, state: state!, iss: made.issuer, ...made.callback }
    for (const [name, value] of Object.entries(parameters)) if (value !== null) callback.searchParams.set(name, value)
    response.writeHead(302, { location: callback.href }).end()
  }
  const idTokenClaims = (code: string): Json => {
    const now = Math.floor(Date.now() / 1000)
    const { nonce, clientId } = seen.get(code)!
    return { iss: made.issuer, aud: clientId, iat: now, exp: now + 86_400, nonce, ...made.claims }
  }
  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', () => { resolve() }) })
  made.issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return made
}

export type ForgingProvider = Awaited<ReturnType<typeof startForgingProvider>>

function documentOf (issuer: string): Json {
  return {
    issuer,
    authorization_endpoint: `${issuer}/authorize`,
    token_endpoint: `${issuer}/token`,
    jwks_uri: `${issuer}/jwks`,
    response_types_supported: ['code'],
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: ['RS256'],
    authorization_response_iss_parameter_supported: true,
  }
}

async function codeIn (request: IncomingMessage): Promise<string> {
  let body = ''
  for await (const chunk of request) body += String(chunk)
  return new URLSearchParams(body).get('code')!
}

function send (response: ServerResponse, body: Json): void {
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}
