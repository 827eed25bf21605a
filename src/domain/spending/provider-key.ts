/** Provider keys: secrets of AI providers, set by operators, sealed in the database, and read by gateways alone. */
import { Failure } from '../../base/errors.ts'
import { fingerprintOf } from '../../secrets/digest.ts'
import { newId } from '../../secrets/random.ts'
import { providerKeySealing, seal, sealAnew, unseal } from '../../secrets/sealing.ts'
import { change, remove, type RecordKind } from '../audit/change.ts'
import { auditEvent } from '../audit/event.ts'
import type { AuditPort } from '../audit/log.ts'
import type { Reseal, SealedKind } from '../audit/resealing.ts'
import { requireVisible, within, type Operation, type Revised } from '../core/operation.ts'
import { everyRow, type Page, type PageQuery } from '../core/page.ts'
import { requireDeployment } from '../members/delegation.ts'
import { requireActiveOrganization, type OrganizationPort } from '../tenancy/organization.ts'

export interface ProviderKey extends Revised {
  /** `pvk_…` */
  id: string
  /** Null: the deployment's, for organizations without one of their own. */
  organizationId: string | null
  /** The provider's name, such as `openai`: one key for each. */
  provider: string
  sealedKey: string
  /** The first 16 hex digits of the text's SHA-256: whether it is the key that an operator has at hand. */
  fingerprint: string
  /** The last four characters of the text. */
  hint: string
  createdBy: string
  createdAt: Date
  /** Null: it still has its first text. */
  replacedAt: Date | null
  /** Null: never. */
  lastLeasedAt: Date | null
}

export interface ProviderKeyFilter { organizationId?: string | null, provider?: string }

export interface ProviderKeyRepository {
  insert (key: ProviderKey): Promise<void>
  get (id: string): Promise<ProviderKey | null>
  of (organizationId: string | null, provider: string): Promise<ProviderKey | null>
  /** Replaces the text and what is shown of it; returns it with its next revision. */
  update (key: ProviderKey): Promise<ProviderKey>
  /** Replaces the seal. False: the key has another one. */
  reseal (reseal: Reseal): Promise<boolean>
  /** Not part of any change. */
  touch (id: string, leasedAt: Date): Promise<void>
  remove (id: string): Promise<void>
  page (query: PageQuery, filter: ProviderKeyFilter): Promise<Page<ProviderKey>>
  /** Whether there is any. */
  some (): Promise<boolean>
}

export interface ProviderKeyPort { providerKeys: ProviderKeyRepository }

type Ports = AuditPort & OrganizationPort & ProviderKeyPort

/** Characters of a text that may be a provider's key: visible ASCII, so that it fits into a header. */
export const providerKeyForm = { minLength: 16, maxLength: 4_096, pattern: '^[!-~]+$' } as const

/** The names of providers. */
export const providerForm = { pattern: '^[a-z0-9][a-z0-9._-]{0,63}$' } as const

/** `secrets`: LATCHKEY_SECRET, the newest first. `text`: the provider's key. */
export interface ProviderKeyInput { organizationId: string | null, provider: string, text: string }

/**
 * Sets the key of an organization, or of the deployment, for a provider.
 * @throws Failure `conflict` if there is one: it is replaced, not set twice; `organization_not_active`, `not_found`.
 */
export async function createProviderKey (
  { store, clock, actor }: Operation<Ports>, secrets: readonly string[],
  { organizationId, provider, text }: ProviderKeyInput
): Promise<ProviderKey> {
  const id = newId('pvk')
  const key: ProviderKey = {
    id,
    organizationId,
    provider,
    ...textOf(id, text, secrets),
    createdBy: actor.id,
    createdAt: clock(),
    replacedAt: null,
    lastLeasedAt: null,
    revision: 1
  }
  return await store.transaction(async tx => {
    if (organizationId === null) requireDeployment(actor, 'The deployment\'s keys are set by the deployment.')
    else await requireActiveOrganization(tx, actor, organizationId)
    const present = await tx.providerKeys.of(organizationId, provider)
    if (present !== null) {
      throw new Failure('conflict', {
        message: `There is a key for ${provider} already: ${present.id}; replace that one.`,
        details: { id: present.id }
      })
    }
    await tx.providerKeys.insert(key)
    await tx.audit.append(auditEvent(actor, key.createdAt, 'provider_key.created', about(key)))
    return key
  })
}

