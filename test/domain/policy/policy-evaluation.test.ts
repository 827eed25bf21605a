/** The evaluation of policies: a table of the rule, and properties that hold for every set of policies. */
import fc from 'fast-check'
import tap from 'tap'
import { addressClasses, isAllowed } from '../../../src/base/ip-address.ts'
import { coverage, covers } from '../../../src/domain/resources/scope.ts'
import {
  credentialKinds, readConditions, type Policy, type PolicyConditions
} from '../../../src/domain/policy/policy.ts'
import {
  boundTo, compilePolicies, isEmpty, evaluate, type Circumstances, type Subject
} from '../../../src/domain/policy/policy-evaluation.ts'
import { compileWindow, type TimeWindow } from '../../../src/domain/policy/time-window.ts'
import { leastTime } from '../../support/waiting.ts'

const monday = new Date('2027-02-01T12:00:00Z')
const subject: Subject = { kind: 'api_key', organizationId: 'org_a', groups: ['grp_a'], resourceId: 'res_a' }
const here: Circumstances = { address: '10.0.0.1', now: monday }
const held = ['invoices:read', 'invoices:write', 'portal']

let made = 0
const policy = (
  effect: Policy['effect'], conditions: PolicyConditions | null = {}, more: Partial<Policy> = {}
): Policy => ({
  id: `pol_${++made}`,
  organizationId: null,
  name: 'x',
  description: null,
  effect,
  enabled: true,
  conditions,
  createdBy: 'admin',
  createdAt: monday,
  updatedAt: monday,
  revision: 1,
  ...more
})
const deny = (conditions?: PolicyConditions | null) => policy('deny', conditions)
const allow = (conditions?: PolicyConditions | null) => policy('allow', conditions)
const left = (owners: Policy[][], to: Partial<Subject> = {}, at: Partial<Circumstances> = {}) => {
  const { refusedBy, scopes } = evaluate(owners.map(compilePolicies), { ...subject, ...to }, held, { ...here, ...at })
  return refusedBy === null ? scopes : 'refused'
}

const reads = ['invoices:read']
const table: [string, Policy[][], readonly string[] | 'refused'][] = [
  ['no policy at all', [], held],
  ['none of this owner', [[], []], held],
  ['a deny without conditions', [[deny()]], 'refused'],
  ['a disabled deny', [[policy('deny', {}, { enabled: false })]], held],
  ['a deny of a scope', [[deny({ scopes: ['invoices:write'] })]], ['invoices:read', 'portal']],
  ['a deny of a pattern', [[deny({ scopes: ['invoices:*'] })]], ['portal']],
  ['a deny of every scope leaves the request', [[deny({ scopes: ['*'] })]], []],
  ['a deny about another kind', [[deny({ kinds: ['session'] })]], held],
  ['a deny about another resource', [[deny({ resources: ['res_b'] })]], held],
  ['a deny about another organization', [[deny({ organizations: ['org_b'] })]], held],
  ['a deny about another group', [[deny({ groups: ['grp_b'] })]], held],
  ['a deny about one of several groups', [[deny({ groups: ['grp_b', 'grp_a'] })]], 'refused'],
  ['all conditions have to hold', [[deny({ kinds: ['api_key'], addresses: ['192.0.2.0/24'] })]], held],
  ['a deny from here', [[deny({ addresses: ['10.0.0.0/8'] })]], 'refused'],
  ['a deny now', [[deny({ times: { days: ['mon'] } })]], 'refused'],
  ['a deny at another time', [[deny({ times: { days: ['tue'] } })]], held],
  ['an allow without conditions', [[allow()]], held],
  ['an allow of a scope', [[allow({ scopes: reads })]], reads],
  ['allows add up', [[allow({ scopes: reads }), allow({ scopes: ['portal'] })]], ['invoices:read', 'portal']],
  ['an allow about somebody else says nothing', [[allow({ kinds: ['session'], scopes: reads })]], held],
  ['an allow for another resource says nothing', [[allow({ resources: ['res_b'] })]], held],
  ['an allow from elsewhere', [[allow({ addresses: ['192.0.2.0/24'] })]], 'refused'],
  ['an allow at another time', [[allow({ times: { days: ['tue'] } })]], 'refused'],
  ['one allow that holds will do', [[allow({ addresses: ['192.0.2.0/24'] }), allow({ scopes: reads })]], reads],
  ['deny wins over allow', [[allow(), deny({ scopes: ['invoices:write'] })]], ['invoices:read', 'portal']],
  ['whichever was first', [[deny(), allow()]], 'refused'],
  ['each owner has to let it pass', [[allow({ scopes: reads })], [allow({ scopes: ['portal'] })]], []],
  ['an allow of one owner does not undo a deny of another', [[deny({ scopes: ['portal'] })], [allow()]], [
    'invoices:read', 'invoices:write'
  ]],
  [
    'an allow of one owner does not stand in for one of another', [[allow({ addresses: ['192.0.2.0/24'] })], [allow()]],
    'refused'
  ],
  ['conditions that cannot be read', [[deny(null)]], 'refused'],
  ['an allow that cannot be read', [[allow(null)]], 'refused'],
  ['an allow that cannot be read beside one that can', [[allow(), allow(null)]], 'refused'],
  ['a disabled one that cannot be read', [[policy('allow', null, { enabled: false })]], held],
  ['a window that cannot be read', [[allow({ times: { days: ['mon'], zone: 'Mars/Olympus' } })]], 'refused'],
]
for (const [what, owners, expected] of table) {
  tap.test(`weighed: ${what}`, async t => {
    t.strictSame(left(owners), expected)
  })
}

