/** What the adapter knows of a request that oidc-provider answers, beside what the provider reads of it. */
import type { IncomingMessage } from 'node:http'
import type { KoaContextWithOIDC, errors } from 'oidc-provider'
import type { Passing } from '../fast-path/fast-path.ts'

export interface RequestContext extends Passing {
  /** What was thrown, a defect or an absent database; null: nothing. */
  failure: unknown
  /** The provider's refusal of the client's authentication, code, refresh token or request of a person; null: none. */
  refused: errors.OIDCProviderError | null
}

const contexts = new WeakMap<IncomingMessage, RequestContext>()

/** Keeps the context of a request for as long as the request. */
export function keepContext (context: RequestContext): void {
  contexts.set(context.request.raw, context)
}

/** The context of a request. @throws TypeError for a request that the adapter has not passed to the provider. */
export function contextOf (ctx: KoaContextWithOIDC): RequestContext {
  const context = contextIfKept(ctx)
  if (context === undefined) throw new TypeError('a request that did not come through the adapter')
  return context
}

/** The same for what breaks outside of any answer. Undefined: the adapter does not know the request. */
export function contextIfKept (ctx: KoaContextWithOIDC): RequestContext | undefined {
  return contexts.get(ctx.req)
}
