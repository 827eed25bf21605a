/** Certificates (RFC 5280) as an operator's own authority issues them: no dependency of ours makes one. */
import { generateKeyPairSync, randomBytes, sign, type KeyObject } from 'node:crypto'

export interface Certified {
  /** PEM. */
  certificate: string
  /** PKCS#8, PEM. */
  key: string
}

export interface Authority extends Certified {
  /**
   * A certificate for a host name or an IPv4 address, issued by this authority. By default it is valid from ten years
   * ago until ten years from now.
   */
  certify (host: string, until?: Date, from?: Date): Certified
}

const years = (count: number): Date => new Date(Date.now() + count * 365 * 86_400_000)

export function makeAuthority (): Authority {
  const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const name = nameOf('An authority of a test')
  const basicConstraints = extension('551d13', sequence(boolean(true)))
  const own = certificate(
    {
      issuer: name,
      signer: pair.privateKey,
      subject: name,
      publicKey: pair.publicKey,
      from: years(-10),
      until: years(10),
      extensions: [basicConstraints],
    }
  )
  return {
    certificate: own,
    key: pem(pair.privateKey),
    certify (host, until = years(10), from = years(-10)) {
      const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
      const address = /^[\d.]+$/.test(host)
      const alternative = address ? der(0x87, Buffer.from(host.split('.').map(Number))) : der(0x82, Buffer.from(host))
      const extensions = [extension('551d11', sequence(alternative))]
      return {
        certificate: certificate(
          { issuer: name, signer: pair.privateKey, subject: nameOf(host), publicKey, from, until, extensions }
        ),
        key: pem(privateKey),
      }
    },
  }
}

interface Content {
  issuer: Buffer,
  signer: KeyObject,
  subject: Buffer,
  publicKey: KeyObject,
  from: Date,
  until: Date,
  extensions: Buffer[],
}

function certificate ({ issuer, signer, subject, publicKey, from, until, extensions }: Content): string {
  const ecdsaWithSha256 = sequence(oid('2a8648ce3d040302'))
  const version = der(0xa0, der(0x02, Buffer.from([2])))
  const serial = der(0x02, Buffer.concat([Buffer.from([0x40]), randomBytes(8)]))
  const content = sequence(
    version, serial, ecdsaWithSha256, issuer, sequence(time(from), time(until)), subject,
    publicKey.export({ type: 'spki', format: 'der' }), der(0xa3, sequence(...extensions))
  )
  const whole = sequence(
    content,
    ecdsaWithSha256,
    der(0x03, Buffer.concat([Buffer.from([0]), sign('sha256', content, signer)]))
  )
  return `-----BEGIN CERTIFICATE-----\n${whole.toString('base64').match(/.{1,64}/g)!.join('\n')}\n-----END ` +
    'CERTIFICATE-----\n'
}

function pem (key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }).toString()
}

/** Encodes a tag, a length and the content (X.690). */
function der (tag: number, content: Buffer): Buffer {
  const { length } = content
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from([tag, ...size]), content])
}

function sequence (...parts: Buffer[]): Buffer {
  return der(0x30, Buffer.concat(parts))
}

function oid (hex: string): Buffer {
  return der(0x06, Buffer.from(hex, 'hex'))
}

function boolean (value: boolean): Buffer {
  return der(0x01, Buffer.from([value ? 0xff : 0]))
}

/** RFC 5280 uses GeneralizedTime from 2050 on, but every reader accepts it for earlier years. */
function time (date: Date): Buffer {
  return der(0x18, Buffer.from(date.toISOString().replace(/[-:T]|\.\d+/g, '')))
}

function nameOf (commonName: string): Buffer {
  return sequence(der(0x31, sequence(oid('550403'), der(0x0c, Buffer.from(commonName)))))
}

function extension (id: string, value: Buffer): Buffer {
  return sequence(oid(id), boolean(true), der(0x04, value))
}