tap.test('an address that is not known refuses, unless what could pass is asked for', async t => {
  const unknown = { address: null }
  t.equal(left([[deny({ addresses: ['192.0.2.0/24'] })]], {}, unknown), 'refused')
  t.equal(left([[allow({ addresses: ['10.0.0.0/8'] })]], {}, unknown), 'refused')
  const most = (effect: Policy['effect'], conditions: PolicyConditions, at: Circumstances) =>
    evaluate([compilePolicies([policy(effect, conditions)])], subject, held, at, 'passes').scopes
  t.strictSame(most('deny', { addresses: ['192.0.2.0/24'] }, { address: null, now: monday }), held)
  const over = { times: { until: '2027-01-01T00:00:00Z' } }
  t.strictSame(left([[deny(over)]], {}, { anyTime: true }), held, 'what is over holds at no time to come')
  t.equal(left([[deny({ times: { days: ['tue'] } })]], {}, { anyTime: true }), 'refused')
  t.strictSame(most('deny', { times: { days: ['tue'] } }, { ...here, anyTime: true }), held)
})

tap.test('the policy that took something away is named', async t => {
  const [all, write] = [deny(), deny({ scopes: ['invoices:write'] })]
  t.equal(evaluate([compilePolicies([write, all])], subject, held, here).refusedBy, all.id)
  t.strictSame([...evaluate([compilePolicies([write])], subject, held, here).withheld], [['invoices:write', write.id]])
  t.ok(isEmpty(compilePolicies([policy('deny', {}, { enabled: false })])))
})

const scope = fc.constantFrom(...held)
const conditions: fc.Arbitrary<PolicyConditions> = fc.record({
  kinds: fc.subarray([...credentialKinds], { minLength: 1 }),
  groups: fc.subarray(['grp_a', 'grp_b'], { minLength: 1 }),
  resources: fc.subarray(['res_a', 'res_b'], { minLength: 1 }),
  organizations: fc.subarray(['org_a', 'org_b'], { minLength: 1 }),
  scopes: fc.subarray(['invoices:*', '*:read', 'portal', '*'], { minLength: 1 }),
  addresses: fc.subarray(['10.0.0.0/8', '192.0.2.0/24', '::/0'], { minLength: 1 }),
  times: fc.constantFrom<TimeWindow>({ days: ['mon'] }, { hours: { from: '22:00', until: '06:00' } }, {
    until: '2027-02-01T00:00:00Z'
  })
}, { requiredKeys: [] })
const names = ['kinds', 'groups', 'resources', 'organizations', 'scopes', 'addresses', 'times'] as const
/** Two policies with many conditions hardly ever match the same request. */
const few = fc.tuple(conditions, fc.subarray([...names], { maxLength: 2 }))
  .map(([given, kept]): PolicyConditions =>
    Object.fromEntries(Object.entries(given).filter(([name]) => kept.some(each => each === name)))
  )
