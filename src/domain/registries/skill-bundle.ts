/** Skill bundles: versions of skills that organizations publish. None is ever overwritten; one can be yanked. */
import { Failure } from '../../base/errors.ts'
import { readMarked, secretId, withMark } from '../../secrets/authentication-code.ts'
import { fileDigest } from '../../secrets/digest.ts'
import { newId } from '../../secrets/random.ts'
import { change, type RecordKind } from '../audit/change.ts'
import { auditEvent } from '../audit/event.ts'
import type { AuditPort } from '../audit/log.ts'
import { everyBatch, type Reseal, type SealedKind } from '../audit/resealing.ts'
import { requireVisible, type Operation, type Revised } from '../core/operation.ts'
import type { Page, PageQuery } from '../core/page.ts'
import { requireActiveOrganization, type OrganizationPort } from '../tenancy/organization.ts'
import type { ArchiveFormat } from './archive.ts'
import type { FrontMatter } from './front-matter.ts'
import type { ReadBundle } from './skill-archive.ts'

/** One version of a skill. All but its yanking stays as it was published. */
export interface SkillBundle extends Revised {
  /** `skl_…` */
  id: string
  organizationId: string
  /** From its front matter; with the version it is one bundle of the organization for good. */
  name: string
  /** SemVer 2.0. */
  version: string
  frontMatter: FrontMatter
  format: ArchiveFormat
  /** SHA-256 of the archive as it was sent, in hexadecimal digits. */
  digest: string
  /** Bytes of the archive, and of its files together. */
  size: number
  unpackedSize: number
  files: number
  /** `digest` with a mark under LATCHKEY_SECRET: a row that was changed in the database is not signed. */
  seal: string
  /** The id of the secret that the mark is under. */
  sealedBy: string
  publishedBy: string
  createdAt: Date
  /** Null: it was not yanked. */
  yankedAt: Date | null
  yankedReason: string | null
}

export interface SkillFilter { organizationId?: string, name?: string, yanked?: boolean }

export interface SkillBundleRepository {
  /** @throws Failure `conflict` if the organization has this version already. */
  insert (bundle: SkillBundle, archive: Buffer): Promise<void>
  get (id: string): Promise<SkillBundle | null>
  byVersion (organizationId: string, name: string, version: string): Promise<SkillBundle | null>
  /** The archive as it was sent; null: there is no such bundle. */
  archiveOf (id: string): Promise<Buffer | null>
  /** Replaces what its yanking changes; returns it with its next revision. */
  update (bundle: SkillBundle): Promise<SkillBundle>
  page (query: PageQuery, filter: SkillFilter): Promise<Page<SkillBundle>>
  /** Of an organization: how many versions there are, and the bytes of their archives together. */
  taken (organizationId: string): Promise<{ versions: number, bytes: number }>
  /** A batch of the bundles behind an id whose mark is under another secret; empty: there are no more. */
  sealedByOthers (secretId: string, after: string): Promise<SkillBundle[]>
  /** Replaces the mark. False: the bundle has another one. */
  reseal (reseal: Reseal): Promise<boolean>
}

export interface SkillBundlePort { skillBundles: SkillBundleRepository }

/** The most versions of an organization, and the most bytes of their archives together: 1 GiB. */
export const mostVersions = 10_000
export const mostBytesOfOrganization = 1024 ** 3

/** SemVer 2.0 in at most 64 characters. */
export const skillVersion = {
  maxLength: 64,
  pattern: '^(0|[1-9][0-9]*)(\\.(0|[1-9][0-9]*)){2}(-[0-9A-Za-z.-]+)?(\\+[0-9A-Za-z.-]+)?$',
  allOf: [
    {
      pattern: '^[^+-]+(-(0|[1-9][0-9]*|[0-9]*[^0-9.+][^.+]*)(\\.(0|[1-9][0-9]*|[0-9]*[^0-9.+][^.+]*))*)?(\\+.*)?$',
      description: 'A number of a pre-release has no leading zero.'
    },
    { pattern: '^[^.+]+(\\.[^.+]+)*(\\+[^.+]+(\\.[^.+]+)*)?$', description: 'No identifier is empty.' }
  ]
}

/** What is published, apart from what its archive says. */
export interface Publication { organizationId: string, version: string, read: ReadBundle, secrets: readonly string[] }

/**
 * Publishes a version. @throws Failure `not_found`, `organization_not_active`; `conflict` for a version that is there,
 * yanked or not, whatever its content, and for an organization that has reached its bounds.
 */
export async function publishSkill (
  { store, clock, actor }: Operation<AuditPort & OrganizationPort & SkillBundlePort>,
  { organizationId, version, read, secrets }: Publication
): Promise<SkillBundle> {
  const { frontMatter, archive, ...measured } = read
  const identity = { id: newId('skl'), organizationId, name: frontMatter.name, version, digest: measured.digest }
  const bundle: SkillBundle = {
    ...identity,
    ...measured,
    frontMatter,
    ...sealOf(identity, secrets),
    publishedBy: actor.id,
    createdAt: clock(),
    yankedAt: null,
    yankedReason: null,
    revision: 1,
  }
  return await store.transaction(async tx => {
    await requireActiveOrganization(tx, actor, organizationId)
    requireNew(await tx.skillBundles.byVersion(organizationId, bundle.name, version), bundle)
    requireRoom(await tx.skillBundles.taken(organizationId), bundle)
    await tx.skillBundles.insert(bundle, archive)
    await tx.audit.append(auditEvent(actor, bundle.createdAt, 'skill.published', about(bundle)))
    return bundle
  })
}

