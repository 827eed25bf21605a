/** What operators note on a credential, for themselves: texts by name, and its id in a system of theirs. */
import { Failure } from '../../base/errors.ts'

/** Name → text. */
export type Annotations = Readonly<Record<string, string>>

/** Never authority, and never in a refusal. */
export interface Annotated {
  annotations: Annotations
  /** Several records may have the same; null: none. */
  externalId: string | null
}

/** As operators send it: a member that is left out stays as it is; null: removed. */
export interface AnnotationInput { metadata?: Annotations | null, externalId?: string | null }

export const notAnnotated: Annotated = { annotations: {}, externalId: null }

/** The number of texts, and the characters of all names and texts together, at most. */
export const mostAnnotations = 16
const mostCharacters = 4_096

/** Names that stand for more than themselves on objects (SECURITY N6). */
const reserved = new Set(['__proto__', 'constructor', 'prototype'])

/** The annotations of a record after a change. @throws Failure `invalid_request`. */
export function annotated ({ metadata, externalId }: AnnotationInput, before: Annotated): Annotated {
  return {
    annotations: metadata === undefined ? before.annotations : requireBounded(metadata ?? {}),
    externalId: externalId === undefined ? before.externalId : externalId
  }
}

function requireBounded (metadata: Annotations): Annotations {
  const entries = Object.entries(metadata)
  const name = entries.map(([name]) => name).find(name => reserved.has(name))
  if (name !== undefined) refuse(`The name ${name} cannot be used in metadata; use another one.`)
  if (entries.length > mostAnnotations) refuse(`metadata has ${mostAnnotations} members at most.`)
  const characters = entries.reduce((sum, [name, text]) => sum + name.length + text.length, 0)
  if (characters > mostCharacters) {
    refuse(`The names and texts of metadata have ${mostCharacters} characters together at most.`)
  }
  return metadata
}

function refuse (message: string): never {
  throw new Failure('invalid_request', { message, details: { field: 'metadata' } })
}

/** For an audit row; nothing where nothing is noted. */
export function auditedAnnotations ({ annotations, externalId }: Annotated): Record<string, unknown> {
  return {
    ...(Object.keys(annotations).length > 0 && { metadata: annotations }), ...(externalId !== null && { externalId })
  }
}
