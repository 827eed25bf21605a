/** A client of MCP: introduces itself, sends a person to the authorization server, and gets a token. */
import { digestOf } from '../../../secrets/digest.ts'
import { newSecret } from '../../../secrets/random.ts'
import { failed, ok, warning, type Finding } from '../finding.ts'
import type { AuthorizationServer } from './authorization-server.ts'
import { ask, said, Stuck, texts, type Answer } from './documents.ts'
import { remedyOf, remedyOfRefusal } from './remedies.ts'
import type { ProtectedResource } from './resource-server.ts'

/** `registration` null: the client was given, and is not deleted afterwards. */
export interface Client { id: string, registration: { url: string, token: string } | null }

/** Registers as native clients do (RFC 7591, RFC 8252). @throws Stuck */
export async function register (
  endpoint: string, redirectUri: string
): Promise<{ finding: Finding, client: Client }> {
  const check = 'register'
  const answer = await ask(check, endpoint, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json' },
    body: JSON.stringify({
      client_name: 'latchkey doctor',
      redirect_uris: [redirectUri],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      token_endpoint_auth_method: 'none'
    })
  })
  const { client_id: id, registration_client_uri: url, registration_access_token: token } = answer.json ?? {}
  if (answer.status !== 201 || typeof id !== 'string') {
    throw new Stuck(
      check, `${endpoint} answers ${said(answer)}`,
      remedyOf(
        answer,
        'Let public clients with loopback redirect URIs register, or name a client that is known by --client-id.'
      )
    )
  }
  if (!texts(answer.json?.redirect_uris).includes(redirectUri)) {
    throw new Stuck(
      check, `the registered client has no redirect URI ${redirectUri}`,
      'Keep redirect_uris as they were sent, and answer with all that was registered (RFC 7591 §3.2.1).'
    )
  }
  const registration = typeof url === 'string' && typeof token === 'string' ? { url, token } : null
  return { finding: ok(check, id), client: { id, registration } }
}

/** Deletes a client that was registered for this walk (RFC 7592 §2.3). */
export async function unregister ({ registration }: Client): Promise<void> {
  if (registration === null) return
  const { url, token } = registration
  await ask('register', url, { method: 'DELETE', headers: { authorization: `Bearer ${token}` } }).catch(() => {})
}

/** An authorization request under way (RFC 6749 §4.1.1, RFC 7636 §4.3, RFC 8707 §2). */
export class AuthorizationRequest {
  readonly #verifier = newSecret()
  readonly #state = newSecret()
  readonly #server: AuthorizationServer
  readonly #client: Client
  readonly #redirectUri: string
  readonly #resource: ProtectedResource
  /** Those that work at present; null: none. */
  #held: Tokens | null = null

  constructor (server: AuthorizationServer, client: Client, redirectUri: string, resource: ProtectedResource) {
    this.#server = server
    this.#client = client
    this.#redirectUri = redirectUri
    this.#resource = resource
  }

