/** Skill bundles: published once as an archive, listed, downloaded with their signature, and yanked. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { leastUnpacked, type LargeBodies } from '../../http/large-bodies.ts'
import { Type } from '../../http/typebox-lite.ts'
import { archiveFormats } from '../../domain/registries/archive.ts'
import { mostArchiveBytes } from '../../domain/registries/archive-bounds.ts'
import { skillName } from '../../domain/registries/front-matter.ts'
import { readBundle } from '../../domain/registries/skill-archive.ts'
import {
  archiveOf, getSkill, publishSkill, requireUnaltered, skillVersion, yankSkill, type SkillBundle
} from '../../domain/registries/skill-bundle.ts'
import { signatureOf } from '../../domain/registries/skill-signature.ts'
import type { SigningKeys } from '../../domain/tokens/signing-key.ts'
import { Failure } from '../../base/errors.ts'
import { archiveAs, archiveBody, sentArchive, takeArchives } from '../conventions/archive-bodies.ts'
import { createdAfter, type CreationDependencies } from '../conventions/idempotent-creation.ts'
import { definedMembers, operationOf, organizationFilter } from '../conventions/operation.ts'
import { pageQuery, wirePage } from '../conventions/pages.ts'
import { routes, type RouteContext } from '../conventions/routes.ts'
import { revision } from '../conventions/etags.ts'
import {
  as, exactly, Id, IdParams, Moment, nullable, OrganizationId, ownPage, pageOf, PageQuerystring, Reason
} from '../conventions/schemas.ts'

const readAccess = { scopes: ['skills:read'] }
const writeAccess = { scopes: ['skills:write'] }

/** Milliseconds in which an archive has to be read: it is in memory until then. */
const longestDownload = 300_000

interface Dependencies extends CreationDependencies {
  signingKeys: SigningKeys
  secrets: readonly string[]
  archives: LargeBodies
}

/** Failures of a transfer when there are too many. */
const busy = ['too_many_requests', 'overloaded'] as const

const mediaTypes = { zip: 'application/zip', tar: 'application/x-tar', 'tar.gz': 'application/gzip' } as const

const SkillName = as(Type.String({ minLength: 1, ...skillName }), 'pdf-forms')
const Version = as(Type.String({ ...skillVersion, description: 'A version of SemVer 2.0, such as 1.4.0.' }), '1.4.0')
const Organization = Type.Optional(Type.With(OrganizationId, {
  description: 'A credential of an organization may omit it: the default is its own.'
}))
const SkillId = exactly({
  id: as(
    Type.String({ minLength: 1, maxLength: 512, description: 'Its id, or its name and version.' }), 'pdf-forms@1.4.0'
  )
})
const Archive = Type.Unsafe<Buffer>(archiveAs(Object.values(mediaTypes)))
const yankStatus = ['active', 'yanked'] as const

const members = {
  id: as(Type.String(), 'skl_3hTqWnB8vYzKcRxLmPd5Fs'),
  organization: OrganizationId,
  name: as(Type.String(), 'pdf-forms'),
  version: as(Type.String(), '1.4.0'),
  description: as(Type.String(), 'Fills in PDF forms.'),
  license: nullable(Type.String()),
  compatibility: nullable(Type.String()),
  allowedTools: nullable(Type.String({ description: 'What the skill asks for; it permits nothing.' })),
  metadata: Type.Unsafe<Readonly<Record<string, string>>>(Type.Record(Type.String(), Type.String())),
  format: Type.Enum([...archiveFormats]),
  digest: as(
    Type.String({ description: 'SHA-256 of the archive as it was sent.' }),
    'sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08'
  ),
  size: as(Type.Integer({ description: 'Bytes of the archive.' }), 18_211),
  unpackedSize: as(Type.Integer({ description: 'Bytes of its files together.' }), 60_102),
  files: as(Type.Integer(), 7),
  status: Type.Enum([...yankStatus]),
  yankedAt: nullable(Moment),
  yankedReason: nullable(Type.String()),
  publishedBy: as(Type.String(), 'admin'),
  createdAt: Moment,
}
const WireSkill = Type.Object(members, { title: 'Skill' })
const SignedSkill = Type.Object({
  ...members,
  signature: as(Type.String({
    description:
      'A detached JWS (RFC 7515, appendix F) over {"digest", "name", "publisher", "version"} in this order, without ' +
        'spaces; publisher is the organization. Its key is in the published JWKS when this is answered.'
  }), 'eyJhbGciOiJFUzI1NiIsInR5cCI6InNraWxsLWJ1bmRsZStqd3MiLCJraWQiOiIuLi4ifQ..MEUCIQ')
}, { title: 'SignedSkill' })

