/**
 * Login transactions: what a callback must fit to, in a sealed cookie of the browser that began the sign-in. There is
 * no row for it, so each server can finish what another began; the cookie is named after the state, so that several
 * tabs sign in at once.
 */
import { seal, unseal } from '../../secrets/sealing.ts'
import { newSecret } from '../../secrets/random.ts'

/** What a sign-in began with. */
export interface LoginTransaction {
  /** The id of the provider. */
  provider: string
  state: string
  nonce: string
  /** RFC 7636. */
  codeVerifier: string
  /** A path of this site. */
  returnTo: string
  /** The organization to sign in to; null: any. */
  organizationId: string | null
  /** The session that links the identity to its member; null: the sign-in begins a session. */
  linksFor: string | null
  /** The most seconds since the person proved who they are; null: the provider decides. */
  maxAge: number | null
  /** Whether the provider was asked to prove them anew by `prompt=login` too. */
  prompted: boolean
  /** Seconds since the epoch. */
  endsAt: number
}

/** Seconds from the redirect to the callback. */
export const loginLifetime = 600

/** The most transactions of one browser, and characters of their cookies: a request carries all of them. */
const mostAtOnce = 6
const mostCharacters = 8_192

const purpose = 'login transaction v1'
const namePattern = /^(?:__Host-)?latchkey_login_[\w-]{8}$/

/** The cookies of login transactions, of a site with this issuer. `secrets`: LATCHKEY_SECRET, newest first. */
export function loginTransactions (issuer: string, secrets: readonly string[]) {
  const isSecure = issuer.startsWith('https:')
  const nameOf = (state: string) => `${isSecure ? '__Host-' : ''}latchkey_login_${state.slice(0, 8)}`
  const attributes = `Path=/; HttpOnly; SameSite=Lax${isSecure ? '; Secure' : ''}`
  const cleared = (name: string) => `${name}=; ${attributes}; Max-Age=0`
  return {
    /** Random values of a new transaction. */
    fresh: () => ({ state: newSecret(), nonce: newSecret(), codeVerifier: newSecret() }),
    /** The `Set-Cookie` headers that begin a transaction in a browser that sent these cookies. */
    begin (transaction: LoginTransaction, cookies: string | undefined): string[] {
      const name = nameOf(transaction.state)
      const others = pairsIn(cookies).filter(([each]) => namePattern.test(each) && each !== name)
      const sealed = seal(JSON.stringify(transaction), secrets[0]!, name, purpose)
      const characters = [[name, sealed], ...others].flat().join('').length
      return [
        ...(others.length < mostAtOnce && characters <= mostCharacters ? [] : others.map(([each]) => cleared(each))),
        `${name}=${sealed}; ${attributes}; Max-Age=${loginLifetime}`,
      ]
    },
    /** The transaction of a state. Null: this browser did not begin it, it was finished, or it has expired. */
    read (state: string, cookies: string | undefined, now: Date): LoginTransaction | null {
      const name = nameOf(state)
      const sealed = valuesOf(name, cookies)
      // A cookie that is there twice was set by another host or page too.
      const text = sealed.length === 1 ? unseal(sealed[0]!, secrets, name, purpose) : null
      if (text === null) return null
      const transaction = JSON.parse(text) as LoginTransaction
      return transaction.state === state && transaction.endsAt * 1000 > now.getTime() ? transaction : null
    },
    /** The `Set-Cookie` header that ends a transaction. */
    end: (state: string): string => cleared(nameOf(state)),
  }
}

export type LoginTransactions = ReturnType<typeof loginTransactions>

function pairsIn (cookies: string | undefined): [name: string, value: string][] {
  return (cookies ?? '').split(';').map(pair => {
    const end = pair.indexOf('=')
    return [pair.slice(0, Math.max(end, 0)).trim(), pair.slice(end + 1).trim()]
  })
}

function valuesOf (name: string, cookies: string | undefined): string[] {
  return pairsIn(cookies).filter(([each]) => each === name).map(([, value]) => value)
}
