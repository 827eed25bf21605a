import tap from 'tap'
import { limitsText } from '../../src/cli/flags/limit-flags.ts'
import { fieldLines, instant, tableLines, words } from '../../src/cli/print.ts'

tap.test('fields are aligned, what is missing is left out', async t => {
  t.equal(
    fieldLines([['id', 'a'], ['revoked', null], ['uses left', 0], ['reason', undefined]]),
    'id         a\nuses left  0\n'
  )
})

tap.test('tables are aligned and show a dash for what is missing', async t => {
  t.equal(tableLines(['ID', 'NAME'], [['a', 'long name'], ['bcd', null]]), 'ID   NAME\na    long name\nbcd  -\n')
})

tap.test('nothing in a name can steer a terminal or turn the text around', async t => {
  const name = 'a\u001b[2Jb\u0007c\u202ed\u2066e\u2028f\u200bg\nh'
  t.equal(fieldLines([['name', name]]), 'name  a\\u{1b}[2Jb\\u{7}c\\u{202e}d\\u{2066}e\\u{2028}f\\u{200b}g\\u{a}h\n')
  t.equal(tableLines(['NAME'], [['x\ry']]), 'NAME\nx\\u{d}y\n')
  t.equal(fieldLines([['name', 'Jürgen 株式会社 🙂']]), 'name  Jürgen 株式会社 🙂\n', 'letters of any script stay')
})

tap.test('instants lose their milliseconds, empty lists are nothing', async t => {
  t.equal(instant('2026-02-27T12:00:00.123Z'), '2026-02-27T12:00:00Z')
  t.equal(instant(null), null)
  t.equal(words([]), null)
  t.equal(words(['a', 'b']), 'a b')
})

tap.test('a limit of one is singular', async t => {
  t.equal(
    limitsText({ callsPerMonth: 1, creditsPerMonth: 1, callsPerMinute: 2 }),
    '1 call a month, 1 credit a month, 2 calls a minute'
  )
})
