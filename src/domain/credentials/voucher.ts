/**
 * Vouchers: the API key, or the access token of the management API, that vouched for a person's session. The session
 * ends with it, and so do the API keys that the session made.
 */
import { Failure } from '../../base/errors.ts'
import type { Awaitable } from '../../base/awaitable.ts'
import type { Actor } from '../core/actor.ts'
import { reasonAgainstOrganization, type Organization } from '../tenancy/organization.ts'
import type { ApiKey } from './api-key.ts'
import type { Role } from '../members/roles.ts'
import type { ManagementToken } from './management-token.ts'

/** A voucher as it is now. A key stands for those that it was rotated to. */
export interface Voucher {
  revokedAt: Date | null
  /** Null: neither it nor a key that it goes on in is disabled. */
  disabledAt: Date | null
  /** Null: never. */
  expiresAt: Date | null
  /** Its own; null: it is the deployment's, or that organization is missing. */
  organization: Organization | null
  /** Whether it acts for the whole deployment. */
  ofDeployment: boolean
  /** The role that members may not exceed for whom it vouches; absent or null: any. */
  ceiling?: Role | null
  /** The digests of the keys from which this follows. */
  digests: readonly string[]
}

/** Where the records are found. */
export interface VoucherLookUp {
  apiKeyById (id: string): Awaitable<ApiKey | null>
  organization (id: string): Awaitable<Organization | null>
}

/** The key that vouches; null: it is missing. */
export async function voucherKey (lookUp: VoucherLookUp, id: string): Promise<Voucher | null> {
  const keys: ApiKey[] = []
  for (let next: string | null = id; next !== null;) {
    const key: ApiKey | null = await lookUp.apiKeyById(next)
    if (key === null) return null
    keys.push(key)
    next = key.rotatedTo
  }
  const organization = await lookUp.organization(keys[0]!.organizationId)
  const ceiling = keys.at(-1)!.portal?.ceiling ?? null
  return { ...endOf(keys), organization, ofDeployment: false, ceiling, digests: keys.map(({ digest }) => digest) }
}

/** As `voucherKey`, for whatever vouches. */
export async function voucherOf (
  lookUp: VoucherLookUp & { managementTokenById (id: string): Awaitable<ManagementToken | null> }, id: string
): Promise<Voucher | null> {
  if (!isTokenId(id)) return await voucherKey(lookUp, id)
  const token = await lookUp.managementTokenById(id)
  if (token === null) return null
  const { revokedAt, expiresAt, organizationId } = token
  const organization = organizationId === null ? null : await lookUp.organization(organizationId)
  return {
    revokedAt, disabledAt: null, expiresAt, organization, ofDeployment: organizationId === null, digests: []
  }
}

/**
 * The end of the first of these keys as a voucher; each replaced the one before. A key that was replaced with an
 * overlap goes on in its successor. One that was replaced without, in an emergency, does not: others may have used it.
 */
function endOf (
  [key, ...successors]: readonly ApiKey[]
): Pick<Voucher, 'revokedAt' | 'disabledAt' | 'expiresAt'> {
  const { revokedAt, disabledAt, expiresAt } = key!
  const [successor] = successors
  if (revokedAt !== null || expiresAt === null || successor === undefined || successor.createdAt >= expiresAt) {
    return { revokedAt, disabledAt, expiresAt }
  }
  const later = endOf(successors)
  if (later.revokedAt !== null) return { revokedAt, disabledAt, expiresAt }
  const isLater = later.expiresAt === null || later.expiresAt > expiresAt
  return {
    revokedAt, disabledAt: disabledAt ?? later.disabledAt, expiresAt: isLater ? later.expiresAt : expiresAt
  }
}

/** Why nothing that a voucher vouched for is good at `now`; null: nothing speaks against it. */
export function reasonAgainstVoucher (
  voucher: Voucher | null, now: Date
): 'revoked' | 'expired' | 'disabled' | 'organization_suspended' | null {
  if (voucher === null || voucher.revokedAt !== null) return 'revoked'
  if (voucher.expiresAt !== null && voucher.expiresAt <= now) return 'expired'
  if (voucher.disabledAt !== null) return 'disabled'
  return voucher.ofDeployment ? null : reasonAgainstOrganization(voucher.organization)
}

/**
 * What a key carries that the actor gets the secret of. `before`: the voucher of the key that it replaces; null: none.
 * @throws Failure `insufficient_permissions` for an actor that an access token vouches for: keys end with keys alone.
 */
export function voucherOfNewKey ({ vouchedBy = null }: Actor, before: string | null = null): string | null {
  if (vouchedBy !== null && isTokenId(vouchedBy)) {
    throw new Failure('insufficient_permissions', {
      message: `The access token ${vouchedBy} made the link of this session, which makes no API keys: they would ` +
        'outlive the token. Sign in without that link, or use the token itself.'
    })
  }
  return vouchedBy ?? before
}

/**
 * A session that is vouched for changes what a key may do only of keys that end with the same voucher: another one
 * would keep what the session gave it.
 * @throws Failure `insufficient_permissions`.
 */
export function requireSameVoucher ({ vouchedBy = null }: Actor, key: Pick<ApiKey, 'id' | 'vouchedBy'>): void {
  if (vouchedBy === null || key.vouchedBy === vouchedBy) return
  throw new Failure('insufficient_permissions', {
    message: `${vouchedBy} vouches for this session and not for the API key ${key.id}, which would keep what is ` +
      'changed here. Sign in yourself to change it; revoking it needs no other session.'
  })
}

function isTokenId (id: string): boolean {
  return id.startsWith('mat_')
}
