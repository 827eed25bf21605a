/** The cache of verified tokens: its memory, and what it keeps of a request. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { calculateJwkThumbprint, exportJWK, generateKeyPair } from 'jose'
import t from 'tap'
import { signJwt } from '../../../src/domain/tokens/jws.ts'
import type { KeyRing } from '../../../src/domain/tokens/signing-key.ts'
import { jwtReader } from '../../../src/domain/tokens/access-token.ts'

const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true })
const kid = await calculateJwkThumbprint(await exportJWK(publicKey))
const key = { kid, algorithm: 'ES256' as const, privateJwk: await exportJWK(privateKey) }
const verifying: KeyRing['verifying'] = new Map([[kid, { algorithm: 'ES256', publicKey }]])
const sign = (scope: string) => signJwt(key, 'at+jwt', { scope })

t.test('a key that cannot sign by its algorithm issues no token', async t => {
  const { privateKey } = await generateKeyPair('Ed25519', { extractable: true })
  const wrong = { kid: 'wrong', algorithm: 'ES256' as const, privateJwk: await exportJWK(privateKey) }
  await t.rejects(signJwt(wrong, 'at+jwt', {}), { message: /invalid digest/ })
})

t.test('N3: tokens are kept in mind by how long they are, so that long ones take no more memory than many', async t => {
  const short = [await sign('a'), await sign('b'), await sign('c')]
  const long = await sign('a'.repeat(900))
  const reader = jwtReader(
    'at+jwt', { ring: () => ({ verifying }) as KeyRing }, claims => claims, long.length + short[0]!.length
  )
  /** Whether the signature was cached: then the answer comes synchronously. */
  const isKnown = async (token: string) => {
    const read = reader.read(token)
    t.not(await read, null)
    return !(read instanceof Promise)
  }
  for (const token of short) t.equal(await isKnown(token), false)
  for (const token of short) t.equal(await isKnown(token), true)
  t.equal(await isKnown(long), false)
  t.strictSame([await isKnown(long), await isKnown(short[2]!), await isKnown(short[0]!)], [true, true, false])
})

t.test('N3: of a request only the token is kept in mind, not what it came with', async t => {
  const reader = jwtReader('at+jwt', { ring: () => ({ verifying }) as KeyRing }, claims => claims)
  const bodies = await Promise.all(
    Array.from({ length: 100 }, async (_, i) =>
      Buffer.from(`token=${await sign(`a${i}`)}&token_type_hint=${'h'.repeat(100_000)}`))
  )
  const before = heldNow()
  for (const body of bodies) {
    t.not(await reader.read(body.toString('latin1').split('&')[0]!.slice('token='.length)), null)
  }
  t.ok(heldNow() - before < bodies.length * 20_000, 'not all of each body')
})

/** The bytes of reachable objects in the heap. */
function heldNow (): number {
  setFlagsFromString('--expose_gc')
  const collect = runInNewContext('gc') as () => void
  collect()
  return process.memoryUsage().heapUsed
}
