/** Identity providers by configuration: each is one group of variables, and a mistake in one prevents the start. */
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import tap from 'tap'
import { ConfigurationError } from '../../src/base/errors.ts'
import { inspectConfig } from '../../src/config/config.ts'
import { newSecret } from '../../src/secrets/random.ts'

const base = { LATCHKEY_SECRET: newSecret(), LATCHKEY_ADMIN_TOKEN: newSecret() }
const google = {
  LATCHKEY_OIDC_GOOGLE_ISSUER: 'https://accounts.example.com',
  LATCHKEY_OIDC_GOOGLE_CLIENT_ID: 'one',
  LATCHKEY_OIDC_GOOGLE_CLIENT_SECRET: 'secret of google',
}

function problemsOf (environment: Record<string, string>): readonly string[] {
  try {
    inspectConfig({ ...base, ...environment }, '/')
    return []
  } catch (error) {
    if (error instanceof ConfigurationError) return error.problems
    throw error
  }
}

tap.test('OC-03 each provider is one record, in the order of the IDs', async t => {
  const file = join(mkdtempSync(join(tmpdir(), 'latchkey-config-')), 'secret')
  writeFileSync(file, 'from a file\n')
  const { identityProviders } = inspectConfig({
    ...base,
    ...google,
    LATCHKEY_OIDC_ACME_SSO_ISSUER: 'https://login.acme.example/realms/main/',
    LATCHKEY_OIDC_ACME_SSO_CLIENT_ID: 'two',
    LATCHKEY_OIDC_ACME_SSO_CLIENT_SECRET_FILE: file,
    LATCHKEY_OIDC_ACME_SSO_NAME: 'Acme',
    LATCHKEY_OIDC_ACME_SSO_SCOPES: 'openid  email groups',
  }, '/')
  t.strictSame(identityProviders, [
    {
      id: 'acme-sso',
      issuer: 'https://login.acme.example/realms/main/',
      clientId: 'two',
      clientSecret: 'from a file',
      name: 'Acme',
      scopes: 'openid email groups'
    },
    {
      id: 'google',
      issuer: 'https://accounts.example.com',
      clientId: 'one',
      clientSecret: 'secret of google',
      name: 'GOOGLE',
      scopes: 'openid email profile'
    },
  ])
  t.strictSame(inspectConfig(base, '/').identityProviders, [])
})

tap.test('S1 what is missing, mistyped or unsafe is named, and never a secret', async t => {
  const cases: [Record<string, string>, RegExp][] = [
    [{ LATCHKEY_OIDC_X_ISSUER: 'https://x.example' }, /^LATCHKEY_OIDC_X_CLIENT_ID: is required/],
    [{ ...google, LATCHKEY_OIDC_GOOGLE_CLIENTSECRET: 's' }, /_CLIENTSECRET: is no variable of an identity provider; the/],
    [{ ...google, LATCHKEY_OIDC_google_NAME: 'G' }, /^LATCHKEY_OIDC_google_NAME: is no variable/],
    [{ ...google, LATCHKEY_OIDC_GOOGLE_CLIENT_ID_FILE: '/x' }, /_CLIENT_ID_FILE: is no variable/],
    [{ ...google, LATCHKEY_OIDC_GOOGLE_ISSUER: 'http://idp.example' }, /is not https/],
    [{ ...google, LATCHKEY_OIDC_GOOGLE_ISSUER: 'https://x.example/.well-known/openid-configuration' }, /not an issuer/],
    [{ ...google, LATCHKEY_OIDC_GOOGLE_ISSUER: 'https://x.example/?a=b' }, /not an issuer/],
    [{ ...google, LATCHKEY_OIDC_GOOGLE_SCOPES: 'email' }, /lacks `openid`/],
    [{ ...google, LATCHKEY_OIDC_GOOGLE_SCOPES: 'openid é' }, /not a list of scopes/],
    [{ ...google, LATCHKEY_OIDC_GOOGLE_CLIENT_SECRET: base.LATCHKEY_ADMIN_TOKEN }, /LATCHKEY_ADMIN_TOKEN: is the same as/],
  ]
  for (const [environment, sentence] of cases) {
    const problems = problemsOf(environment)
    t.ok(problems.some(problem => sentence.test(problem)), `${sentence}: ${problems.join(' | ')}`)
    t.notMatch(problems.join(), 'secret of google')
  }
  t.strictSame(problemsOf({ ...google, LATCHKEY_OIDC_GOOGLE_ISSUER: 'http://127.0.0.1:9000' }), [], 'on loopback')
})
