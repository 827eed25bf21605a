import { InvalidArgumentError } from 'commander'
import tap from 'tap'
import { readDuration, readExpiry } from '../../src/cli/time.ts'

const clock = () => new Date('2026-02-27T12:00:00Z')

tap.test('a duration is a number with its unit', async t => {
  for (
    const [text, seconds] of [['0', 0], ['0s', 0], ['90s', 90], ['30m', 1800], ['24h', 86_400], ['90d', 7_776_000], [
      '4w', 2_419_200
    ]] as const
  ) {
    t.equal(readDuration(text), seconds, text)
  }
  for (const text of ['', '5', '-1h', '1.5h', '1y', '1 h', '1h30m', 'h', '٣h', '9999999999d', '3651d']) {
    t.throws(() => readDuration(text), InvalidArgumentError, JSON.stringify(text))
  }
})

tap.test('an expiry is a duration from now, a day, a time with a zone, or never', async t => {
  for (
    const [text, at] of [
      ['never', null], ['2d', '2026-03-01T12:00:00.000Z'], ['2027-01-31', '2027-01-31T00:00:00.000Z'],
      ['2028-02-29', '2028-02-29T00:00:00.000Z'], ['2027-01-31T12:00:00Z', '2027-01-31T12:00:00.000Z'],
      ['2027-01-31T12:00+02:00', '2027-01-31T10:00:00.000Z']
    ] as const
  ) t.same(readExpiry(text, clock), { at }, text)
  for (
    const text of [
      '', 'tomorrow', '90', '2027-02-29', '2027-13-01', '2027-1-1', '2027', '2027-01-31T12:00', '2027-01-31T25:00:00Z',
      '2027-01-31 12:00:00Z', '31.01.2027'
    ]
  ) {
    t.throws(() => readExpiry(text, clock), InvalidArgumentError, JSON.stringify(text))
  }
})
