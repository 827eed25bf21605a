/**
 * A second credential in a form was missed where the media type is spelled in capitals, or where forms are not parsed
 * into an object.
 */
import tap from 'tap'
import { startServer } from '../support/test-server.ts'

tap.test('RFC 6750 §2: a token in a form beside the one in the header is a second credential, however the form is named and read', async t => {
  const readers: Record<string, (text: string) => unknown> = {
    object: text => Object.fromEntries(new URLSearchParams(text)),
    pairs: text => new URLSearchParams(text),
    text: text => text,
    bytes: text => Buffer.from(text)
  }
  const server = await startServer({
    mount: async (app, latchkey) => {
      for (const [name, read] of Object.entries(readers)) {
        await app.register(async api => {
          api.addContentTypeParser(
            /^application\/x-www-form-urlencoded/i,
            { parseAs: 'string' },
            (_request, body, done) => {
              done(null, read(String(body)))
            }
          )
          await api.register(latchkey.guard, { resource: latchkey.config.issuer })
          api.post('/', { config: { scopes: [] } }, async () => ({ ok: true }))
        }, { prefix: `/${name}` })
      }
    },
  })
  t.teardown(server.close)
  const { key } = await server.createKey()
  const types = [
    'application/x-www-form-urlencoded', 'Application/X-WWW-Form-URLEncoded',
    'APPLICATION/X-WWW-FORM-URLENCODED; charset=utf-8'
  ]
  for (const name of Object.keys(readers)) {
    for (const type of types) {
      const post = async (body: string) =>
        await server.send({
          method: 'POST', path: `/${name}`, headers: { 'x-api-key': key, 'content-type': type }, body
        })
      t.equal((await post('a=b')).status, 200, `${name} ${type}`)
      const refused = await post('a=b&access_token=x')
      t.strictSame([refused.status, refused.json.details?.reason], [400, 'several_credentials'], `${name} ${type}`)
    }
  }
})
