// An API protected by express-oauth2-jwt-bearer, and a caller with a token of a running Latchkey. Reads its variables,
// prints one line of JSON for each client that passes, and ends with an exception at the first that fails.
import { equal } from 'node:assert/strict'
import express from 'express'
import { auth, requiredScopes } from 'express-oauth2-jwt-bearer'

const { ISSUER: issuer, RESOURCE: audience, TOKEN: token, ALGORITHM: tokenSigningAlg } = process.env
const settings = tokenSigningAlg === undefined ? {} : { tokenSigningAlg }
const api = express()
const guards = [auth({ issuerBaseURL: issuer, audience, ...settings }), requiredScopes('invoices:read')]
api.get('/', guards, (request, response) => {
  response.json({ client: request.auth.payload.client_id })
})
const server = api.listen(0, '127.0.0.1', async () => {
  const url = `http://127.0.0.1:${server.address().port}/`
  const answer = await fetch(url, { headers: { authorization: `Bearer ${token}` } })
  equal(answer.status, 200, `it answered ${answer.status} ${answer.headers.get('www-authenticate')}`)
  equal((await fetch(url, { headers: { authorization: `Bearer ${token.slice(0, -4)}AAAA` } })).status, 401)
  const words = Object.entries(settings).map(([name, value]) => `${name}: ${value}`).join(', ')
  console.log(JSON.stringify({ client: 'express-oauth2-jwt-bearer', settings: words }))
  server.close()
})