const anyPolicy = fc.record({
  effect: fc.constantFrom('allow' as const, 'deny' as const),
  enabled: fc.boolean(),
  conditions: fc.option(fc.oneof({ arbitrary: few, weight: 3 }, conditions), { freq: 20 })
})
  .map(({ effect, enabled, conditions }) => policy(effect, conditions, { enabled }))
const anySet = fc.array(anyPolicy, { maxLength: 5 })
const anySubject = fc.record({
  kind: fc.constantFrom(...credentialKinds),
  organizationId: fc.constantFrom('org_a', 'org_b', null),
  groups: fc.subarray(['grp_a', 'grp_b']),
  resourceId: fc.constantFrom('res_a', 'res_b')
})
const anywhere = fc.record({
  address: fc.constantFrom('10.0.0.1', '192.0.2.7', '203.0.113.1', '2001:db8::1'),
  now: fc.constantFrom(monday, new Date('2027-02-02T23:00:00Z'))
})

/** The rule of docs/policies.md once more, in the words of the document and without optimization. */
function byTheDocument (
  owners: readonly Policy[][], who: Subject, wanted: string, { address, now }: Circumstances
): boolean {
  const includes = <T>(list: readonly T[] | undefined, ...any: (T | null)[]) =>
    list === undefined || any.some(each => each !== null && list.includes(each))
  const about = ({ conditions: c }: Policy) =>
    c === null ||
    (includes(c.kinds, who.kind) && includes(c.organizations, who.organizationId) &&
      includes(c.resources, who.resourceId) && includes(c.groups, ...who.groups!))
  const applies = ({ conditions: c }: Policy) =>
    c === null ||
    ((c.addresses === undefined || isAllowed(address!, c.addresses)) &&
      (c.times === undefined || compileWindow(c.times).contains(now)))
  const covered = ({ conditions: c }: Policy) =>
    c?.scopes === undefined || c.scopes.some(pattern => covers(pattern, wanted))
  return owners.every(policies => {
    const inForce = policies.filter(each => each.enabled && about(each))
    const denies = inForce.filter(each => each.effect === 'deny' || each.conditions === null)
    const allows = inForce.filter(each => !denies.includes(each))
    return !denies.some(each => applies(each) && covered(each)) &&
      (allows.length === 0 || allows.some(each => applies(each) && covered(each)))
  })
}

tap.test('for every set of policies: a scope is left exactly when the rule of the document says so', async () => {
  fc.assert(
    fc.property(
      fc.array(anySet, { maxLength: 3 }),
      anySubject,
      anywhere,
      scope,
      (owners, who, circumstances, wanted) => {
        const { scopes } = evaluate(owners.map(compilePolicies), who, held, circumstances)
        return scopes.includes(wanted) === byTheDocument(owners, who, wanted, circumstances)
      }
    ),
    { numRuns: 3_000 }
  )
})

tap.test('for every set of policies: nothing is ever added, a further deny never gives, and order does not matter', async () => {
  fc.assert(
    fc.property(anySet, anyPolicy, anySubject, anywhere, (policies, more, who, circumstances) => {
      const leaves = (set: Policy[]) => evaluate([compilePolicies(set)], who, held, circumstances).scopes
      const before = leaves(policies)
      const after = leaves([...policies, { ...more, effect: 'deny' }])
      const reversed = leaves([...policies].reverse())
      return before.every(each => held.includes(each)) && after.every(each => before.includes(each)) &&
        before.join() === reversed.join()
    }),
    { numRuns: 2_000 }
  )
})

tap.test('for every set of policies: what doubt refuses is refused wherever it is, what doubt passes passes only what could', async () => {
  fc.assert(fc.property(anySet, anySubject, anywhere, (policies, who, circumstances) => {
    const set = [compilePolicies(policies)]
    const unknown = { address: null, now: new Date('2027-01-30T00:00:00Z'), anyTime: true }
    const exact = evaluate(set, who, held, circumstances).scopes
    const least = evaluate(set, who, held, unknown, 'refuses').scopes
    const most = evaluate(set, who, held, unknown, 'passes').scopes
    return least.every(each => exact.includes(each)) && exact.every(each => most.includes(each))
  }), { numRuns: 2_000 })
})

