/** Checks that clients reach the server at its issuer. */
import { failures } from '../../base/errors.ts'
import type { Unreachable } from '../../base/reachability.ts'
import { isLoopback } from '../../config/loopback.ts'
import { paths } from '../../protocol/shared/paths.ts'
import { failed, ok, skipped, type Finding } from './finding.ts'
import {
  failureOf, isGatewayError, isLatchkey, isRight, type IssuerProbe, type LocalProbe, type Response
} from './probe.ts'

const check = 'issuer'

export function checkIssuer (local: LocalProbe, outside: IssuerProbe): Finding {
  const { issuer, answer } = outside
  const { response } = answer
  if (isRight(outside)) return ok(check, `${issuer} answers with its own metadata`)
  const isWaiting = response === null ? answer.why!.remedy === null : isGatewayError(answer) || isAt(local, issuer)
  if (isWaiting && !isLatchkey(local.answer)) return skipped(check, 'the server has to run first')
  if (response === null) return unreachable(local, issuer, answer.why!)
  if (isGatewayError(answer)) {
    return failed(
      check,
      `a proxy answers ${response.status} at ${issuer}: it does not reach the server, which answers at ${local.url}`,
      `Have the proxy forward requests to ${local.url}, or to that server's address in its network, and check its log.`
    )
  }
  return unexpected(issuer, response)
}

/** Whether an origin is the address of the local server. */
function isAt ({ url }: LocalProbe, origin: string): boolean {
  const [one, other] = [new URL(origin), new URL(url)]
  return isLoopback(one.hostname) && isLoopback(other.hostname) && one.port === other.port
}

/** The server runs, so the cause is in front of it; clients may reach it even where this machine does not. */
function unreachable ({ url }: LocalProbe, issuer: string, { found, remedy }: Unreachable): Finding {
  const elsewhere = `Request ${issuer}${paths.serverMetadata} from where clients are: if it answers there, nothing ` +
    'is wrong. If not, check the name, the proxy and the firewall in front of the server; LATCHKEY_ISSUER must be ' +
    'the origin that clients use.'
  return failed(check, `${found}; the server itself answers at ${url}`, remedy ?? elsewhere)
}

function unexpected (issuer: string, response: Response): Finding {
  const { status, location, body } = response
  const failure = failureOf(response)
  if (failure === 'tls_required') return tlsRequired(issuer)
  if (failure !== null) {
    return failed(
      check,
      `the server at ${issuer} answers ${status}: ${failures[failure].message}`,
      'Check its log; docs/operations.md explains each answer.'
    )
  }
  if (status === 200 && typeof body?.issuer === 'string') {
    return failed(
      check,
      `${issuer} answers as another issuer, ${body.issuer}`,
      'Set LATCHKEY_ISSUER to exactly the origin that clients use, for the server and for this command.'
    )
  }
  if (location !== null) {
    return failed(
      check,
      `${issuer} redirects requests for its metadata to ${location} (${status})`,
      'Set LATCHKEY_ISSUER to the origin that answers without a redirection, and have the proxy forward every path ' +
      'unchanged.'
    )
  }
  return failed(
    check,
    `${issuer} answers ${status} for its metadata`,
    'Another program answers there: have the proxy forward every path unchanged, or set LATCHKEY_ISSUER to the ' +
    'origin that clients use.'
  )
}

function tlsRequired (issuer: string): Finding {
  return issuer.startsWith('http:')
    ? failed(
      check,
      `the server at ${issuer} has an https issuer, and this command has not`,
      'Give this command the variables of the server, such as LATCHKEY_ISSUER.'
    )
    : failed(
      check,
      `the server takes requests to ${issuer} for plain HTTP`,
      'Name the proxy\'s address in LATCHKEY_TRUST_PROXY, and have the proxy set X-Forwarded-Proto: https.'
    )
}
