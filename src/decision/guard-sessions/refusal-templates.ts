/**
 * The refusals of a resource as templates, for guards in languages without the code of the styles: the answer to each
 * reason, with `{path}`, `{timestamp}`, `{scope}` and `{requestId}` where the request decides.
 */
import { Failure } from '../../base/errors.ts'
import { refusal as refusalOf } from '../../domain/access/facts.ts'
import type { Reason, Refusal } from '../../domain/access/principal.ts'
import { resourceMetadataUrl } from '../../domain/resources/resource-metadata.ts'
import type { Resource } from '../../domain/resources/resource.ts'
import { statuses } from '../../guard/refusal/public-refusal.ts'
import {
  failureAnswer, refusalAnswer, type ReadyAnswer, type StyledOccasion
} from '../../guard/refusal/ready-answer.ts'

/** By reason: the answer to what was presented; `unavailable`: the guard cannot decide. */
export interface RefusalTemplates {
  refusals: Readonly<Record<Reason, Readonly<Record<'none' | 'api_key' | 'access_token', ReadyAnswer>>>>
  unavailable: ReadyAnswer
}

const someTime = new Date(0)

export function refusalTemplates (resource: Resource): RefusalTemplates {
  const occasion: StyledOccasion = {
    path: '{path}', now: someTime, requestId: '{requestId}', style: resource.style
  }
  const challenged = { metadataUrl: resourceMetadataUrl(resource.identifier), scopes: ['{scope}'] }
  const template = (reason: Reason, presented: 'api_key' | 'access_token' | null): ReadyAnswer => {
    const refusal: Refusal = {
      ...refusalOf(reason, presented), ...(reason === 'insufficient_scope' ? { requiredScopes: ['{scope}'] } : {})
    }
    return timed(refusalAnswer({ refusal, retryAfterSeconds: null, limits: [] }, occasion, challenged))
  }
  const reasons = Object.keys(statuses) as Reason[]
  return {
    refusals: Object.fromEntries(reasons.map(reason => [reason, {
      none: template(reason, null),
      api_key: template(reason, 'api_key'),
      access_token: template(reason, 'access_token')
    }])) as unknown as RefusalTemplates['refusals'],
    unavailable: timed(failureAnswer(new Failure('authorization_unavailable'), occasion))
  }
}

function timed ({ body, ...answer }: ReadyAnswer): ReadyAnswer {
  return { ...answer, body: body.replaceAll(someTime.toISOString(), '{timestamp}') }
}