/** @throws Failure `not_found`, also for one that the actor may not see. */
export async function getProviderKey (
  { store, actor }: Operation<ProviderKeyPort>, id: string
): Promise<ProviderKey> {
  return requireVisible(actor, await store.providerKeys.get(id), 'provider key', id)
}

/** Replaces the text: gateways get the new one with their next lease. @throws Failure as `load`. */
export async function replaceProviderKey (
  operation: Operation<Ports>, secrets: readonly string[], id: string, text: string
): Promise<ProviderKey> {
  return await change(operation, providerKeys, id, 'provider_key.replaced', (before, now) => ({
    ...before, ...textOf(id, text, secrets), replacedAt: now
  }))
}

/**
 * Sets the key for a provider, whether or not there is one, also where several servers do so at once.
 * @throws Failure as `createProviderKey`, but for `conflict`.
 */
export async function setProviderKey (
  operation: Operation<Ports>, secrets: readonly string[], input: ProviderKeyInput
): Promise<ProviderKey> {
  return await operation.store.transaction(async tx => {
    const inside = { ...operation, store: within(tx) }
    const present = await tx.providerKeys.of(input.organizationId, input.provider)
    return present === null
      ? await createProviderKey(inside, secrets, input)
      : await replaceProviderKey(inside, secrets, present.id, input.text)
  })
}

/** Removes the row with its text; the audit log keeps the fingerprint. @throws Failure as `load`. */
export async function removeProviderKey (operation: Operation<Ports>, id: string): Promise<ProviderKey> {
  return await remove(operation, providerKeys, id, 'provider_key.removed', async tx => {
    await tx.providerKeys.remove(id)
  })
}

/** Seconds for which a gateway may use the text without asking again. */
export const leaseSeconds = 60

export interface Lease { key: ProviderKey, text: string, expiresAt: Date }

/**
 * Opens a key for a gateway of the deployment: the one way to its text. Each lease is in the audit log.
 * @throws Failure `not_found`; `organization_not_active`; `not_ready` for a key that none of `secrets` opens.
 */
export async function leaseProviderKey (
  { store, clock, actor }: Operation<Ports>, secrets: readonly string[], id: string
): Promise<Lease> {
  return await store.transaction(async tx => {
    const now = clock()
    const key = requireVisible(actor, await tx.providerKeys.get(id), 'provider key', id)
    if (key.organizationId !== null) await requireActiveOrganization(tx, actor, key.organizationId)
    const text = unseal(key.sealedKey, secrets, id, providerKeySealing)
    if (text === null) {
      throw new Failure('not_ready', {
        message: `The provider key ${id} cannot be opened; an operator sets it anew.`,
        detail: `provider key ${id} is sealed under a secret that LATCHKEY_SECRET does not list`
      })
    }
    await tx.providerKeys.touch(id, now)
    await tx.audit.append(auditEvent(actor, now, 'provider_key.leased', about(key)))
    return { key, text, expiresAt: new Date(now.getTime() + leaseSeconds * 1_000) }
  }, 'read committed')
}

export const sealedProviderKeys: SealedKind<ProviderKeyPort> = {
  event: 'provider_key.resealed',
  async * read (store, secrets) {
    if (!await store.providerKeys.some()) return
    for await (const { id, organizationId, sealedKey } of everyRow(query => store.providerKeys.page(query, {}))) {
      yield { id, organizationId, sealed: sealedKey, anew: sealAnew(sealedKey, secrets, id, providerKeySealing) }
    }
  },
  write: async (tx, reseal) => await tx.providerKeys.reseal(reseal),
}

/** How they are found, kept and audited. */
const providerKeys: RecordKind<ProviderKey, ProviderKeyPort> = {
  name: 'provider key',
  organizationOf: ({ organizationId }) => organizationId,
  get: (tx, id) => tx.providerKeys.get(id),
  update: (tx, after) => tx.providerKeys.update(after),
  about,
}

function textOf (
  id: string, text: string, secrets: readonly string[]
): Pick<ProviderKey, 'sealedKey' | 'fingerprint' | 'hint'> {
  return {
    sealedKey: seal(text, secrets[0]!, id, providerKeySealing), fingerprint: fingerprintOf(text), hint: text.slice(-4)
  }
}

function about ({ id, organizationId, provider, fingerprint, hint }: ProviderKey, detail = {}) {
  return { organizationId, subject: id, detail: { provider, fingerprint, hint, ...detail } }
}
