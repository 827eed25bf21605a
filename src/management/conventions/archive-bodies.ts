/** Bodies that are archives: taken as bytes, with their digest in place of the body wherever a request is compared. */
import type { FastifyInstance } from 'fastify'
import { Type } from '../../http/typebox-lite.ts'
import { Failure } from '../../base/errors.ts'
import { fileDigest } from '../../secrets/digest.ts'

const types = ['application/zip', 'application/x-tar', 'application/gzip', 'application/octet-stream'] as const

/** The schema of such a body: the document has each media type, and nothing is validated. */
export const archiveBody = Type.Unsafe<unknown>(archiveAs(types))

/** An archive in the document, as one of these media types. */
export function archiveAs (mediaTypes: readonly string[]) {
  const schema = {
    contentMediaType: 'application/octet-stream',
    description: 'At most 10 MiB. Its bytes say which format it has.',
    examples: ['PK…']
  }
  return { content: Object.fromEntries(mediaTypes.map(type => [type, { schema }])) }
}

/** Archives by the bodies that stand for them: an object with the digest alone is hashed, and compared, cheaply. */
const archives = new WeakMap<object, Buffer>()

/** Lets the routes of a context take archives, and nothing else. */
export function takeArchives (app: FastifyInstance): void {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', { parseAs: 'buffer' }, ({ headers }, bytes: Buffer, done) => {
    // Without a type the bytes say what they are (RFC 9110 §8.3).
    const type = headers['content-type']?.split(';', 1)[0]!.trim().toLowerCase()
    if (type !== undefined && !types.some(each => each === type)) {
      done(new Failure('unsupported_media_type', { message: `Send an archive, as ${types.join(', ')}.` }))
      return
    }
    const body = { digest: fileDigest(bytes) }
    archives.set(body, bytes)
    done(null, body)
  })
}

/** The archive of a request. @throws Failure `invalid_request` when there is none. */
export function sentArchive (body: unknown): Buffer {
  const bytes = typeof body === 'object' && body !== null ? archives.get(body) : undefined
  if (bytes !== undefined && bytes.length > 0) return bytes
  throw new Failure('invalid_request', {
    message: 'The body is empty; send the archive of the skill.', details: { field: 'body' }
  })
}