  url (redirectUri = this.#redirectUri): string {
    const url = new URL(this.#server.authorizationEndpoint)
    const { resource, scopes } = this.#resource
    const parameters = {
      response_type: 'code',
      client_id: this.#client.id,
      redirect_uri: redirectUri,
      state: this.#state,
      code_challenge: digestOf(this.#verifier),
      code_challenge_method: 'S256',
      resource,
      ...(scopes.length === 0 ? {} : { scope: scopes.join(' ') })
    }
    for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value)
    return url.href
  }

  /** Whether the request would bring a person to a page. @throws Stuck where it ends in an error */
  async probe (): Promise<Finding> {
    const check = 'authorization request'
    // A server that shows people a page, before it leads them to an unverified client, tells programs the error.
    const answer = await ask(check, this.url(), { headers: { accept: 'application/json, text/html;q=0.9' } })
    const location = locationOf(answer)
    if (location?.href.startsWith(`${this.#redirectUri}?`)) {
      const { error, error_description: description } = Object.fromEntries(location.searchParams)
      if (error !== undefined) {
        throw new Stuck(check, `is refused: ${error} ${description ?? ''}`.trim(), this.#remedyOf(error))
      }
    }
    if (answer.status >= 400) {
      throw new Stuck(
        check, `${this.#server.authorizationEndpoint} answers ${said(answer)}`, this.#remedyOf(answer.json?.error)
      )
    }
    return ok(check, location === null ? 'shows a page' : `leads to ${location.origin}${location.pathname}`)
  }

  /** Whether a redirect URI that nobody registered is refused without sending anything there. */
  async probeForeign (): Promise<Finding> {
    const check = 'foreign redirect URI'
    const foreign = 'https://attacker.invalid/callback'
    const location = locationOf(await ask(check, this.url(foreign), { headers: { accept: 'text/html' } }))
    return location?.hostname === new URL(foreign).hostname
      ? failed(
        check, 'the authorization server redirects to a URI that is not registered',
        'Compare redirect URIs as strings with the registered ones, and show an error page for others (RFC 9700 §4.1).'
      )
      : ok(check, 'refused')
  }

  /** The code of an authorization response. @throws Stuck for a response that a client must refuse */
  read (response: URLSearchParams): string {
    const check = 'authorization response'
    const { error, error_description: description, state, iss, code } = Object.fromEntries(response)
    if (state !== this.#state) {
      throw new Stuck(check, 'its state is not the one that was sent', 'Return state unchanged (RFC 6749 §4.1.2).')
    }
    const { issuer, namesIssuer } = this.#server
    if (iss === undefined ? namesIssuer : iss !== issuer) {
      throw new Stuck(
        check, iss === undefined ? 'has no iss, which is announced' : `its iss is ${iss}, not ${issuer}`,
        'Send the issuer of the metadata as iss, in errors too (RFC 9207 §2).'
      )
    }
    if (error !== undefined) {
      throw new Stuck(check, `${error}${description === undefined ? '' : `: ${description}`}`, this.#remedyOf(error))
    }
    if (code === undefined) throw new Stuck(check, 'has neither code nor error', 'Send one of them.')
    return code
  }

  /** Redeems a code. @throws Stuck */
  redeem (code: string): Promise<Tokens> {
    return this.#token('token', {
      grant_type: 'authorization_code', code, redirect_uri: this.#redirectUri, code_verifier: this.#verifier
    })
  }

  /** @throws Stuck */
  refresh (refreshToken: string): Promise<Tokens> {
    return this.#token('refresh', { grant_type: 'refresh_token', refresh_token: refreshToken })
  }

  /** Revokes the tokens, and with them what the person has allowed (RFC 7009 §2.1). Never throws. */
  async end (): Promise<Finding[]> {
    if (this.#held === null) return []
    const { access, refresh } = this.#held
    const [check, remedy] = ['revocation', 'End what you have allowed where the authorization server lists it.']
    const endpoint = this.#server.revocationEndpoint
    if (endpoint === null) {
      return [warning(check, 'there is no revocation_endpoint: what you have allowed stays', remedy)]
    }
    try {
      for (const token of refresh === null ? [access] : [refresh, access]) {
        const answer = await ask(check, endpoint, {
          method: 'POST',
          headers: { accept: 'application/json' },
          body: new URLSearchParams({ token, client_id: this.#client.id })
        })
        // RFC 7009 §2.2.1: a server may revoke refresh tokens alone.
        if (answer.status === 200 || answer.json?.error === 'unsupported_token_type') continue
        return [warning(check, `${endpoint} answers ${said(answer)}`, remedy)]
      }
      return []
    } catch (error) {
      if (error instanceof Stuck) return [warning(check, error.finding.found, remedy)]
      throw error
    }
  }

  #remedyOf (error: unknown): string {
    return remedyOfRefusal(error, this.#resource.resource)
  }

  async #token (check: string, parameters: Record<string, string>): Promise<Tokens> {
    const answer = await ask(check, this.#server.tokenEndpoint, {
      method: 'POST',
      headers: { accept: 'application/json' },
      body: new URLSearchParams({ ...parameters, client_id: this.#client.id, resource: this.#resource.resource })
    })
    const { access_token: access, refresh_token: refresh = null, token_type: type, expires_in: seconds = null, scope } =
      answer.json ?? {}
    if (answer.status !== 200 || typeof access !== 'string' || String(type).toLowerCase() !== 'bearer') {
      throw new Stuck(
        check, `${this.#server.tokenEndpoint} answers ${said(answer)}`,
        remedyOf(
          answer,
          'Answer 200 with access_token and token_type Bearer; the log of the server has the reason of a refusal.'
        )
      )
    }
    this.#held = {
      access,
      refresh: typeof refresh === 'string' ? refresh : null,
      found: [
        seconds === null ? 'a token without an end' : `a token for ${String(seconds)} s`,
        ...(typeof scope === 'string' && scope !== '' ? [`scopes ${scope}`] : []),
        refresh === null ? 'no refresh token' : 'a refresh token'
      ].join(', ')
    }
    return this.#held
  }
}

/** `refresh` null: there is none. `found`: a sentence about them, without their texts. */
export interface Tokens { access: string, refresh: string | null, found: string }

function locationOf ({ headers, url, status }: Answer): URL | null {
  const location = headers.get('location')
  return status >= 300 && status < 400 && location !== null ? URL.parse(location, url) : null
}
