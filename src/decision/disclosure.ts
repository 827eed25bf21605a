/** What a client that asks about a credential may know of a refusal. */
import type { Refusal } from '../domain/access/principal.ts'
import type { Client } from '../domain/credentials/client.ts'
import type { ErrorStyleName } from '../domain/resources/style.ts'
import { documentedReason } from '../guard/refusal/styles.ts'

/** A key of another resource or deployment is answered as one that does not exist: the audit log tells them apart. */
const concealed = new Set<Refusal['reason']>(['unknown', 'wrong_resource', 'foreign_deployment'])

/**
 * The reason for a client: the precise one for the credential's own organization and for the deployment, for others
 * what the style documents.
 */
export function disclosedReason (client: Client, style: ErrorStyleName, refusal: Refusal): string {
  if (!mayKnow(client, refusal)) return documentedReason(style, refusal)
  return isConcealed(refusal) ? 'unknown' : refusal.reason
}

/**
 * A refusal for a guard that answers by itself: with the precise reason, or, for a client that may not know it, with
 * one that the style answers alike.
 */
export function disclosedRefusal (client: Client, style: ErrorStyleName, refusal: Refusal): Refusal {
  const { reason, presented } = refusal
  const unknown: Refusal = { reason: 'unknown', presented, subject: null, organizationId: null }
  if (isConcealed(refusal)) return unknown
  if (mayKnow(client, refusal)) return refusal
  return documentedReason(style, refusal) === documentedReason(style, unknown) ? unknown : { ...unknown, reason }
}

function isConcealed ({ presented, reason }: Refusal): boolean {
  return presented === 'api_key' && concealed.has(reason)
}

/** Of the credential's own organization, or of the deployment. Of a key that is concealed also its organization is. */
function mayKnow ({ organizationId: own }: Client, refusal: Refusal): boolean {
  return own === null || (!isConcealed(refusal) && own === refusal.organizationId)
}
