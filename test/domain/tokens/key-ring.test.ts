/** The signing keys of a deployment at its start: which need their secret, and which tokens they verify. */
import t from 'tap'
import { openSigningKeys } from '../../../src/domain/tokens/key-ring.ts'
import { newSigningKey } from '../../../src/domain/tokens/signing-key-generation.ts'
import { newSecret } from '../../../src/secrets/random.ts'
import { openStorage } from '../../../src/storage/index.ts'
import { databases } from '../../support/databases.ts'
import { patientLimits } from '../../support/waiting.ts'

const now = new Date('2026-06-01T12:00:00Z')
const hoursAgo = (hours: number) => new Date(now.getTime() - hours * 3_600_000)

t.test('[sqlite] a key that is gone needs no secret, one that is only retired does; by a clock that is set right the tokens of both are known', async t => {
  const { url, drop } = await databases.find(({ name }) => name === 'sqlite')!.fresh()
  const { store, close } = await openStorage(url, { limits: patientLimits })
  t.teardown(async () => {
    await close()
    await drop()
  })
  const [lost, secret] = [newSecret(), newSecret()]
  const made = await newSigningKey(hoursAgo(50), lost)
  const [gone, present] = [
    { ...made, retiredAt: hoursAgo(4), publishedUntil: hoursAgo(1) }, await newSigningKey(hoursAgo(10), secret)
  ]
  for (const key of [gone, present]) await store.signingKeys.insert(key)
  const { ring } = await openSigningKeys(store, () => now, [secret])
  t.equal(ring().signing.kid, present.kid)
  t.strictSame([...ring().verifying.keys()], [present.kid])
  t.strictSame([...ring(hoursAgo(2)).verifying.keys()], [present.kid, gone.kid])
  await t.rejects(openSigningKeys(store, () => hoursAgo(2), [secret]), {
    message: new RegExp(`the signing key ${gone.kid} in the database was sealed under another secret`)
  })
})
