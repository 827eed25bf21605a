/** `latchkey skill …`: versions of skills, published as archives. */
import { readFile, writeFile } from 'node:fs/promises'
import { Command, Option } from 'commander'
import { managementApi, segment } from '../api.ts'
import { calling, pageQuery, showPage, withPageFlags, type ListFlags, type Page } from '../command.ts'
import { findConnection, type GlobalOptions } from '../connection.ts'
import { CommandError } from '../failure.ts'
import { fieldLines, instant } from '../print.ts'
import { fileDigest } from '../../secrets/digest.ts'

interface Skill {
  id: string
  organization: string
  name: string
  version: string
  description: string
  license: string | null
  compatibility: string | null
  allowedTools: string | null
  format: string
  digest: string
  size: number
  files: number
  status: string
  yankedAt: string | null
  yankedReason: string | null
  publishedBy: string
  createdAt: string
  signature?: string
}

interface OrganizationFlag { org?: string }

export function skillCommands (): Command {
  const skill = new Command('skill').description('skills: archives with a SKILL.md, each version published once')
  skill.command('publish').description('publish a version of a skill; it never changes')
    .argument('<file>', 'a .zip, .tar or .tar.gz file with SKILL.md at its top or in its one folder')
    // `latchkey --version` is about latchkey.
    .requiredOption('--release <version>', 'the version, such as 1.4.0')
    .option('--org <id>', 'the organization that it belongs to')
    .action(calling<Skill, OrganizationFlag & { release?: string }>(showSkill, async (api, { org, release }, file) =>
      api.upload('/skills', { version: release, organization: org }, await contentOf(file))))
  withPageFlags(skill.command('list').description('list the versions of skills, newest first'), { org: true })
    .option('--name <name>', 'only of this skill')
    .addOption(new Option('--status <name>', 'only in this state').choices(['active', 'yanked']))
    .action(calling<Page<Skill>, ListFlags & { name?: string, status?: string }>(
      showSkills, (api, { name, status, ...flags }) => api.get('/skills', { ...pageQuery(flags), name, status })
    ))
  withOrganization(skill.command('show').description('show a version, with its signature'))
    .action(calling<Skill, OrganizationFlag>(showSkill, (api, { org }, id) =>
      api.get(pathOf(id), { organization: org })))
  withOrganization(skill.command('download').description('download the archive of a version, and check its digest'))
    .option('--out <file>', 'the file to write; by default the name and the version of the skill')
    .action(download)
  withOrganization(skill.command('yank').description('mark a version as not to be used any more, for good'))
    .option('--reason <text>', 'the reason, kept with the record')
    .action(calling<Skill, OrganizationFlag & { reason?: string }>(showSkill, async (api, { org, reason }, named) => {
      const id = named.includes('@') ? (await api.get<Skill>(pathOf(named), { organization: org })).value.id : named
      return await api.post(`${pathOf(id)}/yank`, { reason })
    }))
  return skill
}

function withOrganization (command: Command): Command {
  return command.argument('<id>', 'its id, or its name and version: pdf-forms@1.4.0')
    .option('--org <id>', 'the organization of a skill that is named by name and version')
}

function pathOf (id: string): string {
  return `/skills/${segment(id)}`
}

async function contentOf (file: string): Promise<Buffer> {
  return await readFile(file).catch((error: NodeJS.ErrnoException) => {
    throw new CommandError(error.code === 'EISDIR'
      ? `${file} is a folder; pack it first, with zip or tar, and publish the archive.`
      : `${file} cannot be read (${error.code}).`)
  })
}

async function download (this: Command): Promise<void> {
  const { org, out, ...flags } = this.optsWithGlobals<GlobalOptions & OrganizationFlag & { out?: string }>()
  const id = this.args[0] ?? ''
  const api = managementApi(findConnection(flags))
  const query = { organization: org }
  const { value: skill, body } = await api.get<Skill>(pathOf(id), query)
  const chunks: Buffer[] = []
  for await (const chunk of await api.download(`${pathOf(id)}/archive`, query, archiveTypes)) chunks.push(chunk)
  const archive = Buffer.concat(chunks)
  if (skill.digest !== `sha256:${fileDigest(archive)}`) {
    throw new CommandError('The archive that came has another digest than its record. Nothing was written.')
  }
  const file = out ?? `${skill.name}-${skill.version}.${skill.format}`
  // What is there already is not overwritten.
  await writeFile(file, archive, { flag: 'wx' }).catch((error: NodeJS.ErrnoException) => {
    throw new CommandError(error.code === 'EEXIST'
      ? `${file} exists, and is not overwritten; name another file with --out.`
      : `${file} cannot be written (${error.code}).`)
  })
  if (flags.json) process.stdout.write(body)
  else process.stdout.write(`${archive.length} bytes written to ${file}, with the digest of the record.\n`)
  if (skill.status === 'yanked') process.stderr.write('This version was yanked.\n')
}

const archiveTypes = ['application/zip', 'application/x-tar', 'application/gzip']

function showSkill (skill: Skill): string {
  return fieldLines([
    ['id', skill.id],
    ['name', skill.name],
    ['version', skill.version],
    ['organization', skill.organization],
    ['description', skill.description],
    ['license', skill.license],
    ['needs', skill.compatibility],
    ['asks for', skill.allowedTools],
    ['archive', `${skill.format}, ${skill.size} bytes, ${skill.files} files`],
    ['digest', skill.digest],
    ['signature', skill.signature],
    ['published', `${instant(skill.createdAt)} by ${skill.publishedBy}`],
    ['yanked', instant(skill.yankedAt)],
    ['reason', skill.yankedReason],
  ])
}

const showSkills = showPage<Skill>(
  ['ID', 'SKILL', 'ORGANIZATION', 'BYTES', 'PUBLISHED', 'YANKED'],
  skill => [
    skill.id, `${skill.name}@${skill.version}`, skill.organization, skill.size, instant(skill.createdAt),
    instant(skill.yankedAt)
  ],
  'There is no skill yet. Publish one: npx latchkey skill publish FILE --release 1.0.0'
)
