/**
 * Calls that a page makes to the API of its own server. What such a call has from the request of the page, it has in
 * process: a header could be sent by a stranger.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import type { FastifyInstance, FastifyRequest, InjectOptions, LightMyRequestResponse } from 'fastify'
import { addressOf } from '../base/ip-address.ts'

/** The request of a page, and what is read once for all calls that it makes. */
interface PageRequest { request: FastifyRequest, known: Map<string, Promise<unknown>> }

const during = new AsyncLocalStorage<PageRequest>()
const pages = new WeakMap<FastifyRequest, PageRequest>()

/** Sent on as the browser sent them, so that the API judges the request of the page. */
const passedOn = ['cookie', 'sec-fetch-site', 'origin', 'user-agent'] as const

const readingMethods = new Set(['GET', 'HEAD'])

export interface InnerCall {
  method: 'GET' | 'POST' | 'PATCH' | 'PUT' | 'DELETE'
  path: string
  headers?: Readonly<Record<string, string>>
  /** Sent as JSON; absent: no body. */
  body?: object
  /** Sent as they are, instead of `body`. */
  bytes?: Buffer
  /** Sent as a form, instead of `body`. */
  form?: Readonly<Record<string, string>>
}

/**
 * Calls the API for the page that `request` asks for, with the same session, from the same address. @throws Error if a
 * page that is read makes a call that may change something.
 */
export async function callWithin (
  app: FastifyInstance, request: FastifyRequest, { method, path, headers = {}, body, bytes, form }: InnerCall
): Promise<LightMyRequestResponse> {
  if (readingMethods.has(request.method) && !readingMethods.has(method)) {
    throw new Error(`a page that is read must not call ${method} ${path}`)
  }
  const page = pages.get(request) ?? { request, known: new Map<string, Promise<unknown>>() }
  pages.set(request, page)
  // What the call changes may be about the session itself.
  if (!readingMethods.has(method)) page.known.clear()
  const options: InjectOptions = {
    method,
    url: path,
    headers: {
      ...own(request),
      ...headers,
      ...(bytes === undefined ? {} : { 'content-type': 'application/octet-stream' }),
      ...(form === undefined ? {} : { 'content-type': 'application/x-www-form-urlencoded' }),
    },
    remoteAddress: addressOf(request),
    ...(body === undefined ? {} : { payload: body }),
    ...(bytes === undefined ? {} : { payload: bytes }),
    ...(form === undefined ? {} : { payload: new URLSearchParams(form).toString() }),
  }
  // `inject` begins where its result is awaited.
  return await during.run(page, async () => await app.inject(options))
}

function own ({ headers }: FastifyRequest): Record<string, string> {
  return Object.fromEntries(passedOn.flatMap(name => {
    const value = headers[name]
    return typeof value === 'string' ? [[name, value]] : []
  }))
}

/** The request of the page that makes the present call; null: the present request came over a connection. */
export function requestOfPage (): FastifyRequest | null {
  return during.getStore()?.request ?? null
}

/** What `load` resolves to: once for all calls of a page, and anew for every other request. */
export async function oncePerPage<T> (key: string, load: () => Promise<T>): Promise<T> {
  const known = during.getStore()?.known
  if (known === undefined) return await load()
  const loaded = known.get(key) as Promise<T> | undefined ?? load()
  known.set(key, loaded)
  return await loaded
}
