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
  { store, clock }: Operation<ThirdPartySourcePort>, source: ThirdPartySource, { fetch, limiter, secrets }: Asking
): Promise<SourceAnswer> {
  const { organizationId, kind } = source
  const headers = headersOf(source, secrets)
  const askPage = async (url: string, etag: string | null): Promise<SourceAnswer> => {
    if (limiter.exhausted(organizationId) !== null) return failed(null, 'has more pages than are asked in a minute')
    limiter.count(organizationId)
    const answer = await fetch({ url, headers, etag })
    const error = answer.error ?? (answer.document === null ? null : problemOf(kind, answer.document))
    return { ...answer, error }
  }
  const kept = source.fetchedAt === null ? null : await store.thirdPartySources.documentOf(source.id)
  const first = await askPage(source.url, kept?.etag ?? null)
  if (kind !== 'mcp-registry' || first.error !== null || first.document === null) return first
  const end = clock().getTime() + longestMs
  return await withNextPages(first, async cursor => {
    if (clock().getTime() > end) return failed(null, 'was not reached in half a minute')
    const url = new URL(source.url)
    url.searchParams.set('cursor', cursor)
    return await askPage(url.href, null)
  })
}

/** A page of a registry, by the MCP registry API v0.1. */
interface RegistryPage { servers: unknown[], metadata?: { nextCursor?: unknown } | null }

/** The most pages of a registry that are kept, the most characters of them, and milliseconds to ask for them. */
const mostPages = 20
const mostCharacters = 2 * 1024 * 1024
const longestMs = 30_000
const longestCursor = 1_024

/**
 * The first page with those behind it, as one list. What is beyond the bounds is left out, and the list keeps its
 * cursor then. A page that fails, or a cursor for the second time, is a failure of the whole.
 */
async function withNextPages (
  first: SourceAnswer, ask: (cursor: string) => Promise<SourceAnswer>
): Promise<SourceAnswer> {
  const { content } = first.document!
  const pages = [JSON.parse(content) as RegistryPage]
  const followed = new Set<string>()
  let characters = content.length
  let cursor = cursorOf(pages[0]!)
  while (cursor !== null && pages.length < mostPages) {
    if (followed.has(cursor)) return failed(first.status, 'names a page for the second time')
    followed.add(cursor)
    const { status, error, document } = await ask(cursor)
    if (document === null || error !== null) {
      return failed(status, `fails at page ${pages.length + 1}, which ${error ?? 'is empty'}`)
    }
    characters += document.content.length
    if (characters > mostCharacters) break
    pages.push(JSON.parse(document.content) as RegistryPage)
    cursor = cursorOf(pages.at(-1)!)
  }
  return pages.length === 1 ? withoutTag(first, cursor) : { ...first, document: joined(pages, cursor) }
}

/** An unchanged first page says nothing of the pages behind it: only a list of one page keeps its entity tag. */
function withoutTag (answer: SourceAnswer, cursor: string | null): SourceAnswer {
  return cursor === null ? answer : { ...answer, document: { ...answer.document!, etag: null } }
}

function joined (pages: readonly RegistryPage[], nextCursor: string | null): SourceDocument {
  const servers = pages.flatMap(page => page.servers)
  const { nextCursor: _, ...metadata } = pages[0]!.metadata ?? {}
  const list = {
    ...pages[0],
    servers,
    metadata: { ...metadata, count: servers.length, ...(nextCursor === null ? {} : { nextCursor }) }
  }
  return { content: JSON.stringify(list), etag: null }
}

/** Null: the page is the last one. */
function cursorOf ({ metadata }: RegistryPage): string | null {
  const cursor = typeof metadata === 'object' ? metadata?.nextCursor : undefined
  return typeof cursor === 'string' && cursor !== '' && cursor.length <= longestCursor ? cursor : null
}

function failed (status: number | null, error: string): SourceAnswer {
  return { status, error, document: null }
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
