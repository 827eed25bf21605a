/** Clients that register themselves (RFC 7591, RFC 7592), and their removal when they are abandoned. */
import { isDeepStrictEqual } from 'node:util'
import { digestOf } from '../../secrets/digest.ts'
import { newRegistrationAccessText } from '../../secrets/credential-text.ts'
import { newSecret, newId } from '../../secrets/random.ts'
import { auditEvent } from '../audit/event.ts'
import { notAnnotated } from '../core/annotations.ts'
import type { Operation } from '../core/operation.ts'
import {
  about, newClientSecret, nextGeneration, usesSecret, type Client, type ClientAuthMethod, type ClientMetadata,
  type NewClient, type ClientPort
} from './client.ts'
import { changeClient } from './client-change.ts'
import { spendRegistrationToken, type RegistrationToken, type RegistrationTokenPort } from './registration-token.ts'
import { Failure } from '../../base/errors.ts'
import { secondsAfter } from '../../base/clock.ts'
import type { ResourcePort } from '../resources/resource.ts'
import type { AuditPort } from '../audit/log.ts'
import { defaultGrants } from './default-grants.ts'

/**
 * What a client gets by registering itself (RFC 7591 §3.2.1): secret and registration access token, both shown once.
 */
export interface RegisteredClient extends NewClient { registrationAccessToken: string }

/**
 * Registers a client by itself. With a registration token the client belongs to its organization and has its scopes,
 * or, where the token names no resource, the default scopes of the organization's MCP servers; one use of the token is
 * spent in the same transaction. Without one the client has no organization and no scopes.
 * @throws Failure `unauthorized` when the token has no uses left.
 */
export async function registerClient (
  { store, clock, actor }: Operation<AuditPort & ClientPort & RegistrationTokenPort & ResourcePort>,
  metadata: ClientMetadata,
  token: RegistrationToken | null
): Promise<RegisteredClient> {
  const now = clock()
  const secret = usesSecret(metadata.token_endpoint_auth_method) ? newSecret() : null
  const registrationAccessToken = newRegistrationAccessText()
  const client: Client = {
    id: newId('cli'),
    organizationId: token?.organizationId ?? null,
    name: nameIn(metadata, 'registered client'),
    origin: 'registered',
    metadata,
    secrets: secret === null ? [] : [newClientSecret(secret, now)],
    grants: token === null || token.resourceId === null ? [] : [{ resourceId: token.resourceId, scopes: token.scopes }],
    allowlist: token?.allowlist ?? [],
    introspects: [],
    assertionProfile: 'strict',
    pkceRequired: true,
    generation: 1,
    registrationAccessDigest: digestOf(registrationAccessToken),
    registrationTokenId: token?.id ?? null,
    creatorId: null,
    createdAt: now,
    lastUsedAt: null,
    revokedAt: null,
    revokedReason: null,
    disabledAt: null,
    disabledReason: null,
    ...notAnnotated,
    revision: 1,
  }
  return await store.transaction(async (tx) => {
    const usesLeft = token === null ? null : await spendRegistrationToken(tx, token, now)
    const grants = token !== null && token.resourceId === null
      ? await defaultGrants(tx, token.organizationId)
      : client.grants
    await tx.clients.insert({ ...client, grants })
    if (token !== null) {
      await tx.audit.append(auditEvent(actor, now, 'registration_token.spent', aboutSpending(token, client, usesLeft)))
    }
    if (token !== null && usesLeft === 0) {
      await tx.audit.append(
        auditEvent(actor, now, 'registration_token.exhausted', aboutSpending(token, client, usesLeft))
      )
    }
    await tx.audit.append(auditEvent(actor, now, 'client.registered', about({ ...client, grants })))
    return { client: { ...client, grants }, secret, registrationAccessToken }
  })
}

/** Whether a client has this metadata already. The order of members is ignored: a database may keep another. */
export function isDescribedBy (client: Client, metadata: ClientMetadata): boolean {
  return isDeepStrictEqual(client.metadata, metadata) && client.name === nameIn(metadata, client.name)
}

export function nameIn ({ client_name: name }: ClientMetadata, otherwise: string): string {
  return typeof name === 'string' ? name : otherwise
}

/**
 * Replaces a registered client's descriptive metadata (RFC 7592 §2.2). Its authority and secret stay. Equal metadata
 * changes nothing and leaves no audit row.
 */
export async function replaceClientMetadata (
  operation: Operation<AuditPort & ClientPort>, id: string, metadata: ClientMetadata
): Promise<Client> {
  return await changeClient(operation, id, 'client.updated', async (before) => {
    const [now, then] = [metadata, before.metadata].map(each => each.token_endpoint_auth_method) as [
      ClientAuthMethod, ClientAuthMethod
    ]
    if (now !== then && !(usesSecret(now) && usesSecret(then))) {
      throw new Failure('invalid_request', {
        message: 'A client cannot change between a secret, its own keys and neither; register again.'
      })
    }
    if (isDescribedBy(before, metadata)) return before
    // New keys are a new proof of identity: tokens issued on the old ones end with them.
    const rekeyed = !isDeepStrictEqual(metadata.jwks, before.metadata.jwks)
    const after = { ...before, metadata, name: nameIn(metadata, before.name) }
    return rekeyed ? nextGeneration(after) : after
  })
}

/**
 * Whether a registered client was, as far as is known, never used nor changed, and may be removed at any moment: before
 * it is given anything, `useAbandoned` has to succeed.
 */
export function isAbandoned ({ origin, lastUsedAt, revision, createdAt }: Client, now: Date): boolean {
  return origin === 'registered' && lastUsedAt === null && revision === 1 &&
    createdAt <= secondsAfter(now, -abandonedAfter)
}

/** Writes that an abandoned client is used after all, so that it stays. False: it has been removed. */
export async function useAbandoned (
  { store, clock }: Pick<Operation<ClientPort>, 'store' | 'clock'>, id: string
): Promise<boolean> {
  return await store.clients.use(id, clock())
}

/** Seconds after which a registered client is abandoned that was never used, claimed or changed. */
export const abandonedAfter = 7 * 86400
/**
 * Seconds from then until it is removed (`reapAbandonedClients`). Until a client is abandoned its use is written
 * behind, with a delay, on other servers too; from then on before the request is answered.
 */
export const removedAfter = 86400
export function aboutSpending (token: RegistrationToken, client: Client, usesLeft: number | null) {
  return { organizationId: token.organizationId, subject: token.id, detail: { client: client.id, usesLeft } }
}
