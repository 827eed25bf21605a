/** The summary of coverage: lines by function, and the list of what may stay uncovered. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import tap from 'tap'
import { compare, readAccepted } from '../../scripts/coverage/accepted.ts'
import { codeLines } from '../../scripts/coverage/code-lines.ts'
import { summaryOf } from '../../scripts/coverage/report.ts'

tap.test('lines of code belong to the function around them', async t => {
  const source = [
    "import type { A } from './a.ts'",
    '// a comment',
    'const limit = 5',
    'interface B { b: number }',
    'export function outer () {',
    '  const inner = () => {',
    '    return limit',
    '  }',
    '  return [1].map(number => {',
    '    return number + inner()',
    '  })',
    '}',
    'class Box {',
    '  constructor () {',
    '    this.open()',
    '  }',
    '  open () {',
    '    return 1',
    '  }',
    '}'
  ].join('\n')
  t.strictSame([...codeLines(source)], [
    [3, '(top level)'], [5, 'outer'], [6, 'outer'], [7, 'outer.inner'], [9, 'outer'], [10, 'outer'],
    [13, 'Box'], [14, 'Box.constructor'], [15, 'Box.constructor'], [17, 'Box.open'], [18, 'Box.open']
  ])
})

tap.test('a source of types has no lines of code', async t => {
  t.equal(codeLines("import type { A } from './a.ts'\nexport interface B { a: A }\nexport type C = B[]\n").size, 0)
})

tap.test('what is not in the list is added, what is covered may leave it', async t => {
  const accepted = readAccepted('# functions\nsrc/a.ts known: never fails here\nsrc/a.ts gone: covered since\n')
  t.equal(accepted.get('src/a.ts known'), 'never fails here')
  const known = { place: 'src/a.ts known', lines: [3] }
  const fresh = { place: 'src/b.ts fresh', lines: [1, 2] }
  t.strictSame(compare([known, fresh], accepted), { added: [fresh], covered: ['src/a.ts gone'] })
})

tap.test('an entry of the list has a reason', async t => {
  t.throws(() => readAccepted('src/a.ts known\n'), /src\/a\.ts known/)
  const list = readFileSync(join(import.meta.dirname, '..', 'uncovered.txt'), 'utf8')
  t.doesNotThrow(() => readAccepted(list))
})

tap.test('the summary has one decimal place', async t => {
  const coverage = { lines: { covered: 2, all: 3 }, branches: { covered: 1, all: 8 }, uncovered: [] }
  t.equal(summaryOf(coverage), 'coverage: 66.7 % of lines, 12.5 % of branches in src/')
})