tap.test('for every set of policies: what is bound to a subject judges its requests as all of the set does', async t => {
  const who = fc.record({
    kind: fc.constantFrom(...credentialKinds),
    organizationId: fc.constantFrom('org_a', 'org_b', null),
    groups: fc.option(fc.subarray(['grp_a', 'grp_b'])),
    resourceId: fc.constantFrom('res_a', 'res_b', null)
  })
  fc.assert(fc.property(fc.array(anySet, { maxLength: 3 }), who, anywhere, (owners, who, circumstances) => {
    const sets = owners.map(policies => compilePolicies(policies))
    const bound = sets.map(set => compilePolicies(
      boundTo(set, who).map((each, i) => ({ ...each, id: `${i}`, enabled: true }))
    ))
    const [whole, part] = [sets, bound].map(each => evaluate(each, who, held, circumstances))
    return (whole!.refusedBy === null) === (part!.refusedBy === null) && whole!.scopes.join() === part!.scopes.join()
  }), { numRuns: 3_000 })
  const told = boundTo(compilePolicies([
    deny({ organizations: ['org_a', 'org_b'], kinds: ['api_key'], groups: ['grp_a', 'grp_b'], scopes: reads }),
    deny({ organizations: ['org_b'] }),
    policy('deny', {}, { enabled: false })
  ]), subject)
  t.strictSame(told, [{ effect: 'deny', conditions: { scopes: reads } }])
})

/** Unknown facts, each in all its representations. */
const untold = fc.record({
  groups: fc.constant(null),
  resourceId: fc.constant(null),
  address: fc.constantFrom(
    null, undefined as never, '', 'unknown', '10.0.0.1:80', '[2001:db8::1]', 'fe80::1%eth0', '010.0.0.1'
  ),
  now: fc.constant(new Date(NaN))
}, { requiredKeys: [] })

tap.test('N13: for every set of policies: a fact that cannot be told refuses all that any value of it would, and passes no more', async () => {
  fc.assert(
    fc.property(
      fc.array(anySet, { maxLength: 3 }),
      anySubject,
      anywhere,
      untold,
      (owners, who, circumstances, lost) => {
        const sets = owners.map(compilePolicies)
        const exact = evaluate(sets, who, held, circumstances).scopes
        const { groups = who.groups, resourceId = who.resourceId, ...rest } = lost
        const told = [sets, { ...who, groups, resourceId }, held, { ...circumstances, ...rest }] as const
        return evaluate(...told).scopes.every(each => exact.includes(each)) &&
          exact.every(each => evaluate(...told, 'passes').scopes.includes(each))
      }
    ),
    { numRuns: 5_000 }
  )
})

const nowhere = new Date(NaN)
const doubtful: [string, Policy[][], Partial<Subject>, Partial<Circumstances>, readonly string[] | 'refused'][] = [
  [
    'a deny about a group of a member that is not there', [[deny({ groups: ['grp_b'] })]], { groups: null }, {},
    'refused'
  ],
  ['an allow about one', [[allow({ groups: ['grp_a'] })]], { groups: null }, {}, 'refused'],
  [
    'beside an allow that is about the credential', [[allow({ groups: ['grp_b'] }), allow({ scopes: reads })]],
    { groups: null }, {}, reads
  ],
  [
    'a deny about another kind, whatever the groups', [[deny({ groups: ['grp_b'], kinds: ['session'] })]],
    { groups: null }, {}, held
  ],
  [
    'a deny for a resource that cannot be told', [[deny({ resources: ['res_b'] })]], { resourceId: null }, {}, 'refused'
  ],
  ['a deny at a time that cannot be told', [[deny({ times: { days: ['tue'] } })]], {}, { now: nowhere }, 'refused'],
  ['an allow at a time that cannot be told', [[allow({ times: { days: ['mon'] } })]], {}, { now: nowhere }, 'refused'],
  [
    'a deny at another time, whatever the address', [[deny({ times: { days: ['tue'] }, addresses: ['192.0.2.0/24'] })]],
    {}, { address: 'unknown' }, held
  ],
  ['a deny from everywhere', [[deny({ addresses: ['0.0.0.0/0'] })]], {}, { address: 'unknown' }, 'refused'],
  ['an allow from everywhere', [[allow({ addresses: ['0.0.0.0/0', '::/0'] })]], {}, { address: 'unknown' }, 'refused'],
]
for (const [what, owners, to, at, expected] of doubtful) {
  tap.test(`N13: weighed in doubt: ${what}`, async t => {
    t.strictSame(left(owners, to, at), expected)
  })
}

