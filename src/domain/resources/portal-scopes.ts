/** The scopes of the management API that partners' keys have: API-key only, and given by the deployment alone. */
import type { Scope } from './scope.ts'

export const provisionScope = 'portal-provision'
export const mintScope = 'portal-sso-mint'

export const portalScopes: readonly Scope[] = [
  { name: provisionScope, keyOnly: true, description: 'Provision organizations, for partners' },
  { name: mintScope, keyOnly: true, description: 'Mint sign-in links for members of provisioned organizations' }
]

/** Whether one of these names, of scopes of the management API, is a partner's. */
export function hasPortalScope (names: readonly string[]): boolean {
  return portalScopes.some(({ name }) => names.includes(name))
}
