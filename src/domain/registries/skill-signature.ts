/** The signature of a skill bundle: a detached JWS (RFC 7515, appendix F) by the key that signs tokens at that time. */
import { signJwt, type PrivateKey } from '../tokens/jws.ts'
import type { SkillBundle } from './skill-bundle.ts'

/** The `typ` of the signature: no verifier of tokens takes it for one (RFC 8725 §3.11). */
export const skillSignatureType = 'skill-bundle+jws'

/** What is signed: members in the order of their names, without spaces (RFC 8785). */
export function signedStatement ({ name, version, digest, organizationId }: SkillBundle) {
  return { digest: `sha256:${digest}`, name, publisher: organizationId, version }
}

/**
 * `<header>..<signature>`. Made when it is asked for: its `kid` is in the published JWKS then, however often keys were
 * rotated since the publication, and never a revoked one.
 */
export async function signatureOf (key: PrivateKey, bundle: SkillBundle): Promise<string> {
  const [header, , signature] = (await signJwt(key, skillSignatureType, signedStatement(bundle))).split('.')
  return `${header}..${signature}`
}
