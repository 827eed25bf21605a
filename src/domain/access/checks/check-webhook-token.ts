/** Webhooks' tokens: the facts from which the verdict on one follows, with those of the key that it acts for. */
import type { Awaitable } from '../../../base/awaitable.ts'
import { digestOf } from '../../../secrets/digest.ts'
import { isWebhookToken } from '../../../secrets/credential-text.ts'
import type { WebhookToken } from '../../credentials/webhook-token.ts'
import { isLasting, keyFactsIn } from './check-api-key.ts'
import { factsMemory, notFound, type KeyFacts, type NotFound, type WebhookFacts } from '../facts.ts'
import { fromAnywhere, judgeCredential, reasonAgainstWebhookToken } from '../judge-credential.ts'
import type { Presentation, Principal } from '../principal.ts'
import type { Registry } from '../registry.ts'

/** Gathers the facts of webhooks' tokens. */
export interface WebhookAuthenticator {
  /** `text`: the secret of the path. `presentation` names the type of the route's objects. */
  gather (text: string, presentation: Presentation): Awaitable<WebhookFacts | NotFound>
}

const malformed = notFound('malformed', 'api_key')
const unknown = notFound('unknown', 'api_key')
const remembered = factsMemory<WebhookToken, WebhookFacts>()

export function webhookAuthenticator (registry: Registry): WebhookAuthenticator {
  return {
    gather (text, presentation) {
      if (!isWebhookToken(text)) return malformed
      // Found by its SHA-256, like an API key: there is nothing left to compare.
      const token = registry.webhookToken(digestOf(text))
      if (token === null) return unknown
      const known = token instanceof Promise ? null : remembered.current(token, registry.state)
      return known ?? gatherFacts(registry, token, presentation)
    },
  }
}

async function gatherFacts (
  registry: Registry, found: Awaitable<WebhookToken | null>, presentation: Presentation
): Promise<WebhookFacts | NotFound> {
  const token = await found
  if (token === null) return unknown
  const { state } = registry
  const alone: WebhookFacts = {
    kind: 'webhook_token', token, keyFacts: null, organization: null, principal: null, policies: []
  }
  if (reasonAgainstWebhookToken(token, presentation) !== null) return alone
  const key = await registry.apiKeyById(token.apiKeyId)
  if (key === null) return alone
  const keyFacts = await keyFactsIn(registry, key, fromAnywhere(presentation))
  const facts: WebhookFacts = { ...alone, keyFacts, organization: keyFacts.organization, policies: keyFacts.policies }
  if (judgeCredential(facts, presentation) !== null) return facts
  const lasting = isLasting(keyFacts) ? state : null
  return remembered.keep(token, lasting, { ...facts, principal: inTheNameOf(keyFacts, token) })
}

/** The key's principal, restricted to the one object. */
function inTheNameOf ({ principal }: KeyFacts, { object: { type, id } }: WebhookToken): Principal {
  return { ...principal!, objects: { ...principal!.objects, [type]: [id] } }
}
