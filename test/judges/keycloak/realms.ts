/** The realms of the judge: the one that a Latchkey trusts, and another one of the same Keycloak, with equal names. */

/** The Latchkey that is a client of the realms. */
export interface RealmClient { clientId: string, clientSecret: string, redirectUri: string, logoutUri: string }

/** Of every person of the realms. */
export const password = 'correct horse battery staple'

/** As the documents of `--import-realm`. */
export function realmsWith (client: RealmClient): object[] {
  return [
    realm('acme', client, [
      person('ada', 'Ada Lovelace', { realmRoles: ['pilot', 'cook'] }),
      person('grace', 'Grace Hopper'),
      person('mal', 'Mal Lory', { emailVerified: false }),
      person('eve', 'Eve Stranger'),
    ]),
    realm('other', client, [person('ada', 'Ada Lovelace')]),
  ]
}

function realm (name: string, client: RealmClient, users: object[]): object {
  return {
    realm: name,
    enabled: true,
    roles: { realm: [{ name: 'pilot' }, { name: 'cook' }] },
    users,
    clients: [{
      clientId: client.clientId,
      secret: client.clientSecret,
      redirectUris: [client.redirectUri],
      attributes: {
        'backchannel.logout.url': client.logoutUri,
        'backchannel.logout.session.required': 'true',
        'pkce.code.challenge.method': 'S256',
      },
      protocolMappers: [rolesInIdTokens],
    }],
  }
}

function person (username: string, name: string, more: object = {}): object {
  const [firstName, lastName] = name.split(' ')
  return {
    username,
    firstName,
    lastName,
    email: `${username}@acme.example`,
    emailVerified: true,
    enabled: true,
    credentials: [{ type: 'password', value: password }],
    ...more
  }
}

/** By default Keycloak writes roles into access tokens alone. */
const rolesInIdTokens = {
  name: 'realm roles in ID tokens',
  protocol: 'openid-connect',
  protocolMapper: 'oidc-usermodel-realm-role-mapper',
  config: {
    'claim.name': 'realm_access.roles', 'jsonType.label': 'String', multivalued: 'true', 'id.token.claim': 'true'
  },
}
