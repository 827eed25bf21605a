/** The parts of `npm run mutate`: the list of tests, the draw, and the names in its entries. */
/* eslint no-template-curly-in-string: "off" -- Titles are as in the sources. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import tap from 'tap'
import { locate } from './breaks.ts'
import { draw, nameOf, titledTests } from './titles.ts'

const some = Array.from({ length: 300 }, (_, i) => ({ file: 'test/a.test.ts', title: `test ${i}`, around: [] }))

tap.test('the innermost titled blocks are the tests, with the titles around them', async t => {
  const root = mkdtempSync(join(tmpdir(), 'latchkey-titles-'))
  t.teardown(() => { rmSync(root, { recursive: true }) })
  mkdirSync(join(root, 'test'))
  writeFileSync(join(root, 'test', 'some.test.ts'), [
    'const test = (title: string, body: () => void) => tap.test(`${title} [${name}]`, body)',
    "tap.test('outer', async t => { t.test(`inner [${name}]`, async () => {}) })",
    "test('by a wrapper', () => { t.ok(/a/.test('a')) })",
  ].join('\n'))
  t.strictSame(titledTests(root), [
    { file: 'test/some.test.ts', title: 'inner [${name}]', around: ['outer'] },
    { file: 'test/some.test.ts', title: 'by a wrapper', around: [] },
  ])
})

tap.test('a title with placeholders is the name of what they are filled in with, and of nothing else', async t => {
  const name = nameOf('${id}: passes (all) [${name}]')
  for (const each of ['A1: passes (all) [sqlite]', ': passes (all) []']) t.ok(name.test(each), each)
  const others = ['A1: passes all [sqlite]', 'A1: passes (all)', 'A1: passes (all) [sqlite], and more']
  for (const each of others) t.notOk(name.test(each), each)
  for (const each of ['passes [postgresql]', '[sqlite] passes']) t.ok(nameOf('passes').test(each), 'by a wrapper')
})

tap.test('a draw is another one by another seed, and stays when tests are moved or added, but for those that come in', async t => {
  const how = { seed: '1', size: 100 }
  const drawn = draw(some, how)
  t.equal(new Set(drawn).size, 100)
  t.strictSame(draw(some.toReversed(), how), drawn)
  t.notSame(draw(some, { ...how, seed: '2' }), drawn)
  const titles = (tests: ReturnType<typeof draw>) => tests.map(({ title }) => title)
  t.strictSame(titles(draw(some.map(test => ({ ...test, file: 'test/b.test.ts' })), how)), titles(drawn))
  const added = Array.from({ length: 3 }, (_, i) => ({ file: 'test/c.test.ts', title: `new ${i}`, around: [] }))
  const more = draw([...some, ...added], how)
  t.ok(drawn.filter(test => more.includes(test)).length >= 97)
})

tap.test('an entry is refused that names no test, or a text that is not there once', async t => {
  const [test] = some
  const sources = new Map([['src/a.ts', 'one two two'], ['src/b.ts', 'three']])
  const entry = (find: string, title = 'test 0') => locate({ title, find, replace: 'x' }, some, sources)
  t.strictSame(entry('three'), { ...test, find: 'three', replace: 'x', source: 'src/b.ts' })
  t.match(entry('three', 'gone'), /no test has this title/)
  t.match(entry('two'), /occurs 2 times instead of once \(src\/a\.ts\)/)
  t.match(entry('four'), /occurs 0 times instead of once/)
  t.match(entry('x'), /0 times/)
  t.match(locate({ title: 'test 0', find: 'three', replace: 'three' }, some, sources), /by the same/)
})
