/** API keys: found by their digest, with the facts from which their verdict follows. */
import type { Awaitable } from '../../../base/awaitable.ts'
import { digestOf } from '../../../secrets/digest.ts'
import { isApiKeyText } from '../../../secrets/credential-text.ts'
import { effectiveScopes, type ApiKey } from '../../credentials/api-key.ts'
import { voucherKey } from '../../credentials/voucher.ts'
import { creatorOf, groupsOf, type Member } from '../../members/permissions.ts'
import type { Resource } from '../../resources/resource.ts'
import { factsMemory, notFound, type KeyFacts, type NotFound } from '../facts.ts'
import { judgeCredential } from '../judge-credential.ts'
import { policiesFor } from '../policy-lookup.ts'
import type { Presentation, Principal } from '../principal.ts'
import type { Registry } from '../registry.ts'

// Bounds of a key that was made elsewhere: shorter ones can be guessed, longer ones are no keys.
const shortestImported = 16
const longestImported = 512

// The check of a key of our form was right, so it was minted: by another deployment (CK-13).
const foreignKey = notFound('foreign_deployment', 'api_key')
const malformedKey = notFound('malformed', 'api_key')
const unknownKey = notFound('unknown', 'api_key')

/** The facts of the key with this text. A key that memory holds is answered without a promise. */
export function gatherApiKey (
  registry: Registry, text: string, presentation: Presentation
): Awaitable<KeyFacts | NotFound> {
  // Found by its SHA-256: there is nothing left to compare that could take longer the nearer a guess comes.
  const digest = digestOf(text)
  const cached = registry.cachedApiKey(digest)
  // Its form was checked when it was found for the first time, before it cost a query.
  if (cached !== null) return keyFactsIn(registry, cached, presentation)
  if (isApiKeyText(text)) return gatherOwnKey(registry, digest, presentation)
  // A key that was made elsewhere has any form.
  if (text.length < shortestImported || text.length > longestImported) return malformedKey
  return gatherImportedKey(
    registry, digest, presentation,
    presentation.resource === null || !takesImported(presentation) ? malformedKey : unknownKey
  )
}

/** A key that was made here is that key everywhere, also where its digest was imported for another resource. */
async function gatherOwnKey (
  registry: Registry, digest: string, presentation: Presentation
): Promise<KeyFacts | NotFound> {
  const key = await registry.apiKey(digest)
  return key === null
    ? await gatherImportedKey(registry, digest, presentation, foreignKey)
    : await keyFactsIn(registry, key, presentation)
}

/** A resource says whether keys were imported for it. Where any resource will do, the registry knows. */
function takesImported ({ resource }: Presentation): boolean {
  return resource === null || resource.style.importedKeys === true
}

/** What is a JWT by its form and no token of ours may be an imported key, where keys travel as bearer, too. */
export function gatherKeyLikeToken (
  registry: Registry, text: string, presentation: Presentation, otherwise: NotFound
): Awaitable<KeyFacts | NotFound> {
  return text.length > longestImported
    ? otherwise
    : gatherImportedKey(registry, digestOf(text), presentation, otherwise)
}

/** The facts of the key that was imported with this digest where it is presented; `otherwise`: there is none. */
function gatherImportedKey (
  registry: Registry, digest: string, presentation: Presentation, otherwise: NotFound
): Awaitable<KeyFacts | NotFound> {
  if (!takesImported(presentation)) return otherwise
  const key = importedKey(registry, digest, presentation)
  if (key instanceof Promise) return importedFacts(registry, key, presentation, otherwise)
  return key === null ? otherwise : keyFactsIn(registry, key, presentation)
}

async function importedFacts (
  registry: Registry, found: Promise<ApiKey | null>, presentation: Presentation, otherwise: NotFound
): Promise<KeyFacts | NotFound> {
  const key = await found
  return key === null ? otherwise : await keyFactsIn(registry, key, presentation)
}

function importedKey (registry: Registry, digest: string, { resource, among }: Presentation): Awaitable<ApiKey | null> {
  if (resource !== null) return registry.importedApiKey(digest, resource.id)
  return among === undefined ? registry.importedApiKey(digest, null) : onlyImported(registry, digest, among)
}

/** The one key that was imported for any of these resources; null: there is none, or there are several. */
async function onlyImported (registry: Registry, digest: string, among: readonly string[]): Promise<ApiKey | null> {
  let found: ApiKey | null = null
  for (const id of among) {
    const key = await registry.importedApiKey(digest, id)
    if (key !== null && found !== null) return null
    found ??= key
  }
  return found
}

const remembered = factsMemory<ApiKey, KeyFacts>()

/** The facts of a key that was found: by its text, or by what acts in its name. */
export function keyFactsIn (registry: Registry, key: ApiKey, presentation: Presentation): Awaitable<KeyFacts> {
  return remembered.current(key, registry.state) ?? gatherFacts(registry, key, presentation)
}

/** Looks up all that the verdict on a key follows from; what is refused already costs no more look-ups. */
async function gatherFacts (registry: Registry, key: ApiKey, presentation: Presentation): Promise<KeyFacts> {
  const { state } = registry
  const [resource, organization, voucher] = await Promise.all([
    registry.resource(key.resourceId),
    registry.organization(key.organizationId),
    key.vouchedBy === null ? null : voucherKey(registry, key.vouchedBy)
  ])
  const found: KeyFacts = {
    kind: 'api_key', key, resource, organization, voucher, member: null, principal: null, policies: []
  }
  if (judgeCredential(found, presentation) !== null) return found
  const [member, policies] = await Promise.all([
    key.creatorId === null ? null : registry.member(key.creatorId),
    policiesFor(registry, key.organizationId)
  ])
  const before = remembered.latest(key)
  const principal = before?.resource === resource && before.member === member
    ? before.principal
    : keyPrincipal(key, resource!, member)
  const facts = { ...found, member, principal, policies }
  return remembered.keep(key, isLasting(facts) ? state : null, facts)
}

/** A missing member is looked up again each time: its creation does not change the state of the registry. */
export function isLasting ({ key, member }: KeyFacts): boolean {
  return key.creatorId === null || member !== null
}

function keyPrincipal (key: ApiKey, resource: Resource, member: Member | null): Principal {
  return {
    kind: 'api_key',
    id: key.id,
    subject: null,
    name: key.name,
    organizationId: key.organizationId,
    organizations: key.organizations,
    environment: key.environment,
    resource: resource.identifier,
    resourceId: resource.id,
    groups: groupsOf(key, member),
    access: key.access,
    scopes: effectiveScopes(key, resource, member),
    creator: creatorOf(member, resource),
    ...(key.vouchedBy === null ? {} : { vouchedBy: key.vouchedBy }),
    objects: key.objects,
    allowlist: key.allowlist,
    expiresAt: key.expiresAt,
  }
}
