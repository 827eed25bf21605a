/** Token requests with assertions that the conformance suite's own authorization servers tell apart. */
import { jwtBearer } from '../../support/workload-platform.ts'

/** Assertions, and for ID-JAG the proof of the client beside them. */
export interface Credentials {
  valid: string
  wrongAudience?: string
  expired?: string
  /** A JWT of the provider that is no ID-JAG. */
  wrongType?: string
  resource?: string
  /** Of the header `Authorization`. */
  proof?: string
  wrongProof?: string
}

export interface GrantCase {
  scenario: 'auth/wif-jwt-bearer' | 'auth/enterprise-managed-authorization'
  /** Null: none is sent. */
  assertion: keyof Credentials | null
  /** Null: none is sent. */
  proof?: 'proof' | 'wrongProof' | null
  scope?: string
}

const workload = 'auth/wif-jwt-bearer'
const enterprise = 'auth/enterprise-managed-authorization'

export const grantCases: Readonly<Record<string, GrantCase>> = {
  'a workload': { scenario: workload, assertion: 'valid' },
  'a workload that names a scope': { scenario: workload, assertion: 'valid', scope: 'invoices:read' },
  'a workload without an assertion': { scenario: workload, assertion: null },
  'an assertion for another audience': { scenario: workload, assertion: 'wrongAudience' },
  'an assertion that has expired': { scenario: workload, assertion: 'expired' },
  'a scope that is not permitted': { scenario: workload, assertion: 'valid', scope: 'wif.rejected' },
  'an ID-JAG': { scenario: enterprise, assertion: 'valid' },
  'an ID-JAG without a client\'s proof': { scenario: enterprise, assertion: 'valid', proof: null },
  'an ID-JAG with a wrong secret': { scenario: enterprise, assertion: 'valid', proof: 'wrongProof' },
  'a client without an ID-JAG': { scenario: enterprise, assertion: null },
  'an ID token in the place of an ID-JAG': { scenario: enterprise, assertion: 'wrongType' }
}

/** The token request of a case. */
export function requestOf (
  { scenario, assertion, proof = 'proof', scope }: GrantCase, credentials: Credentials
): { headers: Record<string, string>, body: URLSearchParams } {
  const { resource } = credentials
  return {
    headers: scenario === enterprise && proof !== null ? { authorization: credentials[proof]! } : {},
    body: new URLSearchParams({
      grant_type: jwtBearer,
      ...(assertion === null ? {} : { assertion: credentials[assertion]! }),
      ...(resource === undefined ? {} : { resource }),
      ...(scope === undefined ? {} : { scope })
    })
  }
}
