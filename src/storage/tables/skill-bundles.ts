/** Skill bundles, with their archives in a table of their own. */
import type { FrontMatter } from '../../domain/registries/front-matter.ts'
import type { SkillBundle, SkillBundleRepository } from '../../domain/registries/skill-bundle.ts'
import type { Prisma, Queries } from '../engine/prisma.ts'
import { json, nextRevision, pageOf, revisionAlone, toPage } from '../rows/rows.ts'

export function skillBundleRepository (
  { skillBundle: table, skillArchive }: Queries
): SkillBundleRepository {
  return {
    async insert ({ frontMatter, ...bundle }, archive) {
      await table.create({ data: { ...bundle, frontMatter: json(frontMatter) } })
      await skillArchive.create({
        data: { bundleId: bundle.id, content: new Uint8Array(archive) }, select: { bundleId: true }
      })
    },
    async get (id) {
      const row = await table.findUnique({ where: { id } })
      return row && read(row)
    },
    async byVersion (organizationId, name, version) {
      const row = await table.findUnique({ where: { organizationId_name_version: { organizationId, name, version } } })
      return row && read(row)
    },
    async archiveOf (bundleId) {
      const row = await skillArchive.findUnique({ where: { bundleId } })
      return row && Buffer.from(row.content)
    },
    async update (after) {
      const { id, yankedAt, yankedReason } = after
      const { revision } = await table.update({
        where: { id }, data: { yankedAt, yankedReason, ...nextRevision }, select: revisionAlone
      })
      return { ...after, revision }
    },
    async page (query, { yanked, ...exactly }) {
      const { where, ...page } = pageOf(query)
      const yankedAs = yanked === undefined ? {} : { yankedAt: yanked ? { not: null } : null }
      return toPage(await table.findMany({ ...page, where: { AND: [where, exactly, yankedAs] } }), query, read)
    },
    async taken (organizationId) {
      const { _count, _sum } = await table.aggregate({ where: { organizationId }, _count: true, _sum: { size: true } })
      return { versions: _count, bytes: _sum.size ?? 0 }
    },
    async sealedByOthers (secretId, after) {
      const where = { id: { gt: after }, sealedBy: { not: secretId } }
      return (await table.findMany({ where, orderBy: { id: 'asc' }, take: 200 })).map(read)
    },
    async reseal ({ id, from, to, sealedBy }) {
      return (await table.updateMany({ where: { id, seal: from }, data: { seal: to, sealedBy } })).count === 1
    },
  }
}

function read (row: Prisma.SkillBundleGetPayload<object>): SkillBundle {
  return {
    ...row, format: row.format as SkillBundle['format'], frontMatter: row.frontMatter as unknown as FrontMatter
  }
}
