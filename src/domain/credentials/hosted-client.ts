/**
 * Clients that a document on their own host describes (draft-ietf-oauth-client-id-metadata-document). Their identifier
 * is its URL. The document is the truth about redirect URIs and keys; a record is kept from the first consent on, for
 * everything that is bound to a client here: tokens, authorizations, the revocation by an operator.
 */
import { isDeepStrictEqual } from 'node:util'
import { auditEvent } from '../audit/event.ts'
import type { AuditPort } from '../audit/log.ts'
import { notAnnotated } from '../core/annotations.ts'
import type { Operation } from '../core/operation.ts'
import { about, type Client, type ClientMetadata, type ClientPort } from './client.ts'

/** What a document says. */
export interface ClientDocument { url: string, name: string, metadata: ClientMetadata }

/** The client of a document without a record. */
export function hostedClient ({ url, name, metadata }: ClientDocument, now: Date): Client {
  return {
    id: url,
    organizationId: null,
    name,
    origin: 'hosted',
    metadata,
    secrets: [],
    grants: [],
    allowlist: [],
    introspects: [],
    assertionProfile: 'strict',
    pkceRequired: true,
    generation: 1,
    registrationAccessDigest: null,
    registrationTokenId: null,
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
}

/** The client of a document with a record: what the document says now, and what happened to it here. */
export function asDocumented (record: Client, { name, metadata }: ClientDocument): Client {
  return { ...record, name, metadata }
}

/**
 * Keeps the record of a hosted client, as its document describes it now, inside a transaction: to be called before
 * anything that is bound to the client is stored. A client of another origin is left alone. A record that says the
 * same already stays as it is.
 */
export async function keepHostedClient (
  tx: AuditPort & ClientPort, { clock, actor }: Pick<Operation<object>, 'clock' | 'actor'>, client: Client
): Promise<void> {
  if (client.origin !== 'hosted') return
  const before = await tx.clients.get(client.id)
  const now = clock()
  const metadata = withoutFetchedKeys(client.metadata)
  if (before === null) {
    await tx.clients.insert({ ...client, metadata, createdAt: now })
    return await tx.audit.append(auditEvent(actor, now, 'client.registered', about(client, { origin: 'hosted' })))
  }
  const after = { ...before, name: client.name, metadata }
  if (isDeepStrictEqual([before.name, before.metadata], [after.name, after.metadata])) return
  const kept = await tx.clients.update(after)
  await tx.audit.append(auditEvent(actor, now, 'client.updated', about(kept, { origin: 'hosted' })))
}

/** Keys at a `jwks_uri` are fetched when they are needed, and change without anybody's consent. */
function withoutFetchedKeys ({ jwks, ...metadata }: ClientMetadata): ClientMetadata {
  const others = metadata as ClientMetadata
  return jwks === undefined || metadata.jwks_uri !== undefined ? others : { ...others, jwks }
}
