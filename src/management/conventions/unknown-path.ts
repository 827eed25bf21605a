/** Answers to requests without a route: 405 if the path takes another method (RFC 9110 §15.5.6), else 404. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { Failure } from '../../base/errors.ts'
import { presentError } from './presenter.ts'

export interface UnknownPaths {
  /** Records the routes that are registered after this call in `app` and its child contexts. */
  learn (app: FastifyInstance): void
  /** A handler for Fastify's `setNotFoundHandler`. */
  answer (request: FastifyRequest, reply: FastifyReply): FastifyReply
}

interface KnownPath { segments: readonly string[], methods: Set<string> }

// The ends of other servers' token endpoints: Keycloak, Hydra, Dex, Auth0, Okta, Entra, IdentityServer; GitHub.
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
 * Answers requests without a route in `app` before their body is parsed: a body that Fastify would refuse (a QUERY must
 * name its type) must not change the answer.
 */
export function refuseUnknownPaths (app: FastifyInstance, answer: UnknownPaths['answer']): void {
  app.setNotFoundHandler(answer)
  app.addHook('preParsing', (request, reply, payload, done) => {
    // A child context may have its own handler.
    if (request.is404 && request.server === app) answer(request, reply)
    else done(null, payload)
  })
}

/**
 * The methods of a path. A literal route wins over one with a parameter: `import` in `/api-keys/import` is not an id.
 */
function methodsOf (known: readonly KnownPath[], asked: readonly string[]): string[] {
  const matching = known.filter(({ segments }) => matches(segments, asked))
  const literal = matching.filter(({ segments }) => segments.join('/') === asked.join('/'))
  return [...new Set((literal.length > 0 ? literal : matching).flatMap(({ methods }) => [...methods]))].sort()
}

/** Whether a path matches a route: a parameter stands for one non-empty segment, a wildcard for the rest. */
function matches (segments: readonly string[], asked: readonly string[]): boolean {
  if (segments.at(-1) === '*') {
    return asked.length >= segments.length && matches(segments.slice(0, -1), asked.slice(0, segments.length - 1))
  }
  return segments.length === asked.length &&
    segments.every((segment, index) => segment === asked[index] || (segment.startsWith(':') && asked[index] !== ''))
}
