/** A person without a screen: signs in by a link, goes where a client sends them, and allows what it asks for. */
import type { ChildProcess } from 'node:child_process'
import { newBrowser } from '../browsing.ts'
import { fromOwnPages } from '../people.ts'
import { answerPage } from '../authorizing.ts'

export interface HeadlessPerson {
  /** Goes where a client sends them, and allows it; returns the URL of the client that they come back to. */
  allow (url: URL): Promise<URL>
  /** The markup of the last consent page. */
  page (): string
  /** Ends all that they allowed a client, by its id. */
  end (clientId: string): Promise<void>
}

/** `link`: a sign-in link of a member. @throws unless it signs in. */
export async function signInByLink (issuer: string, link: string): Promise<HeadlessPerson> {
  // Whatever is elsewhere is the client's.
  const isBack = (url: string) => new URL(url).origin !== issuer
  const browser = newBrowser()
  const signedIn = await browser.send('POST', `${issuer}/api/v1/auth/link`, { token: link }, fromOwnPages)
  if (signedIn.status !== 303) throw new Error(`the link does not sign in: ${signedIn.status} ${signedIn.text}`)
  let page = ''
  const allow = async (url: URL): Promise<URL> => {
    const asked = await browser.open(url.href, isBack)
    if (isBack(asked.url)) return new URL(asked.url)
    page = asked.text
    return new URL((await answerPage({ url: issuer, issuer }, browser, asked, 'allow', isBack)).url)
  }
  let before: Promise<unknown> = Promise.resolve()
  return {
    page: () => page,
    // One after the other: this browser keeps one cookie of a name, whatever its path.
    allow (url) {
      const allowed = before.then(async () => await allow(url))
      before = allowed.catch(() => {})
      return allowed
    },
    async end (clientId) {
      const consents = `${issuer}/api/v1/auth/consents`
      const listed = await browser.send('GET', `${consents}?${new URLSearchParams({ client: clientId })}`)
      for (const { id } of JSON.parse(listed.text).data as { id: string }[]) {
        const { status } = await browser.send('DELETE', `${consents}/${id}`, undefined, fromOwnPages)
        if (status !== 204) throw new Error(`DELETE ${consents}/${id}: ${status}`)
      }
    }
  }
}

/**
 * Lets a person go where a program tells them to, by the URL of the authorization endpoint in its output, and back to
 * the program. Returns its output so far.
 */
export function allowOnceAsked (child: ChildProcess, person: HeadlessPerson, issuer: string): () => string {
  let said = ''
  let isAsked = false
  for (const stream of [child.stdout!, child.stderr!]) {
    stream.on('data', bytes => {
      said += String(bytes)
      const url = /(\S+\/oauth\/authorize\?\S+)\s/.exec(said)?.[1]
      if (isAsked || url?.startsWith(issuer) !== true) return
      isAsked = true
      person.allow(new URL(url)).then(async back => await fetch(back)).catch((error: unknown) => {
        said += `${String(error)}\n`
        child.kill()
      })
    })
  }
  return () => said
}
