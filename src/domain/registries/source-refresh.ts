/** Asking a third-party source anew. What it answers is kept as it is, and shown as a third party's. */
import { Failure } from '../../base/errors.ts'
import { auditEvent } from '../audit/event.ts'
import type { AuditPort } from '../audit/log.ts'
import { requireVisible, type Operation } from '../core/operation.ts'
import { requireActiveOrganization, type OrganizationPort } from '../tenancy/organization.ts'
import {
  about, getSource, headersOf, type SourceDocument, type SourceKind, type ThirdPartySource, type ThirdPartySourcePort
} from './third-party-source.ts'

/** What came of a request: as fetch/conditional-fetcher.ts says it. */
export interface SourceAnswer { status: number | null, error: string | null, document: SourceDocument | null }

/** Requests of one organization. */
export const sourceLimit = { max: 30, windowSeconds: 60 }

export interface Asking {
  fetch (
    request: { url: string, headers: Readonly<Record<string, string>>, etag: string | null }
  ): Promise<SourceAnswer>
  /** Bounds the requests of an organization. */
  limiter: { exhausted (key: string): number | null, count (key: string): void }
  secrets: readonly string[]
}

/**
 * Asks a source, and keeps its answer. A failure of the source is no failure of the operation: it is in the record, and
 * the document that was kept before stays.
 * @throws Failure `not_found`, `organization_not_active`, `too_many_requests`; `conflict` if it was changed meanwhile.
 */
export async function refreshSource (
  operation: Operation<AuditPort & OrganizationPort & ThirdPartySourcePort>, id: string, asking: Asking
): Promise<ThirdPartySource> {
  const { store, clock, actor } = operation
  const source = await getSource(operation, id)
  await requireActiveOrganization(store, actor, source.organizationId)
  if (asking.limiter.exhausted(source.organizationId) !== null) {
    throw new Failure('too_many_requests', {
      message: 'The sources of this organization were asked too often; wait a minute.'
    })
  }
  asking.limiter.count(source.organizationId)
  const answer = await ask(operation, source, asking)
  return await store.transaction(async tx => {
    const present = requireVisible(actor, await tx.thirdPartySources.get(id), 'third-party source', id)
    if (present.revision !== source.revision) {
      throw new Failure('conflict', { message: 'The source was changed while it was asked; ask it again.' })
    }
    const now = clock()
    const { status, error } = answer
    const asked = { ...present, askedAt: now, status, error, fetchedAt: error === null ? now : present.fetchedAt }
    await tx.thirdPartySources.recordFetch(asked, error === null ? answer.document : null)
    await tx.audit.append(auditEvent(actor, now, 'third_party_source.fetched', about(asked, { status, error })))
    return asked
  })
}

async function ask (
  { store }: Operation<ThirdPartySourcePort>, source: ThirdPartySource, { fetch, secrets }: Asking
): Promise<SourceAnswer> {
  const kept = source.fetchedAt === null ? null : await store.thirdPartySources.documentOf(source.id)
  const answer = await fetch({ url: source.url, headers: headersOf(source, secrets), etag: kept?.etag ?? null })
  const error = answer.error ?? (answer.document === null ? null : problemOf(source.kind, answer.document))
  return { ...answer, error }
}

/** Why a document is none of its kind; null: it is. */
function problemOf (kind: SourceKind, { content }: SourceDocument): string | null {
  const document: unknown = JSON.parse(content)
  if (typeof document !== 'object' || document === null) return 'is neither an object nor a list'
  if (kind === 'mcp-registry' && !Array.isArray((document as { servers?: unknown }).servers)) {
    return 'has no list of servers, as an MCP registry has'
  }
  return null
}

/** What a source answered last. @throws Failure `not_found`, also while nothing is kept. */
export async function documentOf (
  operation: Operation<ThirdPartySourcePort>, id: string
): Promise<{ source: ThirdPartySource, content: string }> {
  const source = await getSource(operation, id)
  const kept = source.fetchedAt === null ? null : await operation.store.thirdPartySources.documentOf(id)
  if (kept !== null) return { source, content: kept.content }
  throw new Failure('not_found', {
    message: `Nothing of the third-party source ${id} is kept; refresh it, and see lastFetch for what went wrong.`
  })
}
