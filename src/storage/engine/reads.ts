/**
 * Prepared statements for the reads of checks and of the start: Prisma takes forty times as long, and time to load.
 */
import type { Awaitable } from '../../base/awaitable.ts'
import type { ApiKey } from '../../domain/credentials/api-key.ts'
import type { Authorization } from '../../domain/authorizations/authorization.ts'
import type { ChainHead } from '../../domain/audit/chain.ts'
import type { Client } from '../../domain/credentials/client.ts'
import { everyone, type LostKind, type Refused } from '../../domain/maintenance/lost-change.ts'
import type { Organization } from '../../domain/tenancy/organization.ts'
import type { Policy } from '../../domain/policy/policy.ts'
import type { Resource } from '../../domain/resources/resource.ts'
import type { SigningKey } from '../../domain/tokens/signing-key.ts'
import type { PersonSession } from '../../domain/people/person-session.ts'
import type { Repositories } from '../../domain/store.ts'
import { readApiKey } from '../tables/api-keys.ts'
import { readChainHead } from '../tables/audit/chain-heads.ts'
import type { Columns } from '../rows/columns.ts'
import type { ImportedKey } from '../cache/imported-keys.ts'
import { readRefused } from '../tables/lost-changes.ts'
import { readPersonSession } from '../tables/person-sessions.ts'
import { readPolicy } from '../tables/policies.ts'
import { readRevokedToken } from '../tables/revoked-tokens.ts'
import type { Row } from '../rows/rows.ts'
import { readSigningKey } from '../tables/signing-keys.ts'

/**
 * Each returns the same committed record as its repository. On SQLite synchronously, so that no change can occur
 * between reading a record and caching it. Throws or rejects with Failure `storage_unavailable`.
 */
export interface Reads {
  /** Generated keys, not imported ones. */
  apiKeyByDigest (digest: string): Awaitable<ApiKey | null>
  importedApiKey (digest: string, resourceId: string): Awaitable<ApiKey | null>
  /** Imported keys of the deployment's resources, two at most. */
  importedForDeployment (digest: string): Awaitable<ApiKey[]>
  apiKey (id: string): Awaitable<ApiKey | null>
  authorization (id: string): Awaitable<Authorization | null>
  client (id: string): Awaitable<Client | null>
  organization (id: string): Awaitable<Organization | null>
  resource (id: string): Awaitable<Resource | null>
  /** Compares by normal form. */
  resourceByIdentifier (identifier: string): Awaitable<Resource | null>
  resourcesWithoutNormalForm (after: string, limit: number): Awaitable<Resource[]>
  policiesOf (organizationId: string): Awaitable<Policy[]>
  deploymentPolicies (): Awaitable<Policy[]>
  signingKeys (): Awaitable<SigningKey[]>
  /** Never cached: each request of a person reads it, so that its end holds on every server at once. */
  personSession (digest: string): Awaitable<PersonSession[]>
  /** A page of all revoked tokens after a `jti`, including expired ones. */
  revokedTokens (after: string, limit: number): Awaitable<{ jti: string, expiresAt: Date }[]>
  headsNotUnder (key: string, limit: number): Awaitable<ChainHead[]>
  /** Ids of one record at most that is not sealed under this secret; of provider keys, of any. */
  skillNotUnder (secretId: string): Awaitable<string[]>
  sourceNotUnder (secretId: string): Awaitable<string[]>
  reviewerNotUnder (secretId: string): Awaitable<string[]>
  someProviderKey (): Awaitable<string[]>
  /** A page, after an id, of the subjects that are refused because a change was lost. */
  refused (after: string, limit: number): Awaitable<(Refused & { id: string })[]>
  /** The same of one subject, of either kind: one row at most. */
  refusedSubject (kind: LostKind, other: LostKind, subject: string): Awaitable<(Refused & { id: string })[]>
  /**
   * SQLite only: the imported keys among the next `limit` rows after a rowid, since no index finds them, and the rowid
   * of the last row; null: there are no more rows.
   */
  importedKeys? (after: number, limit: number): Awaitable<{ through: number | null, keys: ImportedKey[] }>
}

/** The reads that are one statement, the same on both databases. */
export type SharedRead = Exclude<keyof Reads, 'importedKeys'>

interface Statement {
  table:
    | 'ApiKey' | 'AuditChain' | 'Authorization' | 'Client' | 'LostChange' | 'Organization' | 'PersonSession' | 'Policy'
    | 'ProviderKey' | 'Resource' | 'RevokedToken' | 'SigningKey' | 'SkillBundle' | 'ThirdPartySource'
    | 'TokenReview'
  /** The clauses after FROM; each `?` is a parameter. */
  rows: string
  /** Default: all. */
  columns?: readonly string[]
}

