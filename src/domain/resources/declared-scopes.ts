/** The scopes of every resource that an organization can make keys for. */
import { everyRow } from '../core/page.ts'
import { referenceOf, type Scope } from './scope.ts'
import type { ResourcePort } from './resource.ts'

/** Every scope of every resource that an organization's keys can be made for. */
export async function declaredFor (tx: ResourcePort, organizationId: string): Promise<Scope[]> {
  const declared: Scope[] = []
  for await (const { scopes } of everyRow(query => tx.resources.page(query, { visibleTo: organizationId }))) {
    declared.push(...scopes)
  }
  return declared
}

/** The references of the API-key-only scopes of every resource that an organization's keys can be made for. */
export async function keyOnlyScopes (tx: ResourcePort, organizationId: string): Promise<Set<string>> {
  return new Set((await declaredFor(tx, organizationId)).filter(({ keyOnly }) => keyOnly).map(referenceOf))
}
