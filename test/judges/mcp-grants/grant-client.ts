// A client that the conformance suite starts against its own authorization server: it sends one token request of a
// case, and writes what was answered to LATCHKEY_ANSWER.
import { writeFile } from 'node:fs/promises'
import { basic } from '../../support/test-server.ts'
import { grantCases, requestOf, type Credentials } from './grant-cases.ts'

const { LATCHKEY_CASE: name, LATCHKEY_ANSWER: file, MCP_CONFORMANCE_CONTEXT: said } = process.env
const context = JSON.parse(said!) as Record<string, string>
const server = new URL(process.argv.at(-1)!)

const { authorization_servers: [authorizationServer] } =
  await json(new URL(`/.well-known/oauth-protected-resource${server.pathname}`, server))
const { token_endpoint: tokenEndpoint } =
  await json(new URL('/.well-known/oauth-authorization-server', authorizationServer))
const { headers, body } = requestOf(grantCases[name!]!, await credentials())
const response = await fetch(tokenEndpoint, { method: 'POST', headers, body })
await writeFile(file!, JSON.stringify({ status: response.status, ...await response.json() as object }))

async function credentials (): Promise<Credentials> {
  const { client_id: clientId, client_secret: secret, idp_id_token: idToken } = context
  if (idToken === undefined) {
    return {
      valid: context.valid_jwt!, wrongAudience: context.wrong_audience_jwt!, expired: context.expired_jwt!
    }
  }
  const { access_token: idJag } = await json(context.idp_token_endpoint!, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      subject_token: idToken,
      subject_token_type: 'urn:ietf:params:oauth:token-type:id_token',
      requested_token_type: 'urn:ietf:params:oauth:token-type:id-jag',
      audience: authorizationServer,
      resource: server.href
    })
  })
  return {
    valid: idJag,
    wrongType: idToken,
    resource: server.href,
    proof: basic(clientId!, secret!),
    wrongProof: basic(clientId!, 'another')
  }
}

async function json (url: string | URL, init?: RequestInit): Promise<Record<string, any>> {
  return await (await fetch(url, init)).json() as Record<string, any>
}
