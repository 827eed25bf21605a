/** The pages in the OpenAPI document. Programs that ask for no page get 204, and errors as the API has them. */
import type { FastifySchema } from 'fastify'
import { Type } from '../http/typebox-lite.ts'
import { envelopes } from '../management/documentation/refusal-responses.ts'

export const tags = ['sign-in']
export const page = (description: string) => ({ description, content: { 'text/html': { schema: Type.String() } } })
export const problem = (description: string) => ({
  description: `${description} As a page, or as \`{error, code, details?}\` where none is asked for.`,
  content: { 'text/html': { schema: Type.String() }, 'application/json': { schema: envelopes.opencrane.schema } }
})
export const done = Type.Null({ description: 'Done, for a program.' })
export const seeOther = Type.Null({ description: 'Done, for a page: see the address in `Location`.' })
export const refused = {
  400: problem('The request is malformed.'),
  403: problem('The request did not come from a page of this server.'),
  413: problem('The body is too large.'),
  415: problem('The body is neither a form nor JSON.'),
  503: problem('The server cannot reach its database, or the database is full.'),
}

const returnTo = {
  return_to: Type.Optional(Type.String({ maxLength: 2_000, description: 'Where to go afterwards: a path.' }))
}

export function form (name: string, description: string, schema = Type.String(), more = {}) {
  const fields = Type.Object({ [name]: Type.With(schema, { description }), ...more })
  const media = { schema: fields }
  return { content: { 'application/x-www-form-urlencoded': media, 'application/json': media } }
}

export const home: FastifySchema = {
  summary: 'Open the first page',
  description: 'What this server is, and where to go.',
  operationId: 'getHome',
  tags,
  response: { 200: page('The first page.') },
}

export const login: FastifySchema = {
  summary: 'Open the sign-in page',
  description:
    'Lists the ways to sign in; to a person who is signed in it says so, or leads on to `return_to`: a path of this ' +
    'server, to which every way to sign in leads.',
  operationId: 'getSignIn',
  tags,
  querystring: Type.Object({
    return_to: Type.Optional(Type.String({ maxLength: 2_000 })),
    provider: Type.Optional(Type.String({ description: 'Go to this provider at once.' })),
    organization: Type.Optional(Type.String({ description: 'With `provider`: the organization to sign in to.' })),
    max_age: Type.Optional(Type.String({
      description: 'With `provider`: the most seconds since the person proved to it who they are.'
    })),
    prompt: Type.Optional(Type.String({
      description: '`login`: they prove anew who they are, signed in or not.'
    })),
  }),
  response: {
    200: page('The sign-in page.'),
    303: Type.Null({ description: 'With `provider`: go there; signed in already: go to `return_to`.' }),
    400: refused[400],
    404: problem('There is no such provider.'),
    503: problem('The provider does not answer.'),
  },
}

export const signedOut: FastifySchema = {
  summary: 'Open the page after a sign-out',
  description: 'Says that the session has ended.',
  operationId: 'getSignedOut',
  tags,
  response: { 200: page('The page.') },
}

export const linkForm: FastifySchema = {
  summary: 'Open the page of a sign-in link',
  description: 'The secret of a link stands behind the #, so this request does not carry it and uses nothing up.',
  operationId: 'getSignInLinkPage',
  tags,
  querystring: Type.Object(returnTo),
  response: { 200: page('A form for the link.'), 400: refused[400] },
}

export const link: FastifySchema = {
  summary: 'Sign in with a link',
  description: 'Uses the link up and sets the cookie of the session. For pages of this server only.',
  operationId: 'signInWithLink',
  tags,
  body: form('token', 'The link, or what stands behind its #.', undefined, returnTo),
  response: {
    200: page('Signed in: it leads to `return_to` by itself.'),
    204: done,
    303: seeOther,
    ...refused,
    429: problem('Too many failed links from this address.'),
  },
}

export const logout: FastifySchema = {
  summary: 'Sign out',
  description: 'Ends the session on every server, and clears the cookie. Without a session it does the latter.',
  operationId: 'signOut',
  tags,
  response: { 204: done, 303: seeOther, ...refused },
}

export const logoutEverywhere: FastifySchema = {
  summary: 'Sign out everywhere',
  description: 'Ends every session of the person, in every organization.',
  operationId: 'signOutEverywhere',
  tags,
  response: { 204: done, 303: seeOther, ...refused },
}

export const organization: FastifySchema = {
  summary: 'Change the organization',
  description: 'Begins another session for the member of that organization, for the same identity.',
  operationId: 'changeOrganization',
  tags,
  body: form('organization', 'The id of the organization.', undefined, returnTo),
  response: {
    204: done,
    303: seeOther,
    401: problem('Nobody is signed in.'),
    404: problem('The person is no member there.'),
    409: problem('The organization is suspended.'),
    ...refused
  },
}
