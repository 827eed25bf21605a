/** Refusals of a resource as its guards answer them, for people that build its callers. */
import type { Refusal } from '../../domain/access/principal.ts'
import { hostedMetadataUrl } from '../../domain/resources/resource-metadata.ts'
import type { Resource } from '../../domain/resources/resource.ts'
import { refusalAnswer, type StyledOccasion } from '../../guard/refusal/ready-answer.ts'
import { Type } from '../../http/typebox-lite.ts'
import { as, list } from '../conventions/schemas.ts'

/** The reasons that most callers meet. */
const shownReasons = ['no_credential', 'revoked', 'insufficient_scope', 'rate_limited'] as const

const Example = Type.Object({
  reason: Type.Enum([...shownReasons], { description: 'The precise reason, which the audit log keeps.' }),
  status: as(Type.Integer(), 401),
  headers: Type.Record(Type.String(), Type.String()),
  body: as(Type.String({ description: 'JSON, as it is sent.' }), '{"error":"The credential is not valid."}'),
}, { title: 'RefusalExample' })
export const RefusalExamples = Type.Object({ data: list(Example) }, { title: 'RefusalExamples' })

/** By the code of the guard itself. */
export function refusalExamples (
  resource: Resource, occasion: Omit<StyledOccasion, 'style'>, issuer: string
) {
  const scopes = resource.scopes.slice(0, 1).map(({ name }) => name)
  const metadataUrl = resource.kind === 'mcp' ? hostedMetadataUrl(resource, issuer) : null
  return shownReasons.map(reason => {
    const presented = reason === 'no_credential' ? null : 'api_key' as const
    const refusal: Refusal = {
      reason,
      presented,
      subject: null,
      organizationId: null,
      ...(reason === 'insufficient_scope' ? { requiredScopes: scopes } : {}),
    }
    const retryAfterSeconds = reason === 'rate_limited' ? 30 : null
    const { status, headers, body } = refusalAnswer(
      { refusal, retryAfterSeconds, limits: [] }, { ...occasion, style: resource.style }, { metadataUrl, scopes }
    )
    return { reason, status, headers: { ...headers }, body }
  })
}
