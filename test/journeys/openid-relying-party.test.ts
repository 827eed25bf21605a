/** openid-client as the judge of this server as an OpenID provider: what an application does that people sign in to. */
import * as openid from 'openid-client'
import tap from 'tap'
import { answerPage, browserOf, callback, isCallback } from '../support/authorizing.ts'
import { createPerson } from '../support/people.ts'
import { startServer, type Json } from '../support/test-server.ts'

tap.setTimeout(600_000)
const server = await startServer({ registration: 'open' })
tap.teardown(server.close)
const execute = [openid.allowInsecureRequests]

for (const algorithm of ['ES256', 'RS256']) {
  tap.test(`openid-client registers, signs a person in, asks userinfo and refreshes; ID tokens by ${algorithm}`, async t => {
    const metadata = { redirect_uris: [callback], id_token_signed_response_alg: algorithm, client_name: 'Shop' }
    const config = await openid.dynamicClientRegistration(new URL(server.issuer), metadata, undefined, { execute })
    t.match(config.clientMetadata(), { id_token_signed_response_alg: algorithm })
    // Otherwise openid-client believes the channel, and verifies no signature.
    openid.enableNonRepudiationChecks(config)
    const person = await createPerson(server, { email: `${algorithm}@example.test` })
    const verifier = openid.randomPKCECodeVerifier()
    const [nonce, state] = [openid.randomNonce(), openid.randomState()]
    const url = openid.buildAuthorizationUrl(config, {
      redirect_uri: callback,
      scope: 'openid profile email',
      code_challenge: await openid.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
      max_age: '600',
      nonce,
      state
    })
    const browser = browserOf(server, person)
    const page = await browser.open(url.href, isCallback)
    const back = await answerPage(server, browser, page, 'allow')
    const tokens = await openid.authorizationCodeGrant(config, new URL(back.url), {
      pkceCodeVerifier: verifier, expectedNonce: nonce, expectedState: state, maxAge: 600, idTokenExpected: true
    })
    t.match(tokens.claims(), { sub: person.id, nonce })
    const claims = await openid.fetchUserInfo(config, tokens.access_token, tokens.claims()!.sub)
    t.strictSame(claims as Json, { sub: person.id, name: 'Ada', email: `${algorithm}@example.test` })
    const refreshed = await openid.refreshTokenGrant(config, tokens.refresh_token!)
    t.equal(refreshed.claims()!.auth_time, tokens.claims()!.auth_time)
    await openid.tokenRevocation(config, refreshed.access_token)
    const refused = await openid.fetchUserInfo(config, refreshed.access_token, person.id).catch(error => error)
    t.match(refused, { code: 'OAUTH_WWW_AUTHENTICATE_CHALLENGE', status: 401 })
  })
}
