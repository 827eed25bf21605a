/** The command that asks for a token with the secret of a client. */
import { paths } from '../../protocol/shared/paths.ts'
import { hasSecret, type Client } from './client.ts'

/** A command of a shell. The secret comes from a variable: histories of shells are kept. */
export function tokenCommand (client: Client, issuer: string): string {
  const { clientId } = client
  const proof = hasSecret(client)
    ? [`  -u "${clientId}:$CLIENT_SECRET"`]
    : [
        `  -d client_id=${clientId}`,
        '  -d client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
        '  -d client_assertion="$SIGNED_JWT"'
      ]
  return [
    `curl ${issuer}${paths.token}`,
    ...proof,
    '  -d grant_type=client_credentials',
    ...(client.grants[0] === undefined ? [] : [`  -d resource=${client.grants[0].resource}`])
  ].join(' \\\n')
}
