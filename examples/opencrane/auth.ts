/** The signed-in person. Latchkey serves the rest of the flow below /api/v1/auth: login, callback and logout. */
import { Type } from 'typebox'
import type { Collection } from './context.ts'
import { Refusal } from './control-plane.ts'

const AuthStatus = Type.Object({
  mode: Type.Enum(['oidc', 'none']),
  authenticated: Type.Boolean(),
  user: Type.Union([Type.Object({ sub: Type.String(), name: Type.String() }), Type.Null()])
})

/** `mode`: whether an identity provider is configured. */
export function auth (mode: 'oidc' | 'none'): Collection {
  return (app, plane) => {
    app.get('/auth/me', {
      schema: {
        operationId: 'getAuthStatus',
        summary: 'Read the signed-in person; needs no credential',
        tags: ['Auth'],
        security: [],
        response: { 200: AuthStatus }
      }
    }, async request => {
      try {
        const { member: { id, name } } = await plane.latchkey(request).get('/auth/me')
        return { mode, authenticated: true, user: { sub: id, name } }
      } catch (error) {
        if (!(error instanceof Refusal) || error.status >= 500) throw error
        return { mode, authenticated: false, user: null }
      }
    })
  }
}
