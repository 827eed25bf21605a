/** Operators: when a session acts for the whole deployment, and the one organization that several starts make. */
import tap from 'tap'
import { secondsAfter } from '../../src/base/clock.ts'
import { mayActForDeployment, scopesForDeployment } from '../../src/domain/members/operator.ts'
import { seedOperators } from '../../src/domain/members/operators-organization.ts'
import type { Member } from '../../src/domain/members/permissions.ts'
import { operatorsId } from '../../src/domain/tenancy/organization.ts'
import { openStorage } from '../../src/storage/index.ts'
import { databases } from '../support/databases.ts'

const now = new Date('2026-12-01T12:00:00Z')
const operator: Member = {
  id: 'mem_a',
  organizationId: operatorsId,
  name: 'Ada',
  email: null,
  role: 'owner',
  scopes: null,
  operator: true,
  groups: [],
  createdAt: now,
  removedAt: null,
  revision: 1
}

tap.test('an operator reads for the deployment at any time, and changes it for ten minutes after a sign-in', t => {
  const at = (age: number, change: boolean, member: Member = operator) =>
    mayActForDeployment(member, { signedInAt: secondsAfter(now, -age), change, now })
  for (const age of [-120, 0, 599, 600, 43_200]) t.equal(at(age, false), 'deployment', `reads after ${age} s`)
  t.strictSame(
    [-61, -60, 0, 599, 600, 43_200].map(age => at(age, true)),
    ['sign_in_again', 'deployment', 'deployment', 'deployment', 'sign_in_again', 'sign_in_again'],
    'the clock of another server may be a minute ahead'
  )
  const unknown = (change: boolean) => mayActForDeployment(operator, { signedInAt: null, change, now })
  t.strictSame([false, true].map(unknown), ['deployment', 'sign_in_again'], 'a provider that does not say when')
  for (
    const none of [{ operator: false }, { removedAt: now }, { organizationId: 'org_a' }]
  ) {
    t.equal(at(0, true, { ...operator, ...none }), 'none', JSON.stringify(none))
    t.equal(at(0, false, { ...operator, ...none }), 'none')
  }
  t.end()
})

tap.test('an operator has for the deployment what the role gives for all records, and nothing by groups', t => {
  const scopes = ['clients:read', 'clients:write', 'members:write'].map(name => (
    { name, keyOnly: false, description: null }
  ))
  const of = (member: Partial<Member>) => scopesForDeployment({ ...operator, ...member }, { scopes })
  const all = ['clients:read', 'clients:write', 'members:write', 'portal-provision', 'portal-sso-mint']
  t.strictSame(of({}), all, 'with those that it gives to keys of partners')
  t.strictSame(of({ role: 'member' }), ['clients:read'], 'none for own records')
  t.strictSame(of({ role: 'viewer', groups: [{ id: 'grp_a', scopes: ['*'] }] }), ['clients:read'])
  t.strictSame(of({ scopes: ['members:write'] }), ['members:write'])
  t.strictSame(of({ operator: false }), [])
  t.end()
})

for (const { name, fresh } of databases) {
  tap.test(`several starts at once make one organization with one operator, and later ones make nothing [${name}]`, async t => {
    const { url, drop } = await fresh()
    t.teardown(drop)
    const count = name === 'sqlite' ? 1 : 3
    const storages = await Promise.all(Array.from({ length: count }, () => openStorage(url)))
    t.teardown(async () => { for (const storage of storages) await storage.close() })
    const { store } = storages[0]!
    await Promise.all(storages.flatMap(each => [1, 2, 3].map(() => seedOperators(each.store, () => now))))
    const members = async () => (await store.members.page({ limit: 10, after: null }, {})).items
    const [owner, ...others] = await members()
    t.match(owner, { organizationId: operatorsId, role: 'owner', operator: true })
    t.strictSame(others, [])
    t.match((await store.organizations.page({ limit: 10, after: null }, {})).items.map(({ id }) => id), [operatorsId])
    await store.members.update({ ...owner!, removedAt: now })
    await seedOperators(store, () => now)
    t.match(await members(), [{ id: owner!.id, removedAt: now }], 'who was removed does not come back')
  })
}
