/** Answers to requests without a route: 405 where the path takes another method (RFC 9110 §15.5.6), else 404. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { Failure } from '../../base/errors.ts'
import { presentError } from './presenter.ts'

export interface UnknownPaths {
  /** Learns the routes that are registered from now on in the context of `app` and within. */
  learn (app: FastifyInstance): void
  /** A handler for Fastify's `setNotFoundHandler`. */
  answer (request: FastifyRequest, reply: FastifyReply): FastifyReply
}

interface KnownPath { segments: readonly string[], methods: Set<string> }

// How the paths of other servers' token endpoints end: Keycloak, Hydra, Dex, Auth0, Okta, Entra, IdentityServer;
// GitHub's.
const elsewhere = /\/(?:token|access_token)$/i

export function unknownPaths (tokenUrl: string): UnknownPaths {
  const known = new Map<string, KnownPath>()
  return {
    learn (app) {
      app.addHook('onRoute', ({ url, method, config }) => {
        if (config?.refusesMethod === true) return
        const path = known.get(url) ?? { segments: url.split('/'), methods: new Set() }
        for (const name of [method].flat()) path.methods.add(name)
        known.set(url, path)
      })
    },
    answer (request, reply) {
      const path = request.url.split('?', 1)[0]!
      const methods = methodsOf([...known.values()], path.split('/'))
      if (methods.length > 0) {
        const message = `This path takes ${methods.join(', ')}, not ${request.method}.`
        return presentError(
          new Failure('method_not_allowed', { message }), request, reply.header('allow', methods.join(', '))
        )
      }
      const hint = elsewhere.test(path) ? ` Tokens are issued at ${tokenUrl}.` : ''
      return presentError(new Failure('not_found', { message: `There is no such route.${hint}` }), request, reply)
    },
  }
}

/**
 * Has `answer` answer what has no route in `app`, in front of the body: what was sent to no route is not looked at, and
 * a body that Fastify would refuse (a QUERY must name its type) is no other answer.
 */
export function refuseUnknownPaths (app: FastifyInstance, answer: UnknownPaths['answer']): void {
  app.setNotFoundHandler(answer)
  app.addHook('preParsing', (request, reply, payload, done) => {
    // A context within may have a handler of its own.
    if (request.is404 && request.server === app) answer(request, reply)
    else done(null, payload)
  })
}

/** A path that is a route's to the letter is not one of another's parameter: `/api-keys/import` is no key. */
function methodsOf (known: readonly KnownPath[], asked: readonly string[]): string[] {
  const matching = known.filter(({ segments }) => matches(segments, asked))
  const literal = matching.filter(({ segments }) => segments.join('/') === asked.join('/'))
  return [...new Set((literal.length > 0 ? literal : matching).flatMap(({ methods }) => [...methods]))].sort()
}

/**
 * Whether a path is one of a route's: a parameter stands for one segment that is not empty, a wildcard for all that
 * follow.
 */
function matches (segments: readonly string[], asked: readonly string[]): boolean {
  if (segments.at(-1) === '*') {
    return asked.length >= segments.length && matches(segments.slice(0, -1), asked.slice(0, segments.length - 1))
  }
  return segments.length === asked.length &&
    segments.every((segment, index) => segment === asked[index] || (segment.startsWith(':') && asked[index] !== ''))
}
