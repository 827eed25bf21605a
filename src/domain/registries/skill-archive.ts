/** The archive of a skill: the folder of the skill with SKILL.md, read once when it is published. */
import { fileDigest } from '../../secrets/digest.ts'
import { archiveFault, mostArchiveBytes } from './archive-bounds.ts'
import { readArchive, type ArchiveFormat } from './archive.ts'
import { frontMatterOf, type FrontMatter } from './front-matter.ts'

/** What an archive is, and what it says. */
export interface ReadBundle {
  archive: Buffer
  digest: string
  format: ArchiveFormat
  size: number
  unpackedSize: number
  files: number
  frontMatter: FrontMatter
}

/**
 * Reads an archive. SKILL.md stands at its top, or in its one folder, which has the name of the skill.
 * @throws Failure `payload_too_large`, `invalid_request`.
 */
export async function readBundle (archive: Buffer): Promise<ReadBundle> {
  if (archive.length > mostArchiveBytes) {
    throw archiveFault('too_large', `The archive has more than ${mostArchiveBytes} bytes.`)
  }
  const skillFiles = new Map<string, Buffer>()
  const paths: string[] = []
  let unpackedSize = 0
  const format = await readArchive(archive, (path, content) => {
    unpackedSize += content.length
    paths.push(path)
    if (/^([^/]+\/)?SKILL\.md$/.test(path)) skillFiles.set(path, content)
  })
  const folder = folderOf(paths)
  const skillFile = skillFiles.get(`${folder}SKILL.md`)
  if (skillFile === undefined) {
    throw archiveFault('skill_file', 'The archive has no SKILL.md, neither at its top nor in its one folder.')
  }
  const frontMatter = await frontMatterOf(skillFile)
  if (folder !== '' && folder !== `${frontMatter.name}/`) {
    throw archiveFault(
      'skill_file',
      `The folder of the archive is ${JSON.stringify(folder.slice(0, 64))}, and its SKILL.md names ` +
        `${frontMatter.name}; give both one name.`
    )
  }
  const measured = { size: archive.length, unpackedSize, files: paths.length }
  return { archive, digest: fileDigest(archive), format, ...measured, frontMatter }
}

/** The one folder that all files lie in, with its slash; empty: there is none, or SKILL.md stands at the top. */
function folderOf (paths: readonly string[]): string {
  if (paths.includes('SKILL.md')) return ''
  const folders = new Set(paths.map(path => path.slice(0, path.indexOf('/') + 1)))
  return folders.size === 1 ? [...folders][0]! : ''
}