/**
 * By id; or by `name@version`, in the organization of the actor, else in `organizationId`.
 * @throws Failure `not_found`, also for one of another organization; `invalid_request` for a name without either.
 */
export async function getSkill (
  { store, actor }: Operation<SkillBundlePort>, idOrName: string, organizationId?: string
): Promise<SkillBundle> {
  const [name, version, ...others] = idOrName.split('@')
  const owner = actor.organizationId ?? organizationId
  if (version !== undefined && owner === undefined) {
    throw new Failure('invalid_request', {
      message: 'Name the organization of the skill, or the skill by its id: names are those of an organization.',
      details: { field: 'organization' }
    })
  }
  const found = version === undefined
    ? await store.skillBundles.get(idOrName)
    : others.length > 0 ? null : await store.skillBundles.byVersion(owner!, name!, version)
  return requireVisible(actor, found, 'skill', idOrName)
}

/**
 * Marks a version as one not to be used any more. Idempotent, and for good: it stays readable by its exact version.
 * @throws Failure `not_found`, `precondition_failed`.
 */
export async function yankSkill (
  operation: Operation<AuditPort & SkillBundlePort>, id: string, reason: string | null
): Promise<SkillBundle> {
  return await change(operation, skillBundles, id, 'skill.yanked', (before, now) =>
    before.yankedAt === null ? { ...before, yankedAt: now, yankedReason: reason } : before, { reason })
}

/** The archive as it was sent. @throws Failure `record_altered` if it is not the one that was published. */
export async function archiveOf (
  { store }: Operation<SkillBundlePort>, bundle: SkillBundle, secrets: readonly string[]
): Promise<Buffer> {
  requireUnaltered(bundle, secrets)
  const archive = await store.skillBundles.archiveOf(bundle.id)
  if (archive !== null && fileDigest(archive) === bundle.digest) return archive
  throw new Failure('record_altered', { detail: `the archive of ${bundle.id} is not the one that was published` })
}

/** @throws Failure `record_altered` if the row says another digest than was published. */
export function requireUnaltered (bundle: SkillBundle, secrets: readonly string[]): void {
  if (readMarked(bundle.seal, secrets, purposeOf(bundle)) === bundle.digest) return
  throw new Failure('record_altered', { detail: `the digest of ${bundle.id} is not the one that was sealed` })
}

/** A bundle whose mark no known secret made is not marked anew, and not signed. */
export const sealedSkills: SealedKind<SkillBundlePort> = {
  event: null,
  async * read ({ skillBundles }, secrets) {
    const newest = secretId(secrets[0]!)
    for await (const bundle of everyBatch(async after => await skillBundles.sealedByOthers(newest, after))) {
      const { id, organizationId, seal: sealed } = bundle
      const isGood = readMarked(sealed, secrets, purposeOf(bundle)) === bundle.digest
      yield { id, organizationId, sealed, anew: isGood ? sealOf(bundle, secrets).seal : null }
    }
  },
  write: async (tx, reseal) => await tx.skillBundles.reseal(reseal),
}

/** How they are found, kept and audited. */
const skillBundles: RecordKind<SkillBundle, SkillBundlePort> = {
  name: 'skill',
  organizationOf: ({ organizationId }) => organizationId,
  get: (tx, id) => tx.skillBundles.get(id),
  update: (tx, after) => tx.skillBundles.update(after),
  about,
}

type Identity = Pick<SkillBundle, 'id' | 'organizationId' | 'name' | 'version' | 'digest'>

function sealOf (identity: Identity, secrets: readonly string[]): Pick<SkillBundle, 'seal' | 'sealedBy'> {
  return { seal: withMark(identity.digest, secrets[0]!, purposeOf(identity)), sealedBy: secretId(secrets[0]!) }
}

function purposeOf ({ id, organizationId, name, version }: Identity): string {
  return `skill bundle v1 ${id} ${organizationId} ${name}@${version}`
}

function requireNew (there: SkillBundle | null, { name, version, digest }: SkillBundle): void {
  if (there === null) return
  throw new Failure('conflict', {
    message: `${name}@${version} was published on ${there.createdAt.toISOString()} with ${
      there.digest === digest ? 'this content' : 'another content'
    }; a version never changes, so publish another one.`,
    details: { id: there.id }
  })
}

function requireRoom ({ versions, bytes }: { versions: number, bytes: number }, { size }: SkillBundle): void {
  if (versions < mostVersions && bytes + size <= mostBytesOfOrganization) return
  throw new Failure('conflict', {
    message: `An organization keeps at most ${mostVersions} versions of skills, and ${mostBytesOfOrganization} bytes.`
  })
}

function about (bundle: SkillBundle, detail: Record<string, unknown> = {}) {
  const { id, organizationId, name, version, digest, size } = bundle
  return { organizationId, subject: id, detail: { name, version, digest: `sha256:${digest}`, size, ...detail } }
}