export const skillRoutes = routes<Dependencies>(
  publishSkillRoute, listSkillsRoute, getSkillRoute, downloadSkillRoute, yankSkillRoute
)

function publishSkillRoute (app: RouteContext, dependencies: Dependencies): void {
  // A context of its own: its routes take archives, and the others JSON.
  app.register(async (context: RouteContext) => {
    takeArchives(context)
    const { archives } = dependencies
    context.post('/skills', {
      bodyLimit: mostArchiveBytes,
      config: { ...writeAccess, failures: ['not_found', 'organization_not_active', 'payload_too_large', ...busy] },
      preParsing: (request, reply, _payload, done) => {
        const said = Number(request.headers['content-length'] ?? mostArchiveBytes)
        archives.hold(ownerOf(request), reply, Math.min(Math.max(said, leastUnpacked), mostArchiveBytes))
        done()
      },
      schema: {
        operationId: 'publishSkill',
        summary: 'Publish a version of a skill',
        description: 'The body is the archive of the skill. A version never changes, and none is overwritten.',
        querystring: exactly({ organization: Organization, version: Version, name: Type.Optional(SkillName) }),
        body: archiveBody,
        response: { 201: SignedSkill },
      },
    }, async (request, reply) => {
      const { version, name } = request.query
      const organizationId = organizationOf(request.principal.organizationId, request.query.organization)
      const { secrets } = dependencies
      return await archives.during(reply, async () => await createdAfter(
        dependencies, request, reply, async () => {
          const read = await archives.inTurn(async () => await readBundle(sentArchive(request.body)))
          requireNamed(read.frontMatter.name, name)
          return read
        }, async (operation, read) =>
          await signed(dependencies, await publishSkill(operation, { organizationId, version, read, secrets }))
      ))
    })
  })
}

/** Of the bytes that a request holds. */
function ownerOf ({ principal }: FastifyRequest): string {
  return principal.organizationId ?? 'deployment'
}

function listSkillsRoute (app: RouteContext, dependencies: Dependencies): void {
  app.get('/skills', {
    config: readAccess,
    schema: {
      summary: 'List versions of skills',
      description: ownPage,
      querystring: exactly({
        ...PageQuerystring,
        organization: Type.Optional(Id),
        name: Type.Optional(SkillName),
        status: Type.Optional(Type.Enum([...yankStatus]))
      }),
      response: { 200: pageOf(WireSkill) },
    },
  }, async request => {
    const operation = operationOf(dependencies, request)
    const query = pageQuery(request.query)
    const { organization, name, status } = request.query
    const yanked = status === undefined ? undefined : status === 'yanked'
    const filter = { ...organizationFilter(operation, organization), ...definedMembers({ name, yanked }) }
    return wirePage(query, await operation.store.skillBundles.page(query, filter), wireSkill)
  })
}

function getSkillRoute (app: RouteContext, dependencies: Dependencies): void {
  app.get('/skills/:id', {
    config: readAccess,
    schema: {
      summary: 'Read a version of a skill',
      description: 'With its signature, which is made anew by the key that signs at present.',
      params: SkillId,
      querystring: exactly({ organization: Organization }),
      response: { 200: SignedSkill },
    },
  }, async request => {
    const operation = operationOf(dependencies, request)
    return await signed(dependencies, await getSkill(operation, request.params.id, request.query.organization))
  })
}

