/**
 * What the credentials of an organization can do, scope by scope, with the reason for each (OC-17): what the guard
 * would find, told before anybody asks.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { everyRow, type Page, type PageQuery, type Position } from '../core/page.ts'
import { evaluate, type Circumstances, type PolicySet, type Evaluation } from '../policy/policy-evaluation.ts'
import {
  type CredentialAccess, heldClient, heldKey, heldManagementToken, heldPublishableKey, heldWebhookToken, type Known,
  type ResourceAccess, type ScopeExplanation
} from './access-explanation.ts'
import type { ApiKeyPort } from '../credentials/api-key.ts'
import type { ClientPort } from '../credentials/client.ts'
import type { ManagementTokenPort } from '../credentials/management-token.ts'
import type { PublishableKeyPort } from '../credentials/publishable-key.ts'
import type { WebhookTokenPort } from '../credentials/webhook-token.ts'
import type { ResourcePort } from '../resources/resource.ts'
import type { OrganizationPort } from '../tenancy/organization.ts'
import type { MemberPort } from '../members/permissions.ts'

/** What the operations of this file read and write. */
type Ports =
  & ApiKeyPort
  & ClientPort
  & ManagementTokenPort
  & MemberPort
  & OrganizationPort
  & PublishableKeyPort
  & ResourcePort
  & WebhookTokenPort

/** The order in which credentials are listed, by what their ids begin with. */
const order = ['key_', 'cli_', 'mat_', 'pbk_', 'wht_']

/** Where the kind of a credential stands in lists. What is no credential's id comes first. */
export function placeOf (id: string): number {
  return Math.max(0, order.findIndex(prefix => id.startsWith(prefix)))
}

/**
 * Every credential of an organization, or of all: API keys first, then clients, tokens of the management API,
 * publishable keys, webhooks' tokens, each newest first, behind the position `after`. What policies take away is not
 * looked at yet.
 */
export async function * credentialAccesses (
  repositories: Ports, organizationId: string | undefined, now: Date, after: Position | null
): AsyncGenerator<CredentialAccess> {
  const known = knownOf(repositories)
  const filter = organizationId === undefined ? {} : { organizationId }
  const kinds: ((from: Position | null) => AsyncGenerator<CredentialAccess>)[] = [
    from => held(query => repositories.apiKeys.page(query, filter), from, key => heldKey(known, key, now)),
    from => held(query => repositories.clients.page(query, filter), from, client => heldClient(known, client)),
    from =>
      held(
        query => repositories.managementTokens.page(query, filter), from,
        token => heldManagementToken(known, token, now)
      ),
    from =>
      held(query => repositories.publishableKeys.page(query, filter), from, key => heldPublishableKey(known, key)),
    from =>
      held(query => repositories.webhookTokens.page(query, filter), from, token => heldWebhookToken(known, token, now))
  ]
  const first = after === null ? 0 : placeOf(after.id)
  for (let i = first; i < kinds.length; i++) yield * kinds[i]!(i === first ? after : null)
}

/** One credential by its id, whatever kind it is; null: there is none. */
export async function credentialAccess (
  repositories: Ports, id: string, now: Date
): Promise<CredentialAccess | null> {
  const known = knownOf(repositories)
  const key = await repositories.apiKeys.get(id)
  if (key !== null) return await heldKey(known, key, now)
  const client = await repositories.clients.get(id)
  if (client !== null) return await heldClient(known, client)
  const management = await repositories.managementTokens.get(id)
  if (management !== null) return await heldManagementToken(known, management, now)
  const publishable = await repositories.publishableKeys.get(id)
  if (publishable !== null) return await heldPublishableKey(known, publishable)
  const webhook = await repositories.webhookTokens.get(id)
  return webhook === null ? null : await heldWebhookToken(known, webhook, now)
}

/** The scopes of an access that nothing but a policy can take away. */
export function usableScopes ({ lines }: ResourceAccess): string[] {
  return lines.filter(line => line.usable).map(line => line.scope)
}

/** What policies make of an access under `circumstances`; with an unknown address, lines that depend on it say so. */
export function underPolicies (
  sets: readonly PolicySet[], credential: CredentialAccess, access: ResourceAccess, circumstances: Circumstances
): ResourceAccess {
  const { kind, organizationId, groups } = credential
  const scopes = usableScopes(access)
  const subject = { kind, organizationId, groups, resourceId: access.resource.id }
  const least = evaluate(sets, subject, scopes, circumstances, 'refuses')
  const most = evaluate(sets, subject, scopes, circumstances, 'passes')
  return { resource: access.resource, lines: access.lines.map(line => line.usable ? weighed(line, least, most) : line) }
}

function weighed (line: ScopeExplanation, least: Evaluation, most: Evaluation): ScopeExplanation {
  const takenBy = takerOf(most, line.scope)
  if (takenBy !== null) {
    return { ...line, usable: false, reasons: [...line.reasons, { effect: 'takes_away', by: 'policy', id: takenBy }] }
  }
  const doubted = takerOf(least, line.scope)
  return doubted === null
    ? line
    : { ...line, reasons: [...line.reasons, { effect: 'depends', by: 'policy', id: doubted }] }
}

function takerOf ({ refusedBy, withheld }: Evaluation, scope: string): string | null {
  return refusedBy ?? withheld.get(scope) ?? null
}

/** What each row behind `from` holds. */
async function * held<T extends Position> (
  page: (query: PageQuery) => Promise<Page<T>>, from: Position | null, hold: (row: T) => Promise<CredentialAccess>
): AsyncGenerator<CredentialAccess> {
  for await (const row of everyRow(page, from)) {
    yield await hold(row)
    // On SQLite reading takes no turn of the event loop by itself, and there may be any number of credentials.
    await nextTurn()
  }
}

function knownOf (
  { resources, organizations, members, apiKeys }: ApiKeyPort & MemberPort & OrganizationPort & ResourcePort
): Known {
  return {
    resource: once(id => resources.get(id)),
    organization: once(id => organizations.get(id)),
    member: once(id => members.get(id)),
    apiKey: once(id => apiKeys.get(id)),
  }
}

function once<T> (load: (id: string) => Promise<T>): (id: string) => Promise<T> {
  const loaded = new Map<string, Promise<T>>()
  return id => {
    const known = loaded.get(id) ?? load(id)
    loaded.set(id, known)
    return known
  }
}
