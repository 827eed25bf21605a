/** The resources of the vectors: one of each style, and some that differ in what a challenge names. */
import type { Resource } from '../../src/domain/resources/resource.ts'
import { resourceMetadataUrl } from '../../src/domain/resources/resource-metadata.ts'
import { tokenScopesOf, type TokenScopes } from '../../src/domain/resources/token-scopes.ts'
import { errorStyleNames, styles, type Style } from '../../src/domain/resources/style.ts'
import { refusalTemplates, type RefusalTemplates } from '../../src/decision/guard-sessions/refusal-templates.ts'
import { resource } from '../../test/support/facts.ts'

/** A resource as the answer has it that opens a session, with the answers to every reason. */
export interface GuardedResource extends RefusalTemplates, TokenScopes {
  id: string
  identifier: string
  organization: string | null
  style: Style
  metadata: string | null
}

const scopes = ['read', 'write', 'pay'].map(name => ({ name, keyOnly: name === 'pay', description: null }))

function resourceOf (name: string, style: Style): Resource {
  return { ...resource, id: `res_${name}`, identifier: `https://api.example.test/${name}`, style, scopes }
}

/** By name: that of the style, `header-only`, `mcp` or `urn`. */
export const resources: ReadonlyMap<string, Resource> = new Map([
  ...errorStyleNames.map((name): [string, Resource] => [name, resourceOf(name, styles[name])]),
  ['header-only', resourceOf('header-only', {
    ...styles.ledgerbee, transports: [{ in: 'header', name: 'x-api-key' }]
  })],
  ['mcp', { ...resourceOf('mcp', styles.rfc9457), kind: 'mcp', defaultScopes: ['read', 'pay'] }],
  // Without a host, it has no metadata that a challenge could name.
  ['urn', { ...resourceOf('urn', styles.rfc9457), identifier: 'urn:example:api' }]
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
      ...tokenScopesOf(each),
      ...refusalTemplates(each)
    }]
  }))
}
