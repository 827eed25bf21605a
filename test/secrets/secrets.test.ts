import tap from 'tap'
import {
  apiKeyHint, hintOf, isApiKeyText, newApiKeyText, resemblesApiKey
} from '../../src/secrets/credential-text.ts'
import { digestOf, sameDigest } from '../../src/secrets/digest.ts'
import { newId, newSecret, randomBase62 } from '../../src/secrets/random.ts'
import { withoutSecrets } from '../../src/secrets/redaction.ts'
import { seal, unseal } from '../../src/secrets/sealing.ts'

tap.test('Y1: a key has the form of one, with its prefix and its environment', async t => {
  for (const prefix of ['lb', 'c', 'a1b2c3d4e5f6g7h8']) {
    for (const environment of ['live', 'test'] as const) {
      const text = newApiKeyText(prefix, environment)
      t.match(text, new RegExp(`^${prefix}_${environment}_[0-9A-Za-z]{33}$`))
      t.equal(isApiKeyText(text), true)
    }
  }
})

tap.test('Y1: every single changed, lost or added character makes the check fail', async t => {
  const text = newApiKeyText('lb', 'live')
  for (let i = 0; i < text.length; i++) {
    t.equal(isApiKeyText(text.slice(0, i) + text.slice(i + 1)), false, `without character ${i}`)
    const other = text[i] === 'x' ? 'y' : 'x'
    t.equal(isApiKeyText(text.slice(0, i) + other + text.slice(i + 1)), false, `with another character ${i}`)
  }
  for (
    const damaged of [
      text + 'a', text + '\n', ' ' + text, text + '\0', text.toUpperCase(), text.replace('_live_', '_test_'),
      text.replace('lb_', 'lc_'), '', 'lb_live_'
    ]
  ) {
    t.equal(isApiKeyText(damaged), false, JSON.stringify(damaged))
  }
})

tap.test('Y1: the check is the one that is documented: CRC32 of what stands before, six base62 characters', async t => {
  // Worked out by hand from crc32('lb_live_' + '0' × 27), so that scanners elsewhere can rely on it.
  const stem = `lb_live_${'0'.repeat(27)}`
  let rest = 0xffffffff
  for (const byte of Buffer.from(stem)) {
    rest ^= byte
    for (let bit = 0; bit < 8; bit++) rest = (rest >>> 1) ^ (rest & 1 ? 0xedb88320 : 0)
  }
  let number = (rest ^ 0xffffffff) >>> 0
  let check = ''
  for (let i = 0; i < 6; i++, number = Math.floor(number / 62)) {
    check = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'[number % 62] + check
  }
  t.equal(isApiKeyText(stem + check), true)
})

tap.test('Y1: bodies are drawn evenly from base62 and do not repeat', async t => {
  const counts = new Map<string, number>()
  const seen = new Set<string>()
  for (let i = 0; i < 20_000; i++) {
    const body = randomBase62(27)
    seen.add(body)
    for (const character of body) counts.set(character, (counts.get(character) ?? 0) + 1)
  }
  t.equal(seen.size, 20_000)
  t.equal(counts.size, 62)
  const expected = 20_000 * 27 / 62
  for (const [character, count] of counts) {
    t.ok(Math.abs(count - expected) < 6 * Math.sqrt(expected), `${character}: ${count} of ${expected}`)
  }
})

tap.test('what people see of a secret does not give it away', async t => {
  const text = newApiKeyText('lb', 'live')
  t.equal(apiKeyHint(text), `lb_live_…${text.slice(-4)}`)
  t.equal(hintOf('abcdefgh'), '…efgh')
  t.ok(
    resemblesApiKey(text) && resemblesApiKey('lb_live_damaged') && !resemblesApiKey('eyJhbGciOi.a.b') &&
      !resemblesApiKey('lkadm_live')
  )
})

tap.test('digests are compared whole', async t => {
  const digest = digestOf('one')
  t.ok(sameDigest(digest, digestOf('one')))
  t.notOk(sameDigest(digest, digestOf('two')))
  t.notOk(sameDigest(digest, digest.slice(1)))
  t.notOk(sameDigest(digest, ''))
})

tap.test('client secrets survive Basic without form encoding', async t => {
  for (let i = 0; i < 100; i++) t.match(newSecret(), /^[A-Za-z0-9_-]{43}$/)
  t.match(newId('org'), /^org_[0-9A-Za-z]{22}$/)
})

tap.test('K2: what is sealed opens under its secret and its label alone', async t => {
  const sealed = seal('{"d":"private"}', 'master-one', 'kid-1')
  t.notMatch(sealed, /private|"d"/)
  t.not(seal('{"d":"private"}', 'master-one', 'kid-1'), sealed, 'never the same twice')
  t.equal(unseal(sealed, ['master-one'], 'kid-1'), '{"d":"private"}')
  t.equal(unseal(sealed, ['master-two', 'master-one'], 'kid-1'), '{"d":"private"}')
  t.equal(unseal(sealed, ['master-two'], 'kid-1'), null)
  t.equal(unseal(sealed, ['master-one'], 'kid-2'), null)
  t.equal(unseal(sealed, [], 'kid-1'), null)
  const [version, iv, tag, body] = sealed.split('.') as [string, string, string, string]
  for (
    const altered of [[version, iv, tag, body.slice(2) + 'AA'], [version, iv, 'AAAA', body], ['v2', iv, tag, body], [
      version, iv, tag
    ]]
  ) {
    t.equal(unseal(altered.join('.'), ['master-one'], 'kid-1'), null)
  }
})

tap.test('every form of our secrets is cut short wherever it stands in a text, and nothing else is', async t => {
  const body = 'A1'.repeat(17)
  for (const [text, cut] of [
    [`/keys/lb_live_${body}/x`, '/keys/lb_live_…/x'],
    [`to-lb_test_${body}.`, 'to-lb_test_….'],
    ['lb_live_a1b2_live_c3d4', 'lb_live_…_live_…'],
    [`_live_${body}`, `_live_${body}`],
    [`a lkadm_${body} b`, 'a lkadm_… b'],
    [`/hooks/whk_${body}`, '/hooks/whk_…'],
    ['a eyJhbGciOi.eyJzdWIi.c2ln b', 'a eyJ… b'],
    ['token_eyJhbGciOi.e', 'token_eyJ…'],
    ['eyJeyJeyJ eyJ. .eyJ', 'eyJeyJeyJ eyJ. .eyJ'],
  ]) t.equal(withoutSecrets(text!), cut)
})
