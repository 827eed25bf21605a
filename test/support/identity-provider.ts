/** A real OpenID provider beside the tests: oidc-provider, in which a person has signed in without a page. */
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import Provider, { type Configuration, interactionPolicy } from 'oidc-provider'
import { generateKeyPair, exportJWK } from 'jose'
import { newSecret } from '../../src/secrets/random.ts'

export interface Person extends Record<string, unknown> {
  sub: string
  email?: string
  email_verified?: boolean | string
}

export interface TestIdentityProvider {
  issuer: string
  clientId: string
  clientSecret: string
  /** The person that signs in from now on. */
  person: Person
  /** What the person decides instead, if not null: the error of the provider. */
  refuses: string | null
  /** Variables with which a Latchkey knows it as the provider `id`. */
  variables (id: string): Record<string, string>
  /** Ends its sessions of the person, and tells its clients (back-channel logout). Returns their answers. */
  signOut (sub: string): Promise<number[]>
  /** Stops to answer; the port stays its own. */
  stop (): Promise<void>
  /** Answers again. */
  start (): Promise<void>
  close (): Promise<void>
}

/** Starts one. `redirectUri` and `logoutUri` are those of the Latchkey that is its client. */
export async function startIdentityProvider (
  redirectUris: string[], options: { logoutUri?: string, claimsInUserInfo?: boolean } = {}
): Promise<TestIdentityProvider> {
  const clientId = 'latchkey'
  const clientSecret = newSecret()
  let server: Server = createServer()
  await listen(server, 0)
  const { port } = server.address() as AddressInfo
  const issuer = `http://127.0.0.1:${port}`
  const answers: number[] = []
  const provider = new Provider(issuer, {
    ...await configurationOf(options.claimsInUserInfo === true, answers),
    clients: [{
      client_id: clientId,
      client_secret: clientSecret,
      redirect_uris: redirectUris,
      ...(options.logoutUri === undefined
        ? {}
        : { backchannel_logout_uri: options.logoutUri, backchannel_logout_session_required: true }),
    }],
    findAccount: async (_ctx, sub) => ({ accountId: sub, claims: async () => people.get(sub) ?? { sub } }),
  })
  const people = new Map<string, Person>()
  const made: TestIdentityProvider = {
    issuer,
    clientId,
    clientSecret,
    person: { sub: 'ada' },
    refuses: null,
    variables: id => ({
      [`LATCHKEY_OIDC_${id}_ISSUER`]: issuer,
      [`LATCHKEY_OIDC_${id}_CLIENT_ID`]: clientId,
      [`LATCHKEY_OIDC_${id}_CLIENT_SECRET`]: clientSecret,
    }),
    async signOut (sub) {
      answers.length = 0
      const client = await provider.Client.find(clientId)
      await (client as unknown as { backchannelLogout (sub: string, sid: string | undefined): Promise<void> })
        .backchannelLogout(sub, sids.get(sub))
      return [...answers]
    },
    async stop () {
      server.closeAllConnections()
      await new Promise<void>(resolve => { server.close(() => { resolve() }) })
    },
    async start () {
      server = createServer(handle)
      await listen(server, port)
    },
    close: async () => { await made.stop() },
  }
  const sids = new Map<string, string>()
  provider.on('grant.success', ctx => {
    const { AuthorizationCode: code, Account } = ctx.oidc.entities
    if (code?.sid !== undefined && Account !== undefined) sids.set(Account.accountId, code.sid)
  })
  const answer = provider.callback()
  const handle = (request: Parameters<typeof answer>[0], response: Parameters<typeof answer>[1]) => {
    const failed = () => { response.destroy() }
    if (!request.url!.startsWith('/interaction/')) {
      answer(request, response).catch(failed)
      return
    }
    people.set(made.person.sub, made.person)
    const result = made.refuses === null
      ? { login: { accountId: made.person.sub } }
      : { error: made.refuses, error_description: 'The person said no.' }
    provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false }).catch(failed)
  }
  server.on('request', handle)
  return made
}

async function configurationOf (claimsInUserInfo: boolean, answers: number[]): Promise<Configuration> {
  const { privateKey } = await generateKeyPair('RS256', { extractable: true })
  const policy = interactionPolicy.base()
  policy.remove('consent')
  return {
    jwks: { keys: [{ ...await exportJWK(privateKey), kid: 'one', alg: 'RS256', use: 'sig' }] },
    cookies: { keys: [newSecret()] },
    claims: {
      openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'], groups: ['groups', 'roles']
    },
    scopes: ['openid', 'email', 'profile', 'groups'],
    conformIdTokenClaims: claimsInUserInfo,
    features: { devInteractions: { enabled: false }, backchannelLogout: { enabled: true } },
    interactions: { policy, url: (_ctx, { uid }) => `/interaction/${uid}` },
    async loadExistingGrant (ctx) {
      const { client, session } = ctx.oidc
      const grant = new ctx.oidc.provider.Grant({ clientId: client!.clientId, accountId: session!.accountId! })
      grant.addOIDCScope('openid email profile groups')
      await grant.save()
      return grant
    },
    // Its own filter of addresses would refuse to tell a client on this machine.
    fetch: async (url, given) => {
      const { dispatcher: _, ...request } = given as RequestInit & { dispatcher?: unknown }
      const response = await fetch(url, request)
      answers.push(response.status)
      return response
    },
    ttl: { AccessToken: 600, AuthorizationCode: 60, Grant: 600, IdToken: 600, Interaction: 600, Session: 600 },
  }
}

async function listen (server: Server, port: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', () => { resolve() })
  })
}
