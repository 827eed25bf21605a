/** What a provider of sign-ins vouches for: a subject, and claims about it. */

export interface VouchedPerson {
  /** The id of the provider in the configuration, which organizations trust. */
  provider: string
  /** Its issuer: with `subject` it is the identity, whatever the provider is called here. */
  issuer: string
  /** Its `sub`. */
  subject: string
  /** Its session (`sid`), by which it can end ours; null: it named none. */
  providerSession: string | null
  /** Null: it has none, or the provider does not say that it is verified. */
  email: string | null
  /** Whether it has an e-mail that the provider does not say is verified. */
  hasUnverifiedEmail: boolean
  /** Null: it says none. */
  name: string | null
  /** When the person proved who they are; null: it does not say. */
  authenticatedAt: Date | null
  /** RFC 8176; empty: it does not say. */
  amr: readonly string[]
  /** All claims, for the mapping of groups. */
  claims: Readonly<Record<string, unknown>>
}
