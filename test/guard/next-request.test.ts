/** A memoized verdict, which makes the next check cheap, must never outlive the records that it follows from. */
import tap from 'tap'
import { updateApiKey } from '../../src/domain/credentials/api-key-change.ts'
import { updateClient } from '../../src/domain/credentials/client-change.ts'
import { createMember, updateMember } from '../../src/domain/members/member.ts'
import { updateOrganization } from '../../src/domain/tenancy/organization.ts'
import { changePolicy, planDeletion, planCreation } from '../../src/domain/access/policy-change.ts'
import { hostResourceId } from '../../src/domain/resources/resource.ts'
import { updateResource } from '../../src/domain/declaration/resource-change.ts'
import type { CachedRegistry } from '../../src/storage/cache/cached-registry.ts'
import { apiScopes, MovableClock, startOnEachDatabase } from '../support/test-server.ts'

const clock = new MovableClock()
const { servers, close } = await startOnEachDatabase({ clock })
tap.teardown(close)

for (const { name, server } of servers) {
  const { operation } = server.latchkey

  tap.test(`each record that a pass follows from is looked at on the next request, however often it passed before [${name}]`, async t => {
    const { id: organization } = await server.createOrganization()
    const member = await createMember(operation, { organizationId: organization, name: 'Ada', role: 'admin' })
    const key = await server.createKey({ organization, creator: member.id })
    const client = await server.createClient({ organization })
    const token = await server.tokenFor(client)
    const asked = async () => [(await server.withKey(key.key)).status, (await server.bearer(token)).status]
    const both = async (statuses: number[], what: string) => { t.strictSame(await asked(), statuses, what) }
    const passes = async () => { for (let i = 0; i < 3; i++) await both([200, 200], 'passes') }

    await passes()
    await updateApiKey(operation, key.id, { allowlist: ['192.0.2.1'] })
    await both([401, 200], 'the allowlist of the key')
    await updateApiKey(operation, key.id, { allowlist: [] })
    await passes()
    await updateMember(operation, member.id, { role: 'member', scopes: ['company:read'] })
    await both([403, 200], 'the member who bounds the key')
    await updateMember(operation, member.id, { role: 'admin', scopes: null })
    await passes()
    await updateOrganization(operation, organization, { status: 'suspended' })
    await both([403, 403], 'the organization')
    await updateOrganization(operation, organization, { status: 'active' })
    await passes()
    for (const organizationId of [organization, null]) {
      const policy = await changePolicy(
        operation,
        planCreation(operation, {
          organizationId, name: 'none', effect: 'deny', conditions: { scopes: ['invoices:*'] }
        }),
        true
      )
      await both([403, 403], `a policy of ${organizationId === null ? 'the deployment' : 'the organization'}`)
      await changePolicy(operation, planDeletion(operation, policy.id), true)
      await passes()
    }
    await updateClient(operation, client.clientId, { allowlist: ['192.0.2.1'] })
    await both([200, 401], 'the client')
    await updateResource(operation, hostResourceId, {
      scopes: apiScopes.filter(scope => scope.name !== 'invoices:read')
    })
    await both([403, 401], 'the scopes of the resource')
    await updateResource(operation, hostResourceId, { scopes: apiScopes })
    await both([403, 401], 'declared anew they are others')
    await updateApiKey(operation, key.id, { scopes: ['invoices:read'] })
    await updateApiKey(operation, key.id, { expiresAt: new Date(clock.now().getTime() + 60_000) })
    await both([200, 401], 'an end that is to come')
    clock.advance(61)
    await both([401, 401], 'which nothing but the clock brought')
  })

  tap.test(`J5: a token that passes lends its signature to no other text, and its text to no other signature [${name}]`, async t => {
    const [one, other] = [
      await server.tokenFor(await server.createClient()), await server.tokenFor(await server.createClient())
    ]
    for (const token of [one, other, one, other]) t.equal((await server.bearer(token)).status, 200)
    const [header, payload, signature] = one.split('.')
    const [, otherPayload, otherSignature] = other.split('.')
    for (
      const text of [
        `${header}.${payload}.${otherSignature}`, `${header}.${otherPayload}.${signature}`,
        `${header}.${payload}.${signature}=`, `${header}.${payload}. ${signature}`, `${one}!`
      ]
    ) {
      const answer = await server.bearer(text)
      t.match(answer, {
        status: 401, headers: { 'www-authenticate': /error_description="The credential is malformed"/ }
      })
    }
    t.equal((await server.bearer(one)).status, 200)
  })
}

tap.test('a request with a credential that is known costs no query [sqlite]', async t => {
  const { server } = servers[0]!
  const { registry } = server.latchkey.telemetry.metrics
  const key = await server.createKey()
  const token = await server.tokenFor(await server.createClient())
  const ask = async () => {
    t.strictSame([(await server.withKey(key.key)).status, (await server.bearer(token)).status], [200, 200])
  }
  await ask()
  const { misses } = registry
  for (let i = 0; i < 5; i++) await ask()
  t.equal(registry.misses, misses)
})

tap.test('what was found while a server reads again what it holds is asked for once more after that [sqlite]', async t => {
  const view = servers[0]!.server.latchkey.registry as CachedRegistry
  const before = view.state
  const reading = view.reload()
  let meanwhile = view.state
  // The reload begins after the reads before it have ended.
  while (meanwhile === before) meanwhile = await Promise.resolve().then(() => view.state)
  await reading
  t.not(view.state, meanwhile)
  t.equal(view.state, view.state, 'the same while nothing changes')
})
