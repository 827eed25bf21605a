/** The grants that a client can be registered for (RFC 7591 §2), and what each of them needs of the client. */

export const clientGrantTypes = ['client_credentials', 'authorization_code', 'refresh_token'] as const
export type ClientGrantType = typeof clientGrantTypes[number]

/** The grant of assertions (RFC 7523 §2.1). No client is registered for it: the trust in their issuer lets them ask. */
export const jwtBearer = 'urn:ietf:params:oauth:grant-type:jwt-bearer'

/** What is known of a client: whether it proves itself, and whether it has a redirect URI. */
export interface GrantConditions { isPublic: boolean, hasRedirectUris: boolean }

/** Grants that go with a client, of those given; the others need what it does not have. */
export function grantsThatFit (
  given: readonly ClientGrantType[], { isPublic, hasRedirectUris }: GrantConditions
): ClientGrantType[] {
  const asksPeople = hasRedirectUris && given.includes('authorization_code')
  return given.filter(type => type === 'client_credentials' ? !isPublic : asksPeople)
}

/** Why a client cannot have one of these grants; null: it can have all of them. */
export function problemOfGrants (given: readonly ClientGrantType[], conditions: GrantConditions): string | null {
  if (given.length === 0) return `A client needs at least one of the grants ${clientGrantTypes.join(', ')}.`
  const unfit = given.find(type => !grantsThatFit(given, conditions).includes(type))
  switch (unfit) {
    case undefined: return null
    case 'client_credentials':
      return 'The grant client_credentials takes a client that proves itself, with a secret or its own keys.'
    case 'authorization_code': return 'The grant authorization_code takes a redirect URI.'
    case 'refresh_token': return 'The grant refresh_token takes authorization_code beside it.'
  }
}

/**
 * The grants of a client that names none: with redirect URIs those of clients that act for people. RFC 7591 §2 has
 * authorization_code alone; clients that leave the member out expect their sessions to last all the same.
 */
export function defaultGrantTypes (hasRedirectUris: boolean): readonly ClientGrantType[] {
  return hasRedirectUris ? ['authorization_code', 'refresh_token'] : ['client_credentials']
}

/** Whether a client keeps access beyond one access token: what a person allows it includes that, or does not. */
export function mayRefresh ({ grant_types: grantTypes }: { grant_types: readonly string[] }): boolean {
  return grantTypes.includes('refresh_token')
}

/** RFC 7591 §2.1: the response types that go with the grants. */
export function responseTypesOf (grantTypes: readonly string[]): string[] {
  return grantTypes.includes('authorization_code') ? ['code'] : []
}
