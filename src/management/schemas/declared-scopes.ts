/** The scopes that a resource declares, in requests and in answers. */
import type { Static } from 'typebox'
import type { Scope } from '../../domain/resources/scope.ts'
import { Type } from '../../http/typebox-lite.ts'
import { as, exactly, list, Name, nullable } from '../conventions/schemas.ts'

const NewScope = exactly({
  name: as(
    Type.String({
      pattern: '^[!#-\\[\\]-~]{1,128}$',
      description: 'Visible ASCII without quotation mark and backslash (RFC 6749 §3.3).'
    }),
    'invoices:read'
  ),
  keyOnly: Type.Optional(Type.Boolean()),
  description: Type.Optional(Type.Union([Name, Type.Null()])),
})
export const NewScopes = Type.Array(NewScope, { maxItems: 200 })
export const DeclaredScopes = list(
  Type.Object({
    name: as(Type.String(), 'invoices:read'), keyOnly: Type.Boolean(), description: nullable(Type.String())
  })
)

export function readScope ({ name, keyOnly = false, description = null }: Static<typeof NewScope>): Scope {
  return { name, keyOnly, description }
}

export function wireScope ({ name, keyOnly, description }: Scope): Scope {
  return { name, keyOnly, description }
}
