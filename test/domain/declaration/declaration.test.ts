/** Resources that an application declares through the library: no schema of the API has looked at them before. */
import tap from 'tap'
import { updateResource } from '../../../src/domain/declaration/resource-change.ts'
import { createResource, type ResourceInput } from '../../../src/domain/declaration/resource-declaration.ts'
import { hostResourceId } from '../../../src/domain/resources/resource.ts'
import { styles } from '../../../src/domain/resources/style.ts'
import { startServer } from '../../support/test-server.ts'

tap.test('an application is told which scope, style or member of its resource is unusable', async t => {
  const server = await startServer({ bare: true })
  t.teardown(server.close)
  const { operation } = server.latchkey
  const scope = (name: string) => ({ name, keyOnly: false, description: null })
  const refused: [Partial<ResourceInput>, string, RegExp][] = [
    [{ scopes: [scope('a b')] }, 'scopes', /^"a b" cannot be a scope: use visible ASCII/],
    [{ scopes: [scope('x'.repeat(129))] }, 'scopes', /^"x{64}" cannot be a scope/],
    [{ scopes: [scope('a:read'), scope('a:read')] }, 'scopes', /^The scope a:read is named twice/],
    [{ style: { ...styles.ledgerbee, keyPrefix: 'Not one' } }, 'style', /^"Not one" cannot be a key prefix/],
  ]
  const input = { identifier: 'https://api.example.test', scopes: [scope('a:read')], style: styles.ledgerbee }
  for (const [wrong, field, message] of refused) {
    const failure = { code: 'invalid_request', details: { field }, message }
    await t.rejects(createResource(operation, { ...input, ...wrong }), failure)
    await t.rejects(updateResource(operation, hostResourceId, wrong), failure)
  }
  await t.rejects(updateResource(operation, hostResourceId, { defaultScopes: [] }), {
    code: 'invalid_request', details: { field: 'defaultScopes' }, message: /is built in: .* its default scopes cannot/
  })
  t.equal((await createResource(operation, input)).identifier, input.identifier)
})
