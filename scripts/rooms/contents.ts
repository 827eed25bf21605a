/** Reads src/ as a table of contents: its rooms in the order of the floors, with the first sentence of each file. */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { domainRooms, floors, innerRooms, type Floor } from './rooms.ts'

const src = join(import.meta.dirname, '../../src')

/** `name`: its path below src/. */
export interface Room { name: string, sentence: string, files: readonly { name: string, sentence: string }[] }

const sources: readonly string[] = readdirSync(src, { recursive: true, encoding: 'utf8' })
  .filter(name => name.endsWith('.ts') && !name.includes('generated'))
  .sort()

/** The rooms of a floor that hold anything, each with those within it. */
export function roomsOf ({ rooms }: Floor): Room[] {
  return rooms.flatMap(({ name, sentence }) =>
    [room(name, sentence), ...innerOf(name).map(inner => room(inner, innerRooms[inner]!))])
    .filter(({ files }) => files.length > 0)
}

export function contents (): Room[] {
  return floors.flatMap(roomsOf)
}

/** Rooms of the domain in the order of their imports, all others as the table has them. */
function innerOf (name: string): string[] {
  const order = domainRooms.flat().map(each => `domain/${each}`)
  return Object.keys(innerRooms)
    .filter(inner => inner.startsWith(`${name}/`))
    .sort((one, other) => order.indexOf(one) - order.indexOf(other))
}

function room (name: string, sentence: string): Room {
  const files = name.endsWith('.ts') ? [name] : sources.filter(each => dirname(each) === name)
  return { name, sentence, files: files.map(each => ({ name: each, sentence: firstSentenceOf(each) })) }
}

/** The first sentence of the comment on top of a file. A point within a name, such as `docs/usage.md`, ends none. */
function firstSentenceOf (name: string): string {
  const [, comment = ''] = /^\/\*\*([^]*?)\*\//.exec(readFileSync(join(src, name), 'utf8')) ?? []
  const text = comment.replace(/^\s*\* ?/gm, ' ').replace(/\s+/g, ' ').trim()
  return /^.*?[.!?](?= [A-Z`"]|$)/.exec(text)?.[0] ?? text
}