function downloadSkillRoute (app: RouteContext, dependencies: Dependencies): void {
  app.get('/skills/:id/archive', {
    config: { ...readAccess, failures: ['record_altered', ...busy] },
    schema: {
      operationId: 'downloadSkill',
      summary: 'Download the archive of a skill',
      description: 'The bytes that were published, also of a yanked version. Repr-Digest has their SHA-256 (RFC 9530).',
      params: SkillId,
      querystring: exactly({ organization: Organization }),
      response: { 200: Archive },
    },
  }, async (request, reply) => {
    const operation = operationOf(dependencies, request)
    const bundle = await getSkill(operation, request.params.id, request.query.organization)
    const { archives, secrets } = dependencies
    archives.hold(ownerOf(request), reply, bundle.size)
    const archive = await archives.during(reply, async () => await archiveOf(operation, bundle, secrets))
    endAfter(longestDownload, reply)
    return await reply
      .header('content-type', mediaTypes[bundle.format])
      .header('content-disposition', `attachment; filename="${bundle.name}-${bundle.version}.${bundle.format}"`)
      .header('repr-digest', `sha-256=:${Buffer.from(bundle.digest, 'hex').toString('base64')}:`)
      .header('latchkey-skill-status', statusOf(bundle))
      .send(archive)
  })
}

function yankSkillRoute (app: RouteContext, dependencies: Dependencies): void {
  app.post('/skills/:id/yank', {
    config: writeAccess,
    schema: {
      summary: 'Yank a version of a skill',
      description: 'Marks it as not to be used any more. It stays readable by its exact version. Idempotent, for good.',
      params: IdParams,
      body: Reason,
      response: { 200: WireSkill },
    },
  }, async request => wireSkill(
    await yankSkill(operationOf(dependencies, request), request.params.id, request.body?.reason ?? null)
  ))
}

/** Ends a connection whose answer is not taken in this time. */
function endAfter (milliseconds: number, { raw }: FastifyReply): void {
  const timer = setTimeout(() => { raw.destroy() }, milliseconds).unref()
  raw.once('close', () => { clearTimeout(timer) })
}

/** @throws Failure `invalid_request` when a deployment-wide credential names none. */
function organizationOf (own: string | null, asked: string | undefined): string {
  const organizationId = asked ?? own
  if (organizationId !== null) return organizationId
  throw new Failure('invalid_request', {
    message: 'Name the organization that it should belong to.', details: { field: 'organization' }
  })
}

function requireNamed (name: string, expected: string | undefined): void {
  if (expected === undefined || expected === name) return
  throw new Failure('invalid_request', {
    message: `SKILL.md names ${name}, and not ${expected}.`, details: { field: 'name' }
  })
}

/** @throws Failure `record_altered`: nothing is signed that was not published here. */
async function signed ({ signingKeys, secrets }: Dependencies, bundle: SkillBundle) {
  requireUnaltered(bundle, secrets)
  await signingKeys.catchUp()
  return { ...wireSkill(bundle), signature: await signatureOf(signingKeys.ring().signing, bundle) }
}

function statusOf ({ yankedAt }: SkillBundle): 'active' | 'yanked' {
  return yankedAt === null ? 'active' : 'yanked'
}

function wireSkill (bundle: SkillBundle) {
  const { description, license, compatibility, allowedTools, metadata } = bundle.frontMatter
  const { id, name, version, format, size, unpackedSize, files } = bundle
  const { yankedAt, yankedReason, publishedBy, createdAt } = bundle
  return {
    [revision]: bundle.revision,
    id,
    organization: bundle.organizationId,
    name,
    version,
    description,
    license,
    compatibility,
    allowedTools,
    metadata,
    format,
    digest: `sha256:${bundle.digest}`,
    size,
    unpackedSize,
    files,
    status: statusOf(bundle),
    yankedAt,
    yankedReason,
    publishedBy,
    createdAt,
  }
}