tap.test('stored conditions are read back, and anything else is not read at all', async t => {
  fc.assert(
    fc.property(conditions, given =>
      JSON.stringify(readConditions(JSON.parse(JSON.stringify(given)))) === JSON.stringify(given))
  )
  fc.assert(fc.property(conditions, fc.string(), fc.jsonValue(), (given, name, value) => {
    if (['organizations', 'groups', 'kinds', 'resources', 'scopes', 'addresses', 'times'].includes(name)) return true
    return readConditions({
      ...JSON.parse(JSON.stringify(given)), ...JSON.parse(`{${JSON.stringify(name)}:${JSON.stringify(value)}}`)
    }) === null
  }))
  for (
    const wrong of [
      null, [], 'x', 1, { kinds: 'api_key' }, { kinds: [] }, { kinds: [1] }, { scopes: ['a b'] }, { addresses: ['x'] },
      { times: [] }, { times: {} }, { times: { days: ['mon'], moon: 'full' } }, { times: { hours: { from: '09:00' } } },
      { times: { from: 1 } }
    ]
  ) {
    t.equal(readConditions(wrong), null, JSON.stringify(wrong))
  }
})

tap.test('of all addresses that the same lists hold there is one, and none of others', async t => {
  const lists = [
    ['10.0.0.0/8', '2001:db8::/32'], ['10.1.0.0/16', '10.1.2.0/24', '::/0'], ['0.0.0.0/0'], ['nonsense'], []
  ]
  const holding = (address: string) => lists.map(list => list.length > 0 && isAllowed(address, list)).join()
  const classes = addressClasses(lists)
  const samples = [
    '9.255.255.255', '10.0.0.0', '10.1.0.0', '10.1.2.0', '11.0.0.0', '::', '2001:db8::', '2001:db9::'
  ]
  t.equal(new Set(classes.map(holding)).size, classes.length, 'each once')
  t.strictSame(new Set(classes.map(holding)), new Set(samples.map(holding)), 'and all there are')
  t.equal(
    addressClasses(Array.from({ length: 50 }, (_, i) => Array.from({ length: 100 }, (_, j) => `10.${i}.${j}.1`)))
      .length,
    51,
    'however many ranges make a list'
  )
  t.equal(addressClasses([]).length, 1)
})

tap.test('patterns cover together what one of them covers', async t => {
  const part = fc.constantFrom('a', 'b', '*', 'a:b', '')
  const name = fc.oneof(part, fc.tuple(part, part).map(([type, action]) => `${type}:${action}`))
  fc.assert(
    fc.property(fc.array(name, { maxLength: 4 }), name, (patterns, scope) =>
      coverage(patterns)(scope) === patterns.some(pattern =>
        covers(pattern, scope)
      )),
    { numRuns: 2_000 }
  )
})

tap.test('how long weighing takes does not grow with the patterns of a policy', async t => {
  const scopes = Array.from({ length: 100 }, (_, i) => `kind${i}:read`)
  const weighed = (patterns: number) => {
    const sets = [
      compilePolicies(Array.from({ length: 20 }, (_, i) =>
        deny({
          scopes: Array.from({ length: patterns }, (_, j) => `type${j}:${i}`)
        })))
    ]
    return leastTime(40, () => evaluate(sets, subject, scopes, here))
  }
  weighed(10)
  const [few, many] = [weighed(10), weighed(200)]
  t.ok(many < few * 6, `${few} and ${many} ms for twenty times as many`)
})
