/** Who does not get in by a provider: an invitation, a domain and a trust give no more than their author has. */
import tap from 'tap'
import { asPerson, createPerson } from '../support/people.ts'
import { withPartnerKey } from '../support/partners.ts'
import { startJourney } from '../support/provider-journey.ts'

const journey = await startJourney()
tap.teardown(journey.close)
const { server, create, signIn, me, trusting } = journey

const verified = (sub: string) => ({ sub, email: `${sub}@acme.example`, email_verified: true })

tap.test('an invitation links a member only while the inviter may do what the member may do', async t => {
  const organization = await trusting()
  const admin = asPerson(server, await createPerson(server, { organization, role: 'admin' }))
  const raised = await create('/members', { organization, name: 'R', role: 'viewer', email: 'raised@acme.example' })
  t.equal((await admin('POST', '/invitations', { organization, member: raised.id })).status, 201)
  t.equal((await server.admin('PATCH', `/members/${raised.id}`, { role: 'owner' })).status, 200)
  t.equal((await signIn(verified('raised'))).status, 403, 'the admin invites no owner')
  await create('/invitations', { organization, member: raised.id })
  const again = await signIn(verified('raised'))
  t.match((await me(again.browser)).json.member, { id: raised.id, role: 'owner' })
})

tap.test('an invitation of an operator is void once they are none any more', async t => {
  const organization = await trusting()
  const operator = await createPerson(server, { organization: 'org_operators', operator: true })
  const invited = await asPerson(server, operator)('POST', '/invitations', {
    organization, email: 'late@acme.example', role: 'viewer'
  })
  t.equal(invited.status, 201, invited.text)
  await server.admin('PATCH', `/members/${operator.id}`, { operator: false })
  t.equal((await signIn(verified('late'))).status, 403)
})

tap.test('an invitation of a member ends with the e-mail that it is for', async t => {
  const organization = await trusting()
  const member = await create('/members', { organization, name: 'M', role: 'member', email: 'former@acme.example' })
  await create('/invitations', { organization, member: member.id })
  await server.admin('PATCH', `/members/${member.id}`, { email: 'present@acme.example' })
  t.equal((await signIn(verified('former'))).status, 403)
  await create('/invitations', { organization, member: member.id })
  const inside = await signIn(verified('present'))
  t.equal((await me(inside.browser)).json.member.id, member.id)
})

tap.test('an invitation gives no group that has become more than the inviter is', async t => {
  const organization = await trusting()
  const group = await create('/groups', { organization, name: 'Crew', scopes: [] })
  const limited = await createPerson(server, { organization, role: 'member', scopes: ['invitations:*', '*:read'] })
  const answer = await asPerson(server, limited)('POST', '/invitations', {
    organization, email: 'crew@acme.example', role: 'viewer', groups: [group.id]
  })
  t.equal(answer.status, 201, answer.text)
  const changed = await server.admin('PATCH', `/groups/${group.id}`, { scopes: ['policies:write'] })
  t.equal(changed.status, 200, changed.text)
  t.equal((await signIn(verified('crew'))).status, 403)
  await server.admin('DELETE', `/groups/${group.id}`)
  t.equal((await signIn(verified('crew'))).status, 200, 'a group that was deleted gives nothing')
})

tap.test('a removed member does not join again by an e-mail domain; an invitation lets them in', async t => {
  const organization = await trusting({ joinsAs: 'viewer' })
  await create('/email-domains', { organization, domain: 'left.example' })
  const person = { sub: 'left', email: 'left@left.example', email_verified: true }
  const joined = (await me((await signIn(person)).browser)).json.member
  t.equal(joined.organization, organization)
  t.equal((await server.admin('POST', `/members/${joined.id}/remove`)).status, 200)
  t.equal((await signIn(person)).status, 403)
  await create('/invitations', { organization, email: 'left@left.example', role: 'viewer' })
  t.not((await me((await signIn(person)).browser)).json.member.id, joined.id)
})

tap.test('a key that works from one network alone lets no domain join, whose people come from everywhere', async t => {
  const { id: organization } = await create('/organizations', { name: 'Acme' })
  const key = await create('/api-keys', {
    organization,
    resource: `${server.issuer}/api/v1`,
    environment: 'live',
    name: 'k',
    scopes: ['*'],
    allowlist: ['127.0.0.1']
  })
  const call = withPartnerKey(server, key)
  t.match(await call('POST', '/trusted-providers', { organization, provider: 'up', joinsAs: 'viewer' }), {
    status: 403, json: { code: 'INSUFFICIENT_PERMISSIONS' }
  })
  const trusted = await call('POST', '/trusted-providers', { organization, provider: 'up' })
  t.equal(trusted.status, 201, trusted.text)
  t.equal((await call('PATCH', `/trusted-providers/${trusted.json.id}`, { joinsAs: 'viewer' })).status, 403)
})

tap.test('a name of the provider that the management API would refuse is no member\'s name', async t => {
  const organization = await trusting()
  for (const [i, name] of ['Ada\u0000', 'Ada\u001b[31m', 'Ada\u202egnp', ' ', 'A'.repeat(201)].entries()) {
    const person = verified(`named-${i}`)
    await create('/invitations', { organization, email: person.email, role: 'viewer' })
    const { browser } = await signIn({ ...person, name })
    t.equal((await me(browser)).json.member.name, person.email, JSON.stringify(name.slice(0, 8)))
  }
})
