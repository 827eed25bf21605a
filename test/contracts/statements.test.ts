/** Every statement has a passing test or a reason why it is missing; the printed list claims no more. */
import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import tap from 'tap'
import { statements, systems } from './statements.ts'

const root = resolve(import.meta.dirname, '../..')
const counts = { LB: 24, CL: 15, CK: 15, CD: 13, OC: 20, LK: 14 }
const own = readdirSync(import.meta.dirname).filter(name => name.endsWith('.test.ts') && name !== 'statements.test.ts')
const textOf = (files: readonly string[]) => files.map(file => readFileSync(join(root, file), 'utf8')).join('\n')
const contracts = textOf(own.map(name => join('test/contracts', name)))

tap.test('every statement of every system is listed, once and in order', async t => {
  t.strictSame(Object.keys(systems), Object.keys(counts))
  const expected = Object.entries(counts).flatMap(
    ([letters, count]) => Array.from({ length: count }, (_, i) => `${letters}-${String(i + 1).padStart(2, '0')}`)
  )
  t.strictSame(statements.map(({ id }) => id), expected)
})

tap.test('a statement has a test or a reason, and not both', async t => {
  for (const { id, missing, test } of statements) {
    const shown = (test === null ? contracts : textOf([test])).includes(id)
    t.equal(
      shown,
      missing === null,
      missing === null ? `${id} is in front of a title` : `${id} is missing, and no title names it`
    )
  }
})
