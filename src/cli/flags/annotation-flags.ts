/** The flags of what operators note on keys and clients, and how it is shown. */
import { InvalidArgumentError, Option, type Command } from 'commander'
import { words } from '../print.ts'

export type Metadata = Record<string, string>

export interface Annotations { metadata: Metadata, externalId: string | null }

export interface AnnotationFlags { metadata?: Metadata, clearMetadata?: boolean, externalId?: string }

/** Adds the flags; for a change also that which removes all metadata. */
export function withAnnotationFlags (command: Command, on: 'creation' | 'change' = 'creation'): Command {
  const replaces = on === 'change' ? '; replaces the present ones' : ''
  command.addOption(
    new Option('--metadata <name=text>', `a note of yours${replaces}; repeat it for several`).argParser(collect)
  )
  if (on === 'change') {
    command.addOption(new Option('--clear-metadata', 'remove every note').conflicts('metadata'))
  }
  return command.option('--external-id <id>', `its id in a system of yours${on === 'change' ? '; "" removes it' : ''}`)
}

/** The annotations in a request; undefined: no change. */
export function annotationsOf ({ metadata, clearMetadata, externalId }: AnnotationFlags) {
  return { metadata: clearMetadata ? null : metadata, externalId: externalId === '' ? null : externalId }
}

/** The notes on one line; null: there are none. */
export function notesText ({ metadata }: Pick<Annotations, 'metadata'>): string | null {
  return words(Object.entries(metadata).map(([name, text]) => `${name}=${text}`))
}

/** The name ends at the first `=`. */
function collect (text: string, before: Metadata = {}): Metadata {
  const at = text.indexOf('=')
  if (at < 1) throw new InvalidArgumentError('Write a name and a text: team=payments.')
  return Object.fromEntries([...Object.entries(before), [text.slice(0, at), text.slice(at + 1)]])
}
