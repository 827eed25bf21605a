/** The way to the hosts of a trusted issuer, and what is said of one that gives no answer. */
import type { TrustedIssuer } from '../../domain/workloads/trusted-issuer.ts'
import { internet, systemNetwork, type Network } from '../../fetch/network.ts'
import { outboundFetch, type OutboundFailure, type OutboundFetch } from '../../fetch/outbound-fetch.ts'
import { isPublicAddress } from '../../fetch/public-address.ts'
import { limitJsonBody } from '../../http/json-limits.ts'

export interface Way {
  /** In PEM, beside those of Node.js. */
  authorities: readonly string[]
  /** Milliseconds. */
  timeout: number
  maxBytes: number
  /** For tests and demos; rules about addresses hold on it, too. */
  network: Network | undefined
}

/** An organization's URL leads to public addresses alone; the deployment's may lead to a cluster in its own network. */
export function fetchFor (
  { organizationId }: TrustedIssuer, { authorities, timeout, maxBytes, network }: Way
): OutboundFetch {
  const way = network ?? (organizationId === null ? systemNetwork : internet)
  const trusted = [way.ca, ...authorities].filter(each => typeof each === 'string').join('\n')
  return outboundFetch({
    ...(organizationId === null ? {} : { permits: isPublicAddress }),
    timeout,
    maxBytes,
    network: trusted === '' ? way : { ...way, ca: trusted },
  })
}

/** The document of an answer; undefined: it is not JSON, or is nested too deeply. */
export async function jsonIn (answer: Response): Promise<unknown> {
  try {
    const text = await answer.text()
    // What is nested deeply overflows the stack of what reads it.
    limitJsonBody(text, Infinity)
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}

/**
 * Why there is no answer. An organization does not learn which names the network of this server has, so one that leads
 * there looks as one that leads nowhere.
 */
export function withoutNames (failure: OutboundFailure, { organizationId }: TrustedIssuer): string {
  return organizationId !== null && isOfName(failure) ? 'its host has no address on the internet' : failure.message
}

/** Whether it is about the addresses of a name. */
function isOfName ({ reason, cause }: OutboundFailure): boolean {
  const { syscall } = (cause ?? {}) as NodeJS.ErrnoException
  return reason === 'forbidden_address' || syscall?.startsWith('query') === true
}

/** What a stranger wrote, in a sentence that is kept. */
export function shortened (text: string): string {
  return text.length > 256 ? `${text.slice(0, 256)}…` : text
}
