/** An authenticator in tests: makes passkeys and signs with them as WebAuthn says, or wrong as it is told. */
import { createHash, generateKeyPairSync, randomBytes, sign, type KeyObject } from 'node:crypto'

export interface AuthenticatorTraits {
  origin: string
  rpId: string
  /** Whether it verifies the person. */
  verifies: boolean
  /** How much its counter grows with each use; 0: it does not count. */
  step: number
  crossOrigin: boolean
}

interface Key { credentialId: Buffer, privateKey: KeyObject, counter: number, handle: string }

/** The members of options that it reads. */
interface Asked { challenge: string, user?: { id: string } }

const sha256 = (data: string | Buffer): Buffer => createHash('sha256').update(data).digest()
const base64url = (data: string | Buffer): string => Buffer.from(data).toString('base64url')

export function newAuthenticator (issuer: string, traits: Partial<AuthenticatorTraits> = {}) {
  const own: AuthenticatorTraits = {
    origin: issuer, rpId: new URL(issuer).hostname, verifies: true, step: 0, crossOrigin: false, ...traits
  }
  const keys: Key[] = []
  return {
    keys,
    /** What `navigator.credentials.create` answers, as `toJSON()` writes it. */
    create ({ challenge, user }: Asked, more: Partial<AuthenticatorTraits> = {}) {
      const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
      const key: Key = { credentialId: randomBytes(32), privateKey, counter: own.step, handle: user!.id }
      keys.push(key)
      const { x, y } = publicKey.export({ format: 'jwk' }) as { x: string, y: string }
      const length = Buffer.from([0, key.credentialId.length])
      const data = Buffer.concat([
        authenticatorData({ ...own, ...more }, key, 0x40), Buffer.alloc(16), length, key.credentialId,
        // COSE: an EC2 key for ES256 on P-256.
        Buffer.from('a5010203262001215820', 'hex'), Buffer.from(x, 'base64url'),
        Buffer.from('225820', 'hex'), Buffer.from(y, 'base64url')
      ])
      return {
        ...named(key),
        clientExtensionResults: {},
        response: {
          clientDataJSON: clientData('webauthn.create', challenge, { ...own, ...more }),
          attestationObject: base64url(attestationOf(data)),
          transports: ['internal']
        }
      }
    },
    /** What `navigator.credentials.get` answers, by its last key unless told. */
    get ({ challenge }: Asked, more: Partial<AuthenticatorTraits> = {}, key = keys.at(-1)!) {
      const traits = { ...own, ...more }
      key.counter += traits.step
      const data = authenticatorData(traits, key, 0)
      const clientDataJSON = clientData('webauthn.get', challenge, traits)
      const signed = Buffer.concat([data, sha256(Buffer.from(clientDataJSON, 'base64url'))])
      const signature = sign('sha256', signed, key.privateKey)
      return {
        ...named(key),
        clientExtensionResults: {},
        response: {
          clientDataJSON,
          authenticatorData: base64url(data),
          signature: base64url(signature),
          userHandle: key.handle
        }
      }
    }
  }
}

function named ({ credentialId }: Key) {
  const id = base64url(credentialId)
  return { id, rawId: id, type: 'public-key' as const }
}

function clientData (type: string, challenge: string, { origin, crossOrigin }: AuthenticatorTraits): string {
  return base64url(JSON.stringify({ type, challenge, origin, crossOrigin }))
}

/** Flags: the person is present (1), and verified (4). */
function authenticatorData ({ rpId, verifies }: AuthenticatorTraits, { counter }: Key, flags: number): Buffer {
  const tail = Buffer.alloc(5)
  tail.writeUInt8(flags | 1 | (verifies ? 4 : 0))
  tail.writeUInt32BE(counter, 1)
  return Buffer.concat([sha256(rpId), tail])
}

/** CBOR: `{ fmt: 'none', attStmt: {}, authData }`. */
function attestationOf (data: Buffer): Buffer {
  const length = Buffer.from([0x58, data.length])
  return Buffer.concat([
    Buffer.from('a363666d74646e6f6e656761747453746d74a0686175746844617461', 'hex'), length, data
  ])
}
