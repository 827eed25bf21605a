/** The rows of trusted issuers and of their rules, which are read alone and together. */
import type { ClaimCondition } from '../../domain/workloads/claim-match.ts'
import type { PresetName } from '../../domain/workloads/presets.ts'
import type {
  IssuerProfile, KeySource, TokenReview, TrustedIssuer, WorkloadRule
} from '../../domain/workloads/trusted-issuer.ts'
import type { Prisma } from '../engine/prisma.ts'

/** What an issuer is read with. */
export const wholeIssuer = { tokenReview: true } as const

export function readTrustedIssuer (
  { tokenReview, ...row }: Prisma.TrustedIssuerGetPayload<{ include: typeof wholeIssuer }>
): TrustedIssuer {
  return {
    ...row,
    preset: row.preset as PresetName,
    profile: row.profile as IssuerProfile,
    keys: row.keys as unknown as KeySource,
    tokenReview: tokenReview && readTokenReview(tokenReview),
    audiences: row.audiences as string[],
    algorithms: row.algorithms as string[],
    anchors: row.anchors as string[],
  }
}

function readTokenReview ({ issuerId: _, ...review }: Prisma.TokenReviewGetPayload<object>): TokenReview {
  return review
}

export function readWorkloadRule (row: Prisma.WorkloadRuleGetPayload<object>): WorkloadRule {
  return { ...row, claims: row.claims as unknown as ClaimCondition[], scopes: row.scopes as string[] }
}
