/** Errors of pages: a page with the sentence, the code and the request id; for programs, the body of the API. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { html } from 'ghtml'
import { failures } from '../base/errors.ts'
import { failureOf, presentError } from '../management/conventions/presenter.ts'
import { withoutAnySecrets } from '../secrets/redaction.ts'
import { documentOf, pageHeaders, sendPage, type Page } from './page.ts'
import { signInAgainPath } from './passkey-page.ts'

/** Whether a request asks for a page: browsers name its type, and programs rarely do. */
export function wantsPage ({ headers }: Pick<FastifyRequest, 'headers'>): boolean {
  return headers.accept?.toLowerCase().includes('text/html') === true
}

/** For `setErrorHandler` of pages. */
export function presentPageError (error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  if (!wantsPage(request)) return presentError(error, request, reply)
  const failure = failureOf(error, request)
  const { message } = failures[failure.code]
  if (failure.status >= 500) request.log.error({ err: error, detail: failure.detail }, message)
  else request.log.info({ code: failure.code, detail: failure.detail }, message)
  if (failure.status === 503 || failure.status === 429) reply.header('retry-after', '1')
  const { status, code } = failure
  return sendPage(reply, errorPage({ status, code, message: failure.message, requestId: request.id }), status)
}

/** An error of whatever part of this server, to be shown. */
export interface ShownError { status: number, code: string, message: string, requestId: string }

export function errorPage ({ status, code, message, requestId }: ShownError): Page {
  return {
    title: titles[status] ?? 'That did not work',
    body: html`<h1>${titles[status] ?? 'That did not work'}</h1>
<p class="alert" role="alert">${withoutAnySecrets(message)}</p>
<p class="muted">Code <code>${code.toUpperCase()}</code>, request <code>${requestId}</code>.</p>
<p><a class="button" href="${wayOn(code)}">Go to sign-in</a></p>`
  }
}

/** The same for parts of the server that answer without Fastify. */
export function errorDocument (error: ShownError): { headers: typeof pageHeaders, body: string } {
  return { headers: pageHeaders, body: documentOf(errorPage(error)) }
}

/** The sign-in page, or, for a person who is signed in already, the one that asks anew. */
function wayOn (code: string): string {
  return code === 'reauthentication_required' ? signInAgainPath(null) : '/api/v1/auth/login'
}

const titles: Readonly<Record<number, string>> = {
  401: 'Sign in',
  403: 'Refused',
  404: 'Not found',
  429: 'Too many attempts',
  500: 'The server failed',
  503: 'Not available right now',
}