export const statements: Readonly<Record<SharedRead, Statement>> = {
  apiKeyByDigest: { table: 'ApiKey', rows: 'WHERE "digest" = ? AND NOT "imported"' },
  importedApiKey: { table: 'ApiKey', rows: 'WHERE "digest" = ? AND "resourceId" = ? AND "imported"' },
  importedForDeployment: {
    table: 'ApiKey',
    rows: 'WHERE "digest" = ? AND "imported" ' +
      'AND "resourceId" IN (SELECT "id" FROM "Resource" WHERE "organizationId" IS NULL) LIMIT 2'
  },
  apiKey: { table: 'ApiKey', rows: 'WHERE "id" = ?' },
  authorization: { table: 'Authorization', rows: 'WHERE "id" = ?' },
  client: { table: 'Client', rows: 'WHERE "id" = ?' },
  organization: { table: 'Organization', rows: 'WHERE "id" = ?' },
  resource: { table: 'Resource', rows: 'WHERE "id" = ?' },
  resourceByIdentifier: { table: 'Resource', rows: 'WHERE "normalIdentifier" = ?' },
  resourcesWithoutNormalForm: {
    table: 'Resource', rows: 'WHERE "normalIdentifier" IS NULL AND "id" > ? ORDER BY "id" LIMIT ?'
  },
  policiesOf: { table: 'Policy', rows: 'WHERE "organizationId" = ? ORDER BY "createdAt", "id"' },
  deploymentPolicies: { table: 'Policy', rows: 'WHERE "organizationId" IS NULL ORDER BY "createdAt", "id"' },
  personSession: { table: 'PersonSession', rows: 'WHERE "digest" = ?' },
  signingKeys: { table: 'SigningKey', rows: 'ORDER BY "createdAt", "kid"' },
  revokedTokens: {
    table: 'RevokedToken', rows: 'WHERE "jti" > ? ORDER BY "jti" LIMIT ?', columns: ['jti', 'expiresAt']
  },
  headsNotUnder: { table: 'AuditChain', rows: 'WHERE "key" <> ? ORDER BY "id" LIMIT ?' },
  skillNotUnder: { table: 'SkillBundle', rows: 'WHERE "sealedBy" <> ? LIMIT 1', columns: ['id'] },
  sourceNotUnder: { table: 'ThirdPartySource', rows: 'WHERE "sealedBy" <> ? LIMIT 1', columns: ['id'] },
  reviewerNotUnder: { table: 'TokenReview', rows: 'WHERE "sealedBy" <> ? LIMIT 1', columns: ['issuerId'] },
  someProviderKey: { table: 'ProviderKey', rows: 'LIMIT 1', columns: ['id'] },
  refused: {
    table: 'LostChange',
    rows: 'WHERE "decision" IS NULL AND "id" > ? ORDER BY "id" LIMIT ?',
    columns: ['id', 'kind', 'subject'],
  },
  refusedSubject: {
    table: 'LostChange',
    rows: `WHERE "decision" IS NULL AND "kind" IN (?, ?) AND "subject" IN (?, '${everyone}') LIMIT 1`,
    columns: ['id', 'kind', 'subject'],
  },
}

/** A prepared statement for each read that returns several rows. */
export function readsOfSeveral (several: Several, columns: Columns) {
  return {
    policiesOf: several('policiesOf', row => readPolicy(row, columns)),
    deploymentPolicies: several('deploymentPolicies', row => readPolicy(row, columns)),
    personSession: several('personSession', row => readPersonSession(row, columns)),
    signingKeys: several('signingKeys', row => readSigningKey(row, columns)),
    revokedTokens: several('revokedTokens', row => readRevokedToken(row, columns)),
    importedForDeployment: several('importedForDeployment', row => readApiKey(row, columns)),
    headsNotUnder: several('headsNotUnder', row => readChainHead(row, columns)),
    skillNotUnder: several('skillNotUnder', row => columns.text(row.id)),
    sourceNotUnder: several('sourceNotUnder', row => columns.text(row.id)),
    reviewerNotUnder: several('reviewerNotUnder', row => columns.text(row.issuerId)),
    someProviderKey: several('someProviderKey', row => columns.text(row.id)),
    refused: several('refused', row => readRefused(row, columns)),
    refusedSubject: several('refusedSubject', row => readRefused(row, columns)),
  } satisfies Partial<Reads>
}

type Several = <T>(name: SharedRead, read: (row: Row) => T) => (...values: (string | number)[]) => Awaitable<T[]>

/** `repositories` for use outside transactions; the start reads by `reads`, so it rarely has to load Prisma. */
export function withReads (repositories: Repositories, reads: Reads): Repositories {
  const { organizations, resources, policies, signingKeys, personSessions, audit } = repositories
  const { skillBundles, thirdPartySources, trustedIssuers, providerKeys } = repositories
  return {
    ...repositories,
    organizations: { ...organizations, get: async id => await reads.organization(id) },
    resources: {
      ...resources,
      get: async id => await reads.resource(id),
      byIdentifier: async identifier => await reads.resourceByIdentifier(identifier),
      withoutNormalForm: async (after, limit) => await reads.resourcesWithoutNormalForm(after, limit)
    },
    policies: {
      ...policies,
      of: async organizationId =>
        await (organizationId === null ? reads.deploymentPolicies() : reads.policiesOf(organizationId))
    },
    personSessions: {
      ...personSessions, byDigest: async digest => (await reads.personSession(digest))[0] ?? null
    },
    signingKeys: { ...signingKeys, all: async () => await reads.signingKeys() },
    audit: { ...audit, headsNotUnder: async (key, limit) => await reads.headsNotUnder(key, limit) },
    skillBundles: { ...skillBundles, ...rarely(reads.skillNotUnder, skillBundles) },
    thirdPartySources: { ...thirdPartySources, ...rarely(reads.sourceNotUnder, thirdPartySources) },
    trustedIssuers: { ...trustedIssuers, ...rarely(reads.reviewerNotUnder, trustedIssuers) },
    providerKeys: { ...providerKeys, some: async () => (await reads.someProviderKey()).length > 0 },
  }
}

interface Sealed<T> { sealedByOthers (secretId: string, after: string): Promise<T[]> }

/** `some`: of one record at most. Rarely there is one; then Prisma reads the batch whole. */
function rarely<T> (some: (secretId: string) => Awaitable<string[]>, { sealedByOthers }: Sealed<T>): Sealed<T> {
  return {
    sealedByOthers: async (secretId, after) =>
      (await some(secretId)).length === 0 ? [] : await sealedByOthers(secretId, after)
  }
}
