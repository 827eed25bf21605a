/** Pages in a real browser: a server that has a host name, an authenticator, what axe finds, what the console says. */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { BrowserContext, CDPSession, Locator, Page } from 'playwright-core'

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

/**
 * A page, its console messages about the content security policy with its exceptions, and its one session of the
 * DevTools protocol: the end of any session would take the authenticator away.
 */
export async function openPage (
  context: BrowserContext
): Promise<{ page: Page, complaints: string[], cdp: CDPSession }> {
  const page = await context.newPage()
  const complaints: string[] = []
  page.on('console', message => {
    if (message.text().includes('Content Security Policy')) complaints.push(message.text())
  })
  page.on('pageerror', error => complaints.push(error.message))
  return { page, complaints, cdp: await context.newCDPSession(page) }
}

/** A button, once the scripts of its page have run: before that, its form goes to the server as it is. */
export async function buttonOf (page: Page, name: string): Promise<Locator> {
  const button = page.getByRole('button', { name })
  await button.waitFor()
  await page.waitForLoadState()
  return button
}

/** An authenticator of the device, which keeps passkeys and knows its person by itself. */
export async function addAuthenticator (cdp: CDPSession): Promise<string> {
  await cdp.send('WebAuthn.enable')
  const { authenticatorId } = await cdp.send('WebAuthn.addVirtualAuthenticator', {
    options: {
      protocol: 'ctap2',
      transport: 'internal',
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true
    }
  })
  return authenticatorId
}

/** What axe finds on a page as it is. */
export async function findingsOfAxe (cdp: CDPSession): Promise<string[]> {
  return await (await axeOn(cdp))()
}

/**
 * Axe on the document that a page shows now; each call judges it as it is. In a world of its own, which the content
 * security policy of the page does not reach.
 */
export async function axeOn (cdp: CDPSession): Promise<() => Promise<string[]>> {
  const { frameTree } = await cdp.send('Page.getFrameTree')
  const { executionContextId: contextId } = await cdp.send('Page.createIsolatedWorld', { frameId: frameTree.frame.id })
  await cdp.send('Runtime.evaluate', { contextId, expression: axe })
  return async () => {
    const { result, exceptionDetails } = await cdp.send('Runtime.evaluate', {
      contextId,
      awaitPromise: true,
      returnByValue: true,
      // What passes would be described at length, for a report.
      expression: `axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) =>
        violations.map(({ id, nodes }) =>
          id + ': ' + nodes.map(({ html, failureSummary }) => html + ' ' + failureSummary).join(' | ')))`
    })
    if (exceptionDetails) throw new Error(exceptionDetails.text)
    return result.value as string[]
  }
}
