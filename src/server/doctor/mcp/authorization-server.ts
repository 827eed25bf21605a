/** What an authorization server says of itself, as far as clients of MCP need it (RFC 8414). */
import { isLoopback } from '../../../config/loopback.ts'
import { ok, warning, type Finding } from '../finding.ts'
import { ask, said, Stuck, texts, wellKnown, type Answer } from './documents.ts'
import { remedyOf } from './remedies.ts'

export interface AuthorizationServer {
  issuer: string
  authorizationEndpoint: string
  tokenEndpoint: string
  /** Null: clients do not register themselves. */
  registrationEndpoint: string | null
  /** Null: tokens cannot be revoked (RFC 7009). */
  revocationEndpoint: string | null
  takesMetadataDocuments: boolean
  /** Whether each authorization response names the issuer (RFC 9207). */
  namesIssuer: boolean
}

const check = 'authorization server'

/** @throws Stuck */
export async function readAuthorizationServer (
  issuer: string
): Promise<{ findings: Finding[], server: AuthorizationServer }> {
  const { place, metadata } = await readMetadata(issuer)
  if (metadata.issuer !== issuer) {
    throw new Stuck(
      check, `${place} has the issuer ${JSON.stringify(metadata.issuer)}, not ${issuer}`,
      'Name the issuer in authorization_servers as its metadata has it, to the last character (RFC 8414 §3.3).'
    )
  }
  const endpoint = (name: string): string | null => {
    const value = metadata[name]
    if (typeof value !== 'string') return null
    if (isSafe(value)) return value
    throw new Stuck(check, `${name} is ${value}`, 'Serve it by https: a code or token would travel in clear.')
  }
  const [authorizationEndpoint, tokenEndpoint] = [endpoint('authorization_endpoint'), endpoint('token_endpoint')]
  if (authorizationEndpoint === null || tokenEndpoint === null) {
    throw new Stuck(
      check, `${place} has no ${authorizationEndpoint === null ? 'authorization_endpoint' : 'token_endpoint'}`,
      'Use an authorization server with the authorization code flow: clients of MCP send people there.'
    )
  }
  const server: AuthorizationServer = {
    issuer,
    authorizationEndpoint,
    tokenEndpoint,
    registrationEndpoint: endpoint('registration_endpoint'),
    revocationEndpoint: endpoint('revocation_endpoint'),
    takesMetadataDocuments: metadata.client_id_metadata_document_supported === true,
    namesIssuer: metadata.authorization_response_iss_parameter_supported === true
  }
  return { findings: [ok(check, place), pkce(metadata), registration(server), issuerInResponses(server)], server }
}

/** In the order of the MCP specification: RFC 8414, then OpenID Connect Discovery at either place. */
async function readMetadata (issuer: string): Promise<{ place: string, metadata: Record<string, unknown> }> {
  const places = [...new Set([
    wellKnown(issuer, 'oauth-authorization-server'),
    wellKnown(issuer, 'openid-configuration'),
    `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`
  ])]
  const tried: Answer[] = []
  for (const place of places) {
    const answer = await ask(check, place)
    if (answer.status === 200 && answer.json !== null) return { place, metadata: answer.json }
    tried.push(answer)
  }
  throw new Stuck(
    check, tried.map(answer => `${answer.url} answers ${said(answer)}`).join('; '),
    remedyOf(tried[0]!, 'Serve the metadata of RFC 8414 at the first of them.')
  )
}

/** A client must refuse to go on where the metadata does not say S256. */
function pkce (metadata: Record<string, unknown>): Finding {
  const methods = texts(metadata.code_challenge_methods_supported)
  if (methods.includes('S256')) return ok('PKCE', 'S256')
  throw new Stuck(
    'PKCE', `code_challenge_methods_supported is ${JSON.stringify(metadata.code_challenge_methods_supported ?? null)}`,
    'List S256 there: clients of MCP must refuse a server that does not say it.'
  )
}

function registration ({ registrationEndpoint, takesMetadataDocuments }: AuthorizationServer): Finding {
  const ways = [
    ...(takesMetadataDocuments ? ['client ID metadata documents'] : []),
    ...(registrationEndpoint === null ? [] : ['dynamic client registration'])
  ]
  return ways.length > 0
    ? ok('registration', ways.join(', '))
    : warning(
      'registration', 'clients cannot introduce themselves',
      'Take client ID metadata documents or dynamic registration; until then give each client a client_id by hand.'
    )
}

function issuerInResponses ({ namesIssuer }: AuthorizationServer): Finding {
  return namesIssuer
    ? ok('issuer in responses', 'announced')
    : warning(
      'issuer in responses', 'authorization_response_iss_parameter_supported is not true',
      'Send iss in authorization responses (RFC 9207): it protects clients of several servers from a mix-up.'
    )
}

function isSafe (text: string): boolean {
  const url = URL.parse(text)
  return url !== null && (url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url.hostname)))
}
