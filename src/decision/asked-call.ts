/** A call that another process asks about: the caller and its request are what the question says. */
import type { Resource } from '../domain/resources/resource.ts'
import type { Requirements } from '../domain/access/judge.ts'
import type { AdmissionDependencies, Call } from '../guard/admission.ts'
import type { Environment } from '../secrets/credential-text.ts'

/** What is asked: whether a credential may be used for this. */
export interface Question {
  resource: Resource
  requirements: Requirements
  /** The organization that the request names; null: it names none. */
  organizationId: string | null
  /** The id of the object that the request names; null: it names none. */
  objectId: string | null
  /** Where the credential came from; null: unknown, and no allowlist lets it pass. */
  address: string | null
  /** The one environment that is served; null or left out: both. */
  environment?: Environment | null
}

/** The call that a question stands for. It takes no webhook's token: the path that holds one is not asked about. */
export function askedCall (dependencies: AdmissionDependencies, question: Question): Call {
  const { resource, requirements, organizationId, objectId, address, environment = null } = question
  const now = dependencies.clock()
  return {
    dependencies,
    requirements,
    resource,
    organizationId,
    objectId,
    address,
    environment,
    webhookToken: null,
    webhookType: null,
    now
  }
}

/** What any valid credential fulfils. */
export const anyCredential: Requirements = {
  scopes: [], apiKeyOnly: false, session: false, feature: null, object: null, credits: 0
}
