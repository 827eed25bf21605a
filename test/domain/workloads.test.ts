/** Conditions of rules: paths with dots and slashes, exact texts, and prefixes that cross no separator. */
import tap from 'tap'
import {
  holdsAll, problemOfClaim, requireConditions, textAt, type ClaimCondition
} from '../../src/domain/workloads/claim-match.ts'
import { presetNames, presets } from '../../src/domain/workloads/presets.ts'

const prod = { claim: '/sub', value: 'system:serviceaccount:prod:*', separators: [':'] } as const
const branch = {
  claim: '/sub', value: 'repo:acme/app:ref:refs/heads/*', separators: [':', '/']
} as const

tap.test('a path is a JSON Pointer, so that names of claims may have dots and slashes', async t => {
  const claims = {
    'kubernetes.io': { namespace: 'prod', serviceaccount: { uid: 'u' } },
    'https://sts.amazonaws.com/': { aws_account: '123' },
    'a~b': 'tilde',
    '': 'empty',
    groups: ['a'],
    protected: true,
    id: 7,
    half: 0.5,
    nothing: null,
  }
  const found: Record<string, string | null> = {
    '/kubernetes.io/namespace': 'prod',
    '/kubernetes.io/serviceaccount/uid': 'u',
    '/https:~1~1sts.amazonaws.com~1/aws_account': '123',
    '/a~0b': 'tilde',
    '/protected': 'true',
    '/id': '7',
    '/half': null,
    '/groups': null,
    '/groups/0': null,
    '/nothing': null,
    '/kubernetes.io': null,
    '/kubernetes/io/namespace': null,
    '/missing': null,
    '/constructor/name': null,
    '/__proto__': null,
  }
  for (const [path, value] of Object.entries(found)) t.equal(textAt(claims, path), value, path)
})

tap.test('a value is the whole text, or a beginning up to a separator and one segment', async t => {
  const taken: [ClaimCondition, string][] = [
    [prod, 'system:serviceaccount:prod:web'],
    [{ claim: '/sub', value: 'a*' }, 'a*'],
    [branch, 'repo:acme/app:ref:refs/heads/main'],
    [{ ...branch, separators: [':'] }, 'repo:acme/app:ref:refs/heads/feature/x'],
  ]
  for (const [condition, sub] of taken) t.equal(problemOfClaim(condition, { sub }), null, sub)
  const refused: [ClaimCondition, unknown][] = [
    [prod, 'system:serviceaccount:prod:'],
    [prod, 'system:serviceaccount:prod:x:y'],
    [prod, 'system:serviceaccount:production:web'],
    [prod, 'system:serviceaccount:prod'],
    [prod, 'xsystem:serviceaccount:prod:web'],
    [prod, ['system:serviceaccount:prod:web']],
    [prod, undefined],
    [branch, 'repo:acme/app:ref:refs/heads/feature/x'],
    [branch, 'repo:acme/app:ref:refs/heads/main:x'],
    [{ claim: '/sub', value: 'a*' }, 'ab'],
    [{ claim: '/sub', value: 'web' }, 'WEB'],
  ]
  for (const [condition, sub] of refused) {
    t.type(problemOfClaim(condition, { sub }), 'string', JSON.stringify(sub))
    t.notOk(holdsAll([condition], { sub }))
  }
  t.notOk(holdsAll([], { sub: 'x' }), 'no condition is none that holds')
})

tap.test('what says nothing, or only what tenants choose, is no rule', async t => {
  const anchors = presets['github-actions'].anchors
  const anchor = { claim: '/repository_id', value: '1' }
  t.same(requireConditions([anchor, { claim: '/ref', value: 'refs/heads/*', separators: ['/', ':'] }], anchors), [
    anchor, { claim: '/ref', value: 'refs/heads/*', separators: [':', '/'] }
  ])
  const wrong: ClaimCondition[][] = [
    [{ claim: '/sub', value: 'repo:acme/app' }],
    [],
    [anchor, { claim: '/ref', value: '*' }],
    [anchor, { claim: '/ref', value: '*', separators: ['/'] }],
    [anchor, { claim: '/ref', value: ':*', separators: [':'] }].slice(0, 1).concat({
      claim: '/ref', value: 'refs*', separators: ['/']
    }),
    [anchor, { claim: '/ref', value: 'refs/*/main', separators: ['/'] }],
    [anchor, { claim: '/ref', value: 'refs/**', separators: ['/'] }],
    [anchor, { claim: '/ref', value: 'refs:*', separators: ['/'] }],
    [anchor, { claim: '/ref', value: 'refs/*', separators: [] }],
    [anchor, { claim: '/ref', value: '' }],
    [anchor, { claim: 'ref', value: 'x' }],
    [anchor, { claim: '/re~f', value: 'x' }],
    [anchor, { claim: '/', value: 'x' }],
    [anchor, { claim: '/ref', value: 'a\nb' }],
    [anchor, anchor],
  ]
  for (const conditions of wrong) {
    t.throws(() => requireConditions(conditions, anchors), { code: 'invalid_request' }, JSON.stringify(conditions))
  }
})

tap.test('no preset anchors a rule on a name that can be registered again', async t => {
  for (const name of ['github-actions', 'gitlab'] as const) t.notOk(presets[name].anchors.includes('/sub'), name)
  for (const name of presetNames) {
    t.ok(presets[name].anchors.length > 0 && presets[name].algorithms.every(each => !each.startsWith('HS')), name)
  }
})
