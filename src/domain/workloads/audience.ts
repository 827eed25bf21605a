/**
 * For whom an assertion is meant, and whose trust answers for it. An assertion for the plain issuer belongs to the
 * deployment: otherwise any organization could trust the same platform, and claim the workloads of another.
 */
import type { Client } from '../credentials/client.ts'
import type { TrustedIssuer } from './trusted-issuer.ts'

/** The `aud` by which assertions reach the trusted issuers of an organization. */
export function organizationAudience (issuer: string, organizationId: string): string {
  return `${issuer}/organizations/${organizationId}`
}

/** The organization that an `aud` is of; null: of none. Says nothing of whether there is one. */
export function organizationIn (issuer: string, audience: string | null): string | null {
  const beginning = organizationAudience(issuer, '')
  return audience?.startsWith(beginning) === true ? audience.slice(beginning.length) : null
}

export interface Audiences {
  /** The values of `aud` that a trusted issuer answers for; none: it does not answer for this request. */
  of (issuer: TrustedIssuer): readonly string[]
}

/** `client`: the one that the request names; null: it names none. */
export function audiencesOf (
  { issuer, tokenEndpoint }: { issuer: string, tokenEndpoint: string }, client: Client | null
): Audiences {
  const plain = [issuer, `${issuer}/`, tokenEndpoint]
  return {
    of ({ organizationId, audiences }) {
      if (organizationId === null) return [...plain, ...audiences]
      const own = organizationAudience(issuer, organizationId)
      return client?.organizationId === organizationId ? [own, ...plain, ...audiences] : [own]
    },
  }
}
