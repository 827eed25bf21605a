/** How long a key vouches: through the keys that it was rotated to, and for entries in the memory of guards. */
import tap from 'tap'
import { entryOf } from '../../../src/decision/guard-sessions/entry.ts'
import { dependenciesOf } from '../../../src/decision/guard-sessions/subjects.ts'
import type { ApiKey } from '../../../src/domain/credentials/api-key.ts'
import { reasonAgainstVoucher, voucherKey } from '../../../src/domain/credentials/voucher.ts'
import { earlier, key, keyFacts, later, now, organization } from '../../support/facts.ts'

const before = new Date(earlier.getTime() - 1_000)
const end = { revokedAt: now }

/** The reason against the first of these keys, each of which was rotated to the next. */
async function reasonAgainst (...chain: Partial<ApiKey>[]): Promise<string | null> {
  const keys = chain.map((changes, i): ApiKey => ({
    ...key, createdAt: before, id: `key_${i}`, rotatedTo: i + 1 < chain.length ? `key_${i + 1}` : null, ...changes
  }))
  const voucher = await voucherKey({
    apiKeyById: id => keys.find(each => each.id === id) ?? null, organization: () => organization
  }, 'key_0')
  return reasonAgainstVoucher(voucher, now)
}

tap.test('a key vouches until it is revoked or expires, and through rotations with an overlap', async t => {
  const overlapped = { expiresAt: earlier }
  t.equal(await reasonAgainst({}), null)
  t.equal(await reasonAgainst(end), 'revoked')
  t.equal(await reasonAgainst(overlapped), 'expired')
  t.equal(await reasonAgainst(overlapped, {}), null, 'its successor goes on')
  t.equal(await reasonAgainst(overlapped, overlapped, {}), null)
  t.equal(await reasonAgainst(overlapped, end), 'expired', 'the successor was revoked')
  t.equal(await reasonAgainst({ expiresAt: later }, end), null, 'the overlap lasts, and its own revocation ends it')
  t.equal(await reasonAgainst({ ...overlapped, ...end }, {}), 'revoked', 'it leaked, and its successor did not')
  t.equal(await reasonAgainst(overlapped, { createdAt: earlier }), 'expired', 'without an overlap: an emergency')
  t.equal(await reasonAgainst(overlapped, overlapped, { createdAt: earlier }), 'expired', 'one of its successor')
  t.equal(await reasonAgainst(overlapped, { rotatedTo: 'key_missing' }), 'revoked', 'a missing key is refused')
})

tap.test('a key that is disabled vouches for nothing until it is enabled, nor does one that goes on in it', async t => {
  const disabled = { disabledAt: earlier }
  t.equal(await reasonAgainst(disabled), 'disabled')
  t.equal(await reasonAgainst({ ...disabled, ...end }), 'revoked', 'for good')
  t.equal(await reasonAgainst({ ...disabled, expiresAt: earlier }), 'expired', 'for good')
  t.equal(await reasonAgainst({ expiresAt: earlier }, disabled), 'disabled', 'its successor is disabled')
  t.equal(await reasonAgainst({ expiresAt: later }, disabled), 'disabled', 'also in the overlap')
  t.equal(await reasonAgainst({ expiresAt: earlier, ...disabled }, {}), 'disabled', 'its successor is not')
  t.equal(await reasonAgainst({ expiresAt: later }, { ...disabled, ...end }), null, 'a revoked one')
})

tap.test('a guard in another process keeps a vouched key until its voucher ends, and follows the voucher', async t => {
  const voucher = {
    revokedAt: null, disabledAt: null, expiresAt: later, organization, ofDeployment: false, digests: ['one', 'two']
  }
  const facts = keyFacts({ vouchedBy: 'key_0' }, { voucher })
  const follows = dependenciesOf(facts, digest => `key:${digest}`)
  t.ok(['key:digest', 'key:one', 'key:two'].every(subject => follows.includes(subject)))
  const { facts: told } = entryOf(facts, follows)
  t.match(told, { key: { expiresAt: later } })
  t.notMatch(JSON.stringify(told), /vouchedBy|"digest"/)
  const sooner = keyFacts({ vouchedBy: 'key_0', expiresAt: now }, { voucher })
  t.match(entryOf(sooner, []).facts, { key: { expiresAt: now } })
})
