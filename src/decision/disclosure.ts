/** What a client that asks about a credential may know of a refusal. */
import type { Refusal } from '../domain/access/principal.ts'
import type { Client } from '../domain/credentials/client.ts'
import type { ErrorStyleName } from '../domain/resources/style.ts'
import { documentedReason } from '../guard/refusal/styles.ts'

/**
 * The reason for a client: the precise one for the credential's own organization and for the deployment, for others
 * what the style documents.
 */
export function disclosedReason (client: Client, style: ErrorStyleName, refusal: Refusal): string {
  return mayKnow(client, refusal) ? preciseReason(refusal) : documentedReason(style, refusal)
}

/**
 * A refusal for a guard that answers by itself: with the precise reason, or, for a client that may not know it, with one
 * that the style answers alike.
 */
export function disclosedRefusal (client: Client, style: ErrorStyleName, refusal: Refusal): Refusal {
  if (mayKnow(client, refusal)) return { ...refusal, reason: preciseReason(refusal) }
  const { presented } = refusal
  const unknown: Refusal = { reason: 'unknown', presented, subject: null, organizationId: null }
  return documentedReason(style, refusal) === documentedReason(style, unknown)
    ? unknown
    : { ...unknown, reason: refusal.reason }
}

/** Of the credential's own organization, or of the deployment. */
function mayKnow ({ organizationId: own }: Client, { organizationId }: Refusal): boolean {
  return own === null || own === organizationId
}

/** A key of another resource is answered as one that does not exist: only the audit log tells them apart. */
function preciseReason ({ reason, presented }: Refusal): Refusal['reason'] {
  return presented === 'api_key' && (reason === 'wrong_resource' || reason === 'foreign_deployment')
    ? 'unknown'
    : reason
}
