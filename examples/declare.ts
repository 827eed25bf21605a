/** Declaration of an example's resource, at its first start and at every later one. */
import { createResource, updateResource, type Latchkey, type Style } from '../src/index.ts'

export interface Declaration {
  identifier: string
  name: string
  /** `type:action` */
  scopes: readonly string[]
  style: Style
}

/** Creates the resource, or updates the existing one. */
export async function declare (
  { operation, registry }: Latchkey, { identifier, name, scopes, style }: Declaration
): Promise<void> {
  const declared = { name, style, scopes: scopes.map(scope => ({ name: scope, keyOnly: false, description: null })) }
  if (await registry.resourceByIdentifier(identifier) === null) {
    await createResource(operation, { identifier, ...declared })
  } else await updateResource(operation, identifier, declared)
}
