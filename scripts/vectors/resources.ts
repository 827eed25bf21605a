/** The resources of the vectors: one of each style, and one whose keys travel in a header alone. */
import type { Resource } from '../../src/domain/resources/resource.ts'
import { resourceMetadataUrl } from '../../src/domain/resources/resource-metadata.ts'
import { errorStyleNames, styles, type Style } from '../../src/domain/resources/style.ts'
import { refusalTemplates, type RefusalTemplates } from '../../src/decision/guard-sessions/refusal-templates.ts'
import { resource } from '../../test/support/facts.ts'

/** A resource as the answer has it that opens a session, with the answers to every reason. */
export interface GuardedResource extends RefusalTemplates {
  id: string
  identifier: string
  organization: string | null
  style: Style
  metadata: string | null
}

function resourceOf (name: string, style: Style): Resource {
  return { ...resource, id: `res_${name}`, identifier: `https://api.example.test/${name}`, style }
}

/** By name: that of the style, or `header-only`. */
export const resources: ReadonlyMap<string, Resource> = new Map([
  ...errorStyleNames.map((name): [string, Resource] => [name, resourceOf(name, styles[name])]),
  ['header-only', resourceOf('header-only', { ...styles.ledgerbee, transports: [{ in: 'header', name: 'x-api-key' }] })]
])

export function guardedResources (): Record<string, GuardedResource> {
  return Object.fromEntries([...resources].map(([name, each]) => {
    const { id, identifier, organizationId, style } = each
    return [name, {
      id,
      identifier,
      organization: organizationId,
      style,
      metadata: resourceMetadataUrl(identifier),
      ...refusalTemplates(each)
    }]
  }))
}
