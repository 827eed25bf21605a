/** People in tests: members who are signed in, and their requests from a browser. */
import type { Identity } from '../../src/domain/people/identity.ts'
import { passkeyProvider, type Passkey } from '../../src/domain/people/passkey.ts'
import { beginSession, type SignIn } from '../../src/domain/people/person-session.ts'
import { newId, newSecret } from '../../src/secrets/random.ts'
import type { Answer, Json, Outgoing, TestServer } from './test-server.ts'

/** What a browser sends with a request that a page of the server makes. */
export const fromOwnPages = { 'sec-fetch-site': 'same-origin' }

export interface Person { id: string, organization: string, cookie: string, session: string }

type Server = Pick<TestServer, 'latchkey' | 'clock' | 'admin' | 'send' | 'createOrganization'>

/** A new member, without a session. */
export async function createMember (server: Server, input: Json = {}): Promise<{ id: string, organization: string }> {
  const organization = input.organization ?? (await server.createOrganization()).id
  const answer = await server.admin('POST', '/members', { name: 'Ada', role: 'owner', ...input, organization })
  if (answer.status !== 201) throw new Error(`POST /members: ${answer.status} ${answer.text}`)
  return { id: answer.json.id, organization }
}

/** Begins a session as a sign-in does, without its page. */
export async function signIn (
  { latchkey: { operation, config }, clock }: Pick<Server, 'latchkey' | 'clock'>, memberId: string,
  more: Partial<SignIn> = {}
): Promise<{ cookie: string, session: string }> {
  const lifetimes = { idle: config.sessionIdle, max: config.sessionMax }
  const member = (await operation.store.members.get(memberId))!
  const { session, text } = await operation.store.transaction(tx => beginSession(
    tx, { address: null, requestId: null },
    { member, identityId: null, amr: ['otp'], provider: null, vouchedBy: null, ...more }, lifetimes, clock.now()
  ))
  const name = config.issuer.startsWith('https:') ? '__Host-latchkey_session' : 'latchkey_session'
  return { cookie: `${name}=${text}`, session: session.id }
}

/** A new member who is signed in. */
export async function createPerson (server: Server, input: Json = {}): Promise<Person> {
  const member = await createMember(server, input)
  return { ...member, ...await signIn(server, member.id) }
}

/** A request to the management API with a person's cookie, as a page of the server makes it. */
export function asPerson (server: Pick<Server, 'send'>, { cookie }: { cookie: string }) {
  return (
    method: string, path: string, body?: Outgoing['body'], headers: Record<string, string> = {}
  ): Promise<Answer> =>
    server.send({
      method,
      path: `/api/v1${path}`,
      headers: { cookie, ...fromOwnPages, ...headers },
      ...(body === undefined ? {} : { body })
    })
}

/** A passkey of a member that no authenticator has. */
export async function createPasskey (
  { latchkey: { operation: { store } }, clock }: Pick<Server, 'latchkey' | 'clock'>, memberId: string
): Promise<Passkey> {
  const createdAt = clock.now()
  const { organizationId } = (await store.members.get(memberId))!
  const identity = { id: newId('idn'), provider: passkeyProvider, subject: newSecret(), createdAt }
  const passkey = {
    id: newId('pky'),
    identityId: identity.id,
    credentialId: newSecret(),
    publicKey: '',
    counter: 0,
    transports: [],
    backedUp: false,
    name: 'Laptop',
    createdAt,
    lastUsedAt: null
  }
  await store.identities.insert(identity)
  await store.identities.link({ identityId: identity.id, organizationId, memberId, createdAt })
  await store.passkeys.insert(passkey)
  return passkey
}

/** An account of a member at the provider with this issuer. */
export async function createAccount (
  { latchkey: { operation: { store } }, clock }: Pick<Server, 'latchkey' | 'clock'>, memberId: string, issuer: string
): Promise<Identity> {
  const createdAt = clock.now()
  const { organizationId } = (await store.members.get(memberId))!
  const identity = { id: newId('idn'), provider: issuer, subject: newSecret(), createdAt }
  await store.identities.insert(identity)
  await store.identities.link({ identityId: identity.id, organizationId, memberId, createdAt })
  return identity
}
