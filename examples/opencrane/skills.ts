/** The catalogue of skills: each version is a bundle that Latchkey keeps and signs, with what is declared about it. */
import { createHash } from 'node:crypto'
import { Type, type Static } from 'typebox'
import { Refusal, type Latchkey } from './control-plane.ts'
import {
  Ended, exactly, IdParams, pageOf, PageQuerystring, requireOperator, shown, Text, Texts, type Collection
} from './context.ts'
import { ownerOf } from './tenants.ts'

const Scope = Type.Enum(['org', 'team', 'project', 'personal'])
const described = { tags: Type.Optional(Texts), sourceName: Type.Optional(Text) }
const NewSkill = exactly({
  name: Text,
  version: Text,
  digest: Type.String({ pattern: '^sha256:[0-9a-f]{64}$', description: 'Of the archive.' }),
  scope: Scope,
  archive: Type.String({ description: 'The archive, a zip or a tar, in base64.' }),
  tenant: Type.Optional(Type.With(Text, { description: 'Absent: the platform, which takes an operator.' })),
  ...described
})
const SkillChange = exactly({
  scope: Type.Optional(Scope), status: Type.Optional(Type.Enum(['published', 'deprecated'])), ...described
})
const WireSkill = Type.Object({
  id: Type.String(),
  name: Type.String(),
  description: Type.String(),
  version: Type.String(),
  digest: Type.String(),
  scope: Type.String(),
  status: Type.Enum(['published', 'deprecated']),
  tags: Type.Array(Type.String()),
  sourceName: Type.Optional(Type.String()),
  publishedAt: Type.String({ format: 'date-time' })
})

interface Skill {
  id: string, name: string, description: string, version: string, digest: string, status: string, createdAt: string
}

/** An archive of 10 MB in base64. */
const bodyLimit = 14_000_000

const mediaTypes: readonly (readonly [start: string, type: string])[] = [
  ['504b', 'application/zip'], ['1f8b', 'application/gzip'], ['', 'application/x-tar']
]

export const skills: Collection = (app, plane) => {
  const { declared } = plane
  const wire = ({ id, name, description, version, digest, status, createdAt }: Skill): Static<typeof WireSkill> => {
    const { scope = 'org', tags = [], sourceName } = declared.skills.get(id) ?? {}
    return {
      id,
      name,
      description,
      version,
      digest,
      scope,
      status: status === 'active' ? 'published' : 'deprecated',
      tags,
      ...(sourceName === undefined ? {} : { sourceName }),
      publishedAt: createdAt
    }
  }
  const tags = ['Skills']
  app.get('/skills/catalog', {
    schema: {
      operationId: 'listSkillBundles',
      summary: 'List the skill bundles',
      tags,
      querystring: PageQuerystring,
      response: { 200: pageOf(WireSkill) }
    }
  }, async request => shown(await plane.latchkey(request).page<Skill>('/skills', request.query), wire))

  app.post('/skills/catalog', {
    bodyLimit,
    schema: {
      operationId: 'createSkillBundle',
      summary: 'Publish a skill bundle',
      tags,
      body: NewSkill,
      response: { 201: WireSkill }
    }
  }, async (request, reply) => {
    const latchkey = plane.latchkey(request)
    const { name, version, digest, scope, archive, tenant, ...more } = request.body
    const bytes = Buffer.from(archive, 'base64')
    if (`sha256:${createHash('sha256').update(bytes).digest('hex')}` !== digest) {
      throw new Refusal(400, 'VALIDATION_ERROR', 'digest: the archive has another one.')
    }
    const organization = await ownerOf(plane, latchkey, tenant)
    const [, type] = mediaTypes.find(([start]) => bytes.toString('hex', 0, 2).startsWith(start))!
    const skill = await declared.change(async () => {
      const query = new URLSearchParams({ organization, name, version })
      const made = await latchkey.send<Skill>('POST', `/skills?${String(query)}`, bytes, { 'content-type': type })
      declared.skills.set(made.id, { scope, ...more })
      return made
    })
    return await reply.code(201).send(wire(skill))
  })

  app.get('/skills/catalog/:id', {
    schema: {
      operationId: 'getSkillBundle', summary: 'Get a skill bundle', tags, params: IdParams, response: { 200: WireSkill }
    }
  }, async request => wire(await skillOf(plane.latchkey(request), request.params.id)))

  app.put('/skills/catalog/:id', {
    schema: {
      operationId: 'updateSkillBundle',
      summary: 'Update what is declared about a bundle, which never changes',
      tags,
      params: IdParams,
      body: SkillChange,
      response: { 200: WireSkill }
    }
  }, async request => {
    const latchkey = plane.latchkey(request)
    const skill = await skillOf(latchkey, request.params.id)
    const { status, ...change } = request.body
    if (status === 'published' && skill.status !== 'active') {
      throw new Refusal(409, 'CONFLICT', 'A deprecated version stays so; publish the next one.')
    }
    await requireOperator(latchkey, 'skills:write')
    return await declared.change(async () => {
      declared.skills.set(skill.id, { scope: 'org', ...declared.skills.get(skill.id), ...change })
      return wire(status === 'deprecated' ? await yank(latchkey, skill.id) : skill)
    })
  })

  app.delete('/skills/catalog/:id', {
    schema: {
      operationId: 'deleteSkillBundle',
      summary: 'Withdraw a skill bundle; it stays readable by its version',
      tags,
      params: IdParams,
      response: { 200: Ended }
    }
  }, async request => {
    const latchkey = plane.latchkey(request)
    const { id } = await skillOf(latchkey, request.params.id)
    await yank(latchkey, id)
    return { id, status: 'deprecated' }
  })
}

async function skillOf (latchkey: Latchkey, id: string): Promise<Skill> {
  return await latchkey.get<Skill>(`/skills/${encodeURIComponent(id)}`)
}

async function yank (latchkey: Latchkey, id: string): Promise<Skill> {
  return await latchkey.send<Skill>('POST', `/skills/${id}/yank`, {})
}
