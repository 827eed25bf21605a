/** One request for a page of the dashboard: the person, the API as they may use it, and what a form has sent. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { html } from 'ghtml'
import { Failure } from '../base/errors.ts'
import type { LargeBodies } from '../http/large-bodies.ts'
import { isFromOwnPages } from '../guard/index.ts'
import { errorPage, presentPageError, wantsPage } from '../pages/error-page.ts'
import { sendPage } from '../pages/page.ts'
import { signInAgainPath } from '../pages/passkey-page.ts'
import { apiFor, ApiRefusal, type Api, type Me, type ReadingApi } from './api.ts'
import { dashboardPath, framed, type Screen } from './frame.ts'

/** The context of the dashboard's routes: the origin of its forms, the place of the API, and archives that are sent. */
export type Dashboard = FastifyInstance & { issuer: string, apiPrefix: string, archives: LargeBodies }

/** A page that is read. */
export interface Visit {
  api: ReadingApi
  me: Me
  /** A member of the path; '' where there is none. */
  parameter (name: string): string
  /** A member of the query that was sent once; '' otherwise. */
  query (name: string): string
  now: Date
  /** The origin of this server. */
  issuer: string
  /** The path and the query that were asked for. */
  url: string
}

/** A form that was sent. */
export interface Submission extends Omit<Visit, 'api'> {
  api: Api
  /** A field that was sent once; '' otherwise. */
  field (name: string): string
  /** All values of a field. */
  fields (name: string): readonly string[]
  /** The bytes of a file that was sent once; null otherwise. */
  file (name: string): Buffer | null
}

/** What a form leads to: another page, or a screen of its own with the status of what happened. */
export type Outcome = { to: string } | { screen: Screen, status: number }

/** A page at a path below the dashboard. */
export function screenAt (app: Dashboard, path: string, show: (visit: Visit) => Promise<Screen>): void {
  app.get(dashboardPath + path, { schema: { hide: true } }, async (request, reply) => {
    const visit = await visitOf(app, request)
    if (visit === null) return await signIn(request, reply)
    return await answering(request, reply, visit.me, async () => ({ screen: await show(visit), status: 200 }))
  })
}

/**
 * A form at a path below the dashboard. What the API refuses of it is shown by `refused`, if the form can be mended and
 * sent again; null: on a page of its own.
 */
export function formAt (
  app: Dashboard,
  path: string,
  submit: (submission: Submission) => Promise<Outcome>,
  refused: (submission: Submission, refusal: ApiRefusal) => Promise<Screen | null> = async () => null
): void {
  app.post(dashboardPath + path, { schema: { hide: true } }, async (request, reply) => {
    requireOwnPage(app, request)
    const submission = await submissionOf(app, request)
    if (submission === null) return await signIn(request, reply)
    return await answering(request, reply, submission.me, async () => {
      try {
        return await submit(submission)
      } catch (error) {
        if (!(error instanceof ApiRefusal) || error.status >= 500 || error.status === 401) throw error
        // No other values of the form would do.
        if (takesNewSignIn(error)) throw error
        const screen = await refused(submission, error)
        if (screen === null) throw error
        return { screen, status: error.status }
      }
    })
  })
}

/** The API judges this again; here it is said also to those that are not signed in. */
function requireOwnPage ({ issuer }: Dashboard, request: FastifyRequest): void {
  if (!isFromOwnPages(request.raw, issuer)) throw new Failure('cross_site_request')
}

/**
 * The person that sends a form, before its body is read. Null: there is none, and the answer leads to the sign-in page.
 * @throws Failure `cross_site_request`.
 */
export async function senderOf (app: Dashboard, request: FastifyRequest, reply: FastifyReply): Promise<Me | null> {
  requireOwnPage(app, request)
  const me = await meOf(apiFor(app, request))
  if (me === null) await signIn(request, reply)
  return me
}

async function answering (
  request: FastifyRequest, reply: FastifyReply, me: Me, work: () => Promise<Outcome>
): Promise<FastifyReply> {
  try {
    const outcome = await work()
    if ('to' in outcome) return await reply.redirect(outcome.to, 303)
    return sendPage(reply, framed(outcome.screen, me), outcome.status)
  } catch (error) {
    if (!(error instanceof ApiRefusal)) return presentPageError(error, request, reply)
    if (error.status === 401 && !takesNewSignIn(error)) return await signIn(request, reply)
    return sendPage(waiting(reply, error), framed(refusalScreen(error, request), me), error.status)
  }
}

