/** Scopes by which a session or key that is vouched for would make what outlives its voucher. */
import { portalScopes } from './portal-scopes.ts'

/** Scopes of the management API by which something is made that would outlive the voucher. */
const lastingScopes: readonly string[] = [
  'members:write', 'invitations:write', 'identity-providers:write', 'clients:write', 'publishable-keys:write',
  'groups:write', 'webhook-tokens:write', 'registration-tokens:write', 'access-tokens:write', 'client-approvals:write',
  ...portalScopes.map(({ name }) => name)
]

/** What a vouched session or key has of these scopes of the management API. */
export function scopesWhenVouched (scopes: readonly string[]): readonly string[] {
  return scopes.filter(name => !lastingScopes.includes(name))
}
