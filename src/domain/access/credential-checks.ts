/** Checks of all kinds of credentials, on one registry and one set of signing keys. */
import type { Clock } from '../../base/clock.ts'
import { webhookChecks, type WebhookChecks } from '../credentials/webhook-token.ts'
import { tokenReader, type TokenReader } from '../tokens/access-token.ts'
import type { SigningKeys } from '../tokens/signing-key.ts'
import { sessionChecks, type SessionChecks } from './end-user-session.ts'
import { authenticator, judgeApiKey, type Authenticator } from './principal.ts'
import type { Registry } from './registry.ts'

export interface CredentialChecksOptions {
  issuer: string
  registry: Registry
  signingKeys: SigningKeys
  clock: Clock
  /** Digest of the admin token; null: there is none. */
  adminTokenDigest: string | null
}

export interface CredentialChecks {
  /** API keys, access tokens, management tokens and the admin token. */
  authenticator: Authenticator
  /** Access tokens, read without a look-up. */
  reader: TokenReader
  sessions: SessionChecks
  webhooks: WebhookChecks
}

export function credentialChecks (
  { issuer, registry, signingKeys, clock, adminTokenDigest }: CredentialChecksOptions
): CredentialChecks {
  const reader = tokenReader(issuer, signingKeys)
  return {
    authenticator: authenticator({ registry, reader, clock, adminTokenDigest }),
    reader,
    sessions: sessionChecks({ issuer, registry, keys: signingKeys, clock }),
    webhooks: webhookChecks({
      registry, judgeKey: (key, presentation) => judgeApiKey({ registry, clock }, key, presentation)
    })
  }
}
