/** The front matter of SKILL.md: YAML between two lines of hyphens, as the Agent Skills format describes it. */
import { archiveFault } from './archive-bounds.ts'

/** What a skill says of itself. None of it is a permission: `allowedTools` is a request to the program that runs it. */
export interface FrontMatter {
  /** 1 to 64 lower-case letters, digits and single hyphens. */
  name: string
  /** 1 to 1,024 characters. */
  description: string
  /** Null: not given, as with the following. */
  license: string | null
  compatibility: string | null
  allowedTools: string | null
  metadata: Readonly<Record<string, string>>
}

/** The most bytes of SKILL.md, and the most characters of its front matter. */
const mostBytes = 512 * 1024
const mostCharacters = 16 * 1024

export const skillName = { pattern: '^[a-z0-9]+(-[a-z0-9]+)*$', maxLength: 64 } as const
const nameForm = new RegExp(skillName.pattern)

const unreadable = /[\p{Cc}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/u

const known = ['name', 'description', 'license', 'compatibility', 'metadata', 'allowed-tools']

/** Reads the front matter of SKILL.md. @throws Failure `invalid_request` that names the field and the remedy. */
export async function frontMatterOf (content: Buffer): Promise<FrontMatter> {
  const fields = await fieldsOf(textBetweenLines(content))
  const unknown = Object.keys(fields).find(field => !known.includes(field))
  if (unknown !== undefined) {
    refuse(`has the unknown field ${JSON.stringify(unknown.slice(0, 64))}; put it into metadata`)
  }
  const name = fields.name
  if (typeof name !== 'string' || name.length > skillName.maxLength || !nameForm.test(name)) {
    refuse(`needs a name of 1 to ${skillName.maxLength} lower-case letters, digits and single hyphens between them`)
  }
  return {
    name,
    description: requiredText(fields, 'description', 1_024),
    license: optionalText(fields, 'license', 256),
    compatibility: optionalText(fields, 'compatibility', 500),
    allowedTools: optionalText(joined(fields), 'allowed-tools', 4_096),
    metadata: metadataIn(fields.metadata),
  }
}

function refuse (problem: string): never {
  throw archiveFault('skill_file', `The front matter of SKILL.md ${problem}.`)
}

function textBetweenLines (content: Buffer): string {
  if (content.length > mostBytes) throw archiveFault('skill_file', `SKILL.md has more than ${mostBytes} bytes.`)
  const text = textOf(content)
  const lines = text.split(/\r?\n/)
  const end = lines.indexOf('---', 1)
  if (lines[0] !== '---' || end === -1) {
    throw archiveFault('skill_file', 'SKILL.md begins without front matter: YAML between two lines of three hyphens.')
  }
  const between = lines.slice(1, end).join('\n')
  if (between.length > mostCharacters) refuse(`has more than ${mostCharacters} characters`)
  return between
}

function textOf (content: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(content)
  } catch {
    throw archiveFault('skill_file', 'SKILL.md is not in UTF-8.')
  }
}

/** Without aliases, tags and repeated keys: they make a small text large, or two programs read two things. */
async function fieldsOf (text: string): Promise<Record<string, unknown>> {
  const { parseDocument } = await import('yaml')
  const document = parseDocument(text, { schema: 'core', uniqueKeys: true, prettyErrors: false, logLevel: 'silent' })
  const problem = document.errors[0] ?? document.warnings[0]
  if (problem !== undefined) refuse(`is not plain YAML: ${problem.message.split('\n')[0]!.slice(0, 160)}`)
  try {
    const fields: unknown = document.toJS({ maxAliasCount: 0 })
    if (typeof fields === 'object' && fields !== null && !Array.isArray(fields)) return { ...fields }
  } catch {
    refuse('has an alias; write the value where it belongs')
  }
  refuse('is not a list of fields, such as name: and description:')
}

/** Some programs write the tools as a list. */
function joined (fields: Record<string, unknown>): Record<string, unknown> {
  const tools = fields['allowed-tools']
  const isList = Array.isArray(tools) && tools.every(tool => typeof tool === 'string')
  return isList ? { ...fields, 'allowed-tools': tools.join(' ') } : fields
}

function requiredText (fields: Record<string, unknown>, field: string, longest: number): string {
  return optionalText(fields, field, longest) ?? refuse(`needs the field ${field}`)
}

function optionalText (fields: Record<string, unknown>, field: string, longest: number): string | null {
  const value = fields[field] ?? null
  if (value === null) return null
  if (typeof value === 'string' && value.trim() !== '' && value.length <= longest && isReadable(value)) return value
  refuse(`needs ${field} as a text of 1 to ${longest} characters without control characters; put it into quotes`)
}

function metadataIn (value: unknown): Record<string, string> {
  if (value === undefined || value === null) return {}
  const isMap = typeof value === 'object' && !Array.isArray(value)
  const entries = isMap ? Object.entries(value) : []
  const areTexts = entries.length <= 64 && entries.every(([name, text]) =>
    typeof text === 'string' && name.length <= 128 && text.length <= 1_024 && isReadable(name) && isReadable(text))
  if (isMap && areTexts) return Object.fromEntries(entries) as Record<string, string>
  refuse('needs metadata as up to 64 texts by name; put numbers and dates into quotes')
}

/** Without control characters but tabs and line breaks, and without direction marks. */
function isReadable (text: string): boolean {
  return text.isWellFormed() && !unreadable.test(text.replace(/[\t\r\n]/g, ' '))
}
