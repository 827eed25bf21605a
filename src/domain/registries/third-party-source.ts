/** Registries of others that an organization looks at: what they answer is shown as theirs, and granted nothing. */
import { Failure } from '../../base/errors.ts'
import { secretId } from '../../secrets/authentication-code.ts'
import { newId } from '../../secrets/random.ts'
import { seal, sealAnew, sourceSealing, unseal } from '../../secrets/sealing.ts'
import { change, remove, type RecordKind } from '../audit/change.ts'
import { auditEvent } from '../audit/event.ts'
import type { AuditPort } from '../audit/log.ts'
import { everyBatch, type Reseal, type SealedKind } from '../audit/resealing.ts'
import { requireVisible, type Operation, type Revised } from '../core/operation.ts'
import type { Page, PageQuery } from '../core/page.ts'
import { requireActiveOrganization, type OrganizationPort } from '../tenancy/organization.ts'
import { requireHeaders, requireSourceUrl } from './source-request.ts'

/** `mcp-registry`: the list of an MCP registry. `skills`: a list of skills, in any JSON. */
export const sourceKinds = ['mcp-registry', 'skills'] as const
export type SourceKind = typeof sourceKinds[number]

export interface ThirdPartySource extends Revised {
  /** `tps_…` */
  id: string
  organizationId: string
  name: string
  kind: SourceKind
  /** https. */
  url: string
  /** Names of the headers that are sent; their values are sealed. */
  headerNames: readonly string[]
  /** Null: there are none. */
  sealedHeaders: string | null
  sealedBy: string | null
  createdBy: string
  createdAt: Date
  /** When it was asked last; null: never. */
  askedAt: Date | null
  /** The HTTP status of that answer; null: none came. */
  status: number | null
  /** Why nothing was fetched then; null: it was. */
  error: string | null
  /** When the kept document was known to be the present one; null: none is kept. */
  fetchedAt: Date | null
}

/** What a source answered last: JSON as it was sent, and its entity tag. */
export interface SourceDocument { content: string, etag: string | null }

export interface ThirdPartySourceRepository {
  insert (source: ThirdPartySource): Promise<void>
  get (id: string): Promise<ThirdPartySource | null>
  /** Replaces what an actor may change; returns it with its next revision. */
  update (source: ThirdPartySource): Promise<ThirdPartySource>
  remove (id: string): Promise<void>
  page (query: PageQuery, filter: { organizationId?: string, kind?: SourceKind }): Promise<Page<ThirdPartySource>>
  documentOf (id: string): Promise<SourceDocument | null>
  /** Stores the outcome of a fetch; its revision stays. `document` null: the kept one stays. */
  recordFetch (source: ThirdPartySource, document: SourceDocument | null): Promise<void>
  /** Removes the kept document. */
  forgetDocument (id: string): Promise<void>
  /** A batch of the sources behind an id whose headers are sealed under another secret; empty: there are no more. */
  sealedByOthers (secretId: string, after: string): Promise<ThirdPartySource[]>
  /** Replaces the seal of the headers. False: they have another one. */
  reseal (reseal: Reseal): Promise<boolean>
}

export interface ThirdPartySourcePort { thirdPartySources: ThirdPartySourceRepository }

/** The most sources of an organization. */
export const mostSources = 100

type Headers = Readonly<Record<string, string>>

export interface SourceInput { organizationId: string, name: string, kind: SourceKind, url: string, headers?: Headers }

/** @throws Failure `not_found`, `organization_not_active`, `invalid_request` for a URL or a header; `conflict`. */
export async function createSource (
  { store, clock, actor }: Operation<AuditPort & OrganizationPort & ThirdPartySourcePort>,
  { headers = {}, ...input }: SourceInput, secrets: readonly string[]
): Promise<ThirdPartySource> {
  const id = newId('tps')
  const source: ThirdPartySource = {
    id,
    ...input,
    url: requireSourceUrl(input.url),
    ...sealed(id, requireHeaders(headers), secrets),
    createdBy: actor.id,
    createdAt: clock(),
    askedAt: null,
    status: null,
    error: null,
    fetchedAt: null,
    revision: 1,
  }
  return await store.transaction(async tx => {
    const { organizationId } = source
    await requireActiveOrganization(tx, actor, organizationId)
    const { items } = await tx.thirdPartySources.page({ limit: mostSources, after: null }, { organizationId })
    if (items.length === mostSources) {
      throw new Failure('conflict', { message: `An organization has at most ${mostSources} third-party sources.` })
    }
    await tx.thirdPartySources.insert(source)
    await tx.audit.append(auditEvent(actor, source.createdAt, 'third_party_source.created', about(source)))
    return source
  })
}

