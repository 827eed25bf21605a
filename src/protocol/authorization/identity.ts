/** OpenID Connect: its scopes, the claims that they stand for (Core §5.4), and the resource at which they are told. */
import type { Member } from '../../domain/members/permissions.ts'
import { identityResourceId, type Resource } from '../../domain/resources/resource.ts'
import { splitScope } from '../../domain/resources/scope.ts'
import { styles } from '../../domain/resources/style.ts'
import { paths } from '../shared/paths.ts'

/** Scopes of OpenID Connect that concern no API. */
export const identityScopes: readonly string[] = ['openid', 'profile', 'email', 'offline_access']

/**
 * The claims of each scope. A member has a name and perhaps an e-mail address; nothing says that the address was
 * verified, so `email_verified` is left out. ID tokens always say when and how the person has signed in.
 */
export const claimsOfScopes: Readonly<Record<string, string[]>> = {
  openid: ['sub', 'auth_time', 'amr'],
  profile: ['name'],
  email: ['email'],
}

/** Claims about a member, as far as these scopes ask for them. */
export interface IdentityClaims { sub: string, name?: string, email?: string }

export function claimsAbout ({ id, name, email }: Member, scopes: readonly string[]): IdentityClaims {
  return {
    sub: id,
    ...(scopes.includes('profile') && { name }),
    ...(scopes.includes('email') && email !== null && { email })
  }
}

/** Parts the scopes of a request. Without `openid` it is none of OpenID Connect, and an API may have such names. */
export function partScopes (scope: string | undefined): { ofIdentity: string[], ofResource: string[] } {
  const asked = splitScope(scope ?? '')
  const ours = asked.includes('openid') ? identityScopes : ['offline_access']
  return {
    ofIdentity: asked.filter(each => ours.includes(each)), ofResource: asked.filter(each => !ours.includes(each))
  }
}

/** The resource that tokens for userinfo are issued for: its identifier is the endpoint. */
export function identityResource (
  issuer: string
): Pick<Resource, 'id' | 'identifier' | 'name' | 'scopes' | 'style'> {
  return {
    id: identityResourceId,
    identifier: issuer + paths.userinfo,
    name: 'Member profile',
    scopes: [],
    // Access tokens alone: no API key is made for it.
    style: { ...styles.rfc9457, transports: [] }
  }
}
