/** An organization that trusts an identity provider, and a browser that signs in with it. */
import { newBrowser, type Browser, type Visit } from './browsing.ts'
import { startIdentityProvider, type Person, type TestIdentityProvider } from './identity-provider.ts'
import { freePort } from './running-server.ts'
import { startServer, type Json, type ServerOptions, type TestServer } from './test-server.ts'

export interface Journey {
  server: TestServer
  idp: TestIdentityProvider
  /** Signs a person in, in a new browser unless one is given; follows redirects to the end. */
  signIn (person: Person, browser?: Browser, query?: string): Promise<Visit & { browser: Browser }>
  /** What `/auth/me` answers to a browser. */
  me (browser: Browser): Promise<{ status: number, json: Json }>
  /** Creates a record of the management API. @throws unless it succeeds. */
  create (path: string, body: Json): Promise<Json>
  /** Creates an organization that trusts the provider. */
  trusting (trust?: Json): Promise<string>
  close (): Promise<void>
}

/** Starts both. */
export async function startJourney (
  options: ServerOptions = {}, { claimsInUserInfo = false, scopes = 'openid email profile groups' } = {}
): Promise<Journey> {
  const port = await freePort()
  const origin = options.issuer ?? `http://127.0.0.1:${port}`
  const idp = await startIdentityProvider([`${origin}/api/v1/auth/callback`], {
    logoutUri: `${origin}/api/v1/auth/backchannel-logout`, claimsInUserInfo
  })
  const server = await startServer({
    ...options,
    port,
    issuer: origin,
    environment: {
      ...idp.variables('UP'),
      LATCHKEY_OIDC_UP_NAME: 'Upstream',
      LATCHKEY_OIDC_UP_SCOPES: scopes,
      ...options.environment
    }
  })
  const create = async (path: string, body: Json) => {
    const answer = await server.admin('POST', path, body)
    if (answer.status !== 201) throw new Error(`POST ${path}: ${answer.status} ${answer.text}`)
    return answer.json
  }
  return {
    server,
    idp,
    create,
    async signIn (person, browser = newBrowser(), query = '') {
      idp.person = person
      return { ...await browser.open(`${origin}/api/v1/auth/login?provider=up${query}`), browser }
    },
    async me (browser) {
      const { status, text } = await browser.send('GET', `${origin}/api/v1/auth/me`, undefined, {
        accept: 'application/json'
      })
      return { status, json: text === '' ? {} : JSON.parse(text) }
    },
    async trusting (trust = {}) {
      const { id } = await create('/organizations', { name: 'Acme' })
      await create('/trusted-providers', { organization: id, provider: 'up', ...trust })
      return id
    },
    async close () {
      await server.close()
      await idp.close()
    },
  }
}