/** For `setErrorHandler`: what the API refuses before it is known for whom the page would be is a page, too. */
export function presentDashboardError (error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  if (!(error instanceof ApiRefusal)) return presentPageError(error, request, reply)
  const { status, code, message } = error
  if (!wantsPage(request)) return waiting(reply, error).code(status).send({ error: message, code })
  return sendPage(waiting(reply, error), errorPage({ status, code, message, requestId: request.id }), status)
}

function waiting (reply: FastifyReply, { retryAfter }: ApiRefusal): FastifyReply {
  return retryAfter === null ? reply : reply.header('retry-after', retryAfter)
}

/** The API's own sentence, its code, the request, and a way to try again. */
function refusalScreen (refusal: ApiRefusal, request: FastifyRequest): Screen {
  return {
    title: titles[refusal.status] ?? 'That did not work',
    path: [],
    place: '',
    content: html`<p class="alert" role="alert">${refusal.message}</p>
<p class="muted">Code <code>${refusal.code}</code>, request <code>${request.id}</code>.</p>
<p>!${takesNewSignIn(refusal)
? html`<a class="button primary" href="${signInAgainPath(pageOf(request))}">Sign in again</a>`
: html`<a class="button" href="${dashboardPath}">Go to the overview</a>`}</p>`
  }
}

/** Whether the person is signed in, and for too long a time for what they want. */
function takesNewSignIn ({ code, details }: ApiRefusal): boolean {
  return [code.toLowerCase(), details.reason].includes('reauthentication_required')
}

/** The page of a request; of a form, the one that it stands on: at its own path, or at the one above. */
function pageOf ({ method, url, routeOptions, server }: FastifyRequest): string {
  const path = url.split('?', 1)[0]!
  if (method === 'GET') return url
  return server.hasRoute({ method: 'GET', url: routeOptions.url! }) ? path : path.slice(0, path.lastIndexOf('/'))
}

const titles: Readonly<Record<number, string>> = {
  401: 'Sign in again',
  403: 'Not allowed',
  404: 'Not found',
  409: 'That cannot be done now',
  412: 'It was changed meanwhile',
  429: 'Too many requests',
  503: 'Not available right now',
}

/** Null: the request has no session. */
async function visitOf (app: Dashboard, request: FastifyRequest): Promise<Visit | null> {
  const api = apiFor(app, request)
  const me = await meOf(api)
  return me && {
    api,
    me,
    now: new Date(),
    issuer: app.issuer,
    url: request.url,
    parameter: from(request.params),
    query: from(request.query)
  }
}

async function submissionOf (app: Dashboard, request: FastifyRequest): Promise<Submission | null> {
  const api = apiFor(app, request)
  const me = await meOf(api)
  if (me === null) return null
  const { body } = request
  return {
    api,
    me,
    now: new Date(),
    issuer: app.issuer,
    url: request.url,
    parameter: from(request.params),
    query: from(request.query),
    field: from(body),
    fields: name => [memberOf(body, name)].flat().filter(each => typeof each === 'string'),
    file: name => {
      const value = memberOf(body, name)
      return Buffer.isBuffer(value) ? value : null
    }
  }
}

async function meOf (api: ReadingApi): Promise<Me | null> {
  try {
    return await api.get<Me>('/auth/me')
  } catch (error) {
    if (error instanceof ApiRefusal && error.status === 401) return null
    throw error
  }
}

function from (members: unknown): (name: string) => string {
  return name => {
    const value = memberOf(members, name)
    return typeof value === 'string' ? value : ''
  }
}

/** Undefined: there is none. */
function memberOf (members: unknown, name: string): unknown {
  return (members as Readonly<Record<string, unknown>> | null | undefined)?.[name]
}

/** The last `days` days up to `now`, UTC, as the API takes them. */
export function daysUntil (now: Date, days: number): { from: string, to: string } {
  const day = (instant: number) => new Date(instant).toISOString().slice(0, 10)
  return { from: day(now.getTime() - (days - 1) * 86_400_000), to: day(now.getTime()) }
}

/** Characters of a way back from the sign-in page. */
const longestWayBack = 2_000

/** To the sign-in page, and back to what was asked for; a form is not sent again. */
async function signIn (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const { method, url } = request
  const back = method !== 'GET' ? dashboardPath : url.length > longestWayBack ? url.split('?', 1)[0]! : url
  return await reply.redirect(`/api/v1/auth/login?return_to=${encodeURIComponent(back.replaceAll('\\', '%5C'))}`, 303)
}
