/** A protected API that declares its resource at every start keeps accepting the keys that it imported. */
import { createHash } from 'node:crypto'
import tap from 'tap'
import { hostResourceId } from '../../src/domain/resources/resource.ts'
import { updateResource } from '../../src/domain/declaration/resource-change.ts'
import { styles } from '../../src/domain/resources/style.ts'
import { startServer } from '../support/test-server.ts'

tap.test('an imported key outlives a new declaration of its resource', async t => {
  const server = await startServer()
  t.teardown(server.close)
  const { admin, issuer, withKey, latchkey } = server
  const { id: organization } = await server.createOrganization()
  const legacy = 'OLD-4f2a4f2a4f2a4f2a4f2a'
  const digest = createHash('sha256').update(legacy).digest('hex')
  t.equal(
    (await admin('POST', '/api-keys/import', {
      organization, resource: issuer, environment: 'live', name: 'old', scopes: ['invoices:read'], digest, hint: '…4f2a'
    })).status,
    201
  )
  t.equal((await withKey(legacy)).status, 200)
  await updateResource(latchkey.operation, hostResourceId, { style: styles.ledgerbee })
  t.equal((await withKey(legacy)).status, 200)
  t.equal((await admin('PATCH', `/resources/${hostResourceId}`, { style: 'rfc9457', keyPrefix: 'acme' })).status, 200)
  t.equal((await withKey(legacy)).status, 200)
})