/** @throws Failure `not_found`, also for one of another organization. */
export async function getSource (
  { store, actor }: Operation<ThirdPartySourcePort>, id: string
): Promise<ThirdPartySource> {
  return requireVisible(actor, await store.thirdPartySources.get(id), 'third-party source', id)
}

export interface SourceChange { name?: string, url?: string, headers?: Headers }

/**
 * Changes a source. What was fetched from another URL, or with other headers, is forgotten.
 * @throws Failure `invalid_request` for another host without headers, where some are sealed: they are a secret that
 * the present host was trusted with.
 */
export async function updateSource (
  operation: Operation<AuditPort & ThirdPartySourcePort>, id: string, given: SourceChange, secrets: readonly string[]
): Promise<ThirdPartySource> {
  return await change(operation, sources, id, 'third_party_source.updated', async (before, _now, tx) => {
    const url = given.url === undefined ? before.url : requireSourceUrl(given.url)
    if (given.headers === undefined && before.sealedHeaders !== null) requireSameOrigin(before.url, url)
    const headers = given.headers === undefined ? {} : sealed(id, requireHeaders(given.headers), secrets)
    const after = { ...before, name: given.name ?? before.name, url, ...headers }
    if (url === before.url && given.headers === undefined) return after
    await tx.thirdPartySources.forgetDocument(id)
    return { ...after, askedAt: null, status: null, error: null, fetchedAt: null }
  })
}

/** Removes a source, with its headers and what was fetched. @throws Failure `not_found`, `precondition_failed`. */
export async function removeSource (
  operation: Operation<AuditPort & ThirdPartySourcePort>, id: string
): Promise<ThirdPartySource> {
  return await remove(operation, sources, id, 'third_party_source.removed', async tx => {
    await tx.thirdPartySources.remove(id)
  })
}

/** The headers of a source in the clear, for its own request alone. @throws Failure `record_altered`. */
export function headersOf (
  { id, sealedHeaders }: ThirdPartySource, secrets: readonly string[]
): Headers {
  if (sealedHeaders === null) return {}
  const text = unseal(sealedHeaders, secrets, id, sourceSealing)
  if (text !== null) return JSON.parse(text) as Headers
  throw new Failure('record_altered', { detail: `the headers of ${id} were sealed under another secret, or altered` })
}

export const sealedSources: SealedKind<ThirdPartySourcePort> = {
  event: null,
  async * read ({ thirdPartySources }, secrets) {
    const newest = secretId(secrets[0]!)
    for await (const source of everyBatch(async after => await thirdPartySources.sealedByOthers(newest, after))) {
      const { id, organizationId } = source
      const sealed = source.sealedHeaders!
      yield { id, organizationId, sealed, anew: sealAnew(sealed, secrets, id, sourceSealing) }
    }
  },
  write: async (tx, reseal) => await tx.thirdPartySources.reseal(reseal),
}

/** How they are found, kept and audited. */
const sources: RecordKind<ThirdPartySource, ThirdPartySourcePort> = {
  name: 'third-party source',
  organizationOf: ({ organizationId }) => organizationId,
  get: (tx, id) => tx.thirdPartySources.get(id),
  update: (tx, after) => tx.thirdPartySources.update(after),
  about,
}

function sealed (
  id: string, headers: Headers, secrets: readonly string[]
): Pick<ThirdPartySource, 'headerNames' | 'sealedHeaders' | 'sealedBy'> {
  const headerNames = Object.keys(headers)
  if (headerNames.length === 0) return { headerNames, sealedHeaders: null, sealedBy: null }
  const sealedHeaders = seal(JSON.stringify(headers), secrets[0]!, id, sourceSealing)
  return { headerNames, sealedHeaders, sealedBy: secretId(secrets[0]!) }
}

function requireSameOrigin (before: string, after: string): void {
  if (new URL(before).origin === new URL(after).origin) return
  throw new Failure('invalid_request', {
    message: 'The headers of this source were given for another host; send them anew with the URL, or {} for none.',
    details: { field: 'headers' }
  })
}

/** The audit row of a source. Never a value of a header. */
export function about (source: ThirdPartySource, detail: Record<string, unknown> = {}) {
  const { id, organizationId, name, kind, url, headerNames } = source
  return { organizationId, subject: id, detail: { name, kind, url, headerNames, ...detail } }
}
