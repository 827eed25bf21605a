/** A key id that begins with a dash would be parsed as an option by the command line. */
import tap from 'tap'
import { newSigningKey } from '../../src/domain/tokens/signing-key-generation.ts'

tap.test('no signing key has a name that a command takes for an option', async t => {
  const secret = 'a secret of the tests, long enough'
  const keys = await Promise.all(Array.from({ length: 600 }, () => newSigningKey(new Date(), secret)))
  t.strictSame(keys.filter(({ kid }) => !/^[A-Za-z0-9_][A-Za-z0-9_-]{42}$/.test(kid)), [])
})
