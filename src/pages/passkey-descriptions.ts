/** The pages and calls of passkeys in the OpenAPI document, and the form of what browsers send. */
import type { FastifySchema } from 'fastify'
import { Type } from '../http/typebox-lite.ts'
import { done, form, page, problem, refused, seeOther, tags } from './descriptions.ts'

const base64url = (maxLength: number) => Type.String({ minLength: 1, maxLength, pattern: '^[A-Za-z0-9_-]+$' })
const json = (description: string, schema: object) => ({
  description, content: { 'application/json': { schema } }
})

/** The members of `credential.toJSON()` that every credential has (WebAuthn §5.1). */
const common = { id: base64url(1_400), rawId: base64url(1_400), type: Type.Literal('public-key') }
const NewCredential = Type.Object({
  ...common,
  response: Type.Object({
    clientDataJSON: base64url(4_000),
    attestationObject: base64url(8_000),
    transports: Type.Optional(Type.Array(Type.String({ pattern: '^[a-z-]{1,20}$' }), { maxItems: 10 }))
  })
})
const Assertion = Type.Object({
  ...common,
  response: Type.Object({
    clientDataJSON: base64url(4_000),
    authenticatorData: base64url(4_000),
    signature: base64url(4_000),
    userHandle: base64url(100)
  })
})
const Name = Type.String({ minLength: 1, maxLength: 100 })
const ReturnTo = Type.Optional(Type.String({ maxLength: 2_000 }))
const Location = Type.Object({ location: Type.String({ description: 'The page to open next.' }) })
const Options = Type.Object({ challenge: Type.String() }, { additionalProperties: true })
const signedOut = { 401: problem('Nobody is signed in, or the sign-in is too old.') }
const mayNotChange = problem('A key vouched for the session, or the request is of another site.')
const unavailable = problem('The issuer has an IP address, or the organization is suspended.')

export const passkeys: FastifySchema = {
  summary: 'Open the page of passkeys',
  description: 'Lists the passkeys of the member, and adds another one.',
  operationId: 'getPasskeys',
  tags,
  response: { 200: page('The passkeys.'), ...signedOut, 503: refused[503] },
}

export const addingOptions: FastifySchema = {
  summary: 'Begin to add a passkey',
  description: 'What the browser is asked to make a passkey with: `PublicKeyCredentialCreationOptionsJSON`. Its ' +
    'challenge is answered once, within five minutes, by the same session.',
  operationId: 'beginAddingPasskey',
  tags,
  response: {
    200: json('The options.', Options),
    ...refused,
    ...signedOut,
    403: mayNotChange,
    409: unavailable,
  },
}

export const adding: FastifySchema = {
  summary: 'Add a passkey',
  description: '`credential`: what `toJSON()` of the new credential answers. Takes a sign-in of the last ten minutes.',
  operationId: 'addPasskey',
  tags,
  body: { content: { 'application/json': { schema: Type.Object({ name: Name, credential: NewCredential }) } } },
  response: {
    201: json('Added.', Location), ...refused, ...signedOut, 403: mayNotChange, 409: problem('It is there already.')
  },
}

export const naming: FastifySchema = {
  summary: 'Rename a passkey',
  description: 'The name tells it from others on the page of passkeys.',
  operationId: 'renamePasskey',
  tags,
  body: form('name', 'The new name.', Name),
  response: { 204: done, 303: seeOther, ...refused, ...signedOut, 404: problem('There is no such passkey.') },
}

export const removing: FastifySchema = {
  summary: 'Remove a passkey',
  description: 'Takes a sign-in of the last ten minutes. The last way in stays.',
  operationId: 'removePasskey',
  tags,
  response: {
    204: done,
    303: seeOther,
    ...refused,
    ...signedOut,
    403: mayNotChange,
    404: problem('There is no such passkey.'),
    409: problem('It is the last way in.'),
  },
}

export const signInOptions: FastifySchema = {
  summary: 'Begin to sign in with a passkey',
  description:
    'What the browser is asked to find a passkey with: `PublicKeyCredentialRequestOptionsJSON`, the same for all. ' +
    'Its challenge is answered once, within five minutes, by the same browser.',
  operationId: 'beginPasskeySignIn',
  tags,
  response: { 200: json('The options.', Options), ...refused, 409: unavailable },
}

export const signIn: FastifySchema = {
  summary: 'Sign in with a passkey',
  description: 'Sets the cookie of the session. For pages of this server only.',
  operationId: 'signInWithPasskey',
  tags,
  body: {
    content: { 'application/json': { schema: Type.Object({ credential: Assertion, return_to: ReturnTo }) } }
  },
  response: {
    200: json('Signed in.', Location),
    ...refused,
    409: unavailable,
    415: problem('The form came without its script: passkeys need JavaScript.'),
    429: problem('Too many failed sign-ins from this address.'),
  },
}
