/** Schemas that several descriptions of OAuth endpoints share. */
import type { TSchema } from 'typebox'
import { Type } from '../../http/typebox-lite.ts'

export const texts = Type.Array(Type.String())
export const url = Type.String({ format: 'uri', examples: ['https://auth.acme.test'] })

/** `{error, error_description}` with these codes (RFC 6749 §5.2). */
export function refusal (...codes: string[]): TSchema {
  return Type.Object({ error: Type.Enum(codes), error_description: Type.String({ description: 'For people.' }) })
}

/** With the issuer (RFC 9207), where it is known that a client could read it. */
export function refusalOfIssuer (...codes: string[]): TSchema {
  return Type.Object({
    error: Type.Enum(codes),
    error_description: Type.String({ description: 'For people.' }),
    iss: Type.Optional(url)
  })
}

export const broken = { 500: refusal('server_error'), 503: refusal('temporarily_unavailable') }
export const malformed = refusal('invalid_request')
export const slow = refusal('slow_down')
