/** Time windows in UTC and in local time zones. */
import tap from 'tap'
import { compileWindow, problemOfWindow, type TimeWindow } from '../../../src/domain/policy/time-window.ts'

const at = (text: string) => new Date(text)
const table: [string, TimeWindow, string, boolean][] = [
  ['the first instant is inside', { from: '2027-01-01T00:00:00Z' }, '2027-01-01T00:00:00.000Z', true],
  ['the instant before is not', { from: '2027-01-01T00:00:00Z' }, '2026-12-31T23:59:59.999Z', false],
  ['the end is outside', { until: '2027-01-01T00:00:00Z' }, '2027-01-01T00:00:00.000Z', false],
  ['an instant with an offset', { until: '2027-01-01T00:00:00+02:00' }, '2026-12-31T22:00:00Z', false],
  ['a Monday', { days: ['mon'] }, '2027-02-01T00:00:00Z', true],
  ['no Monday', { days: ['mon'] }, '2027-01-31T23:59:59Z', false],
  ['a Sunday', { days: ['sat', 'sun'] }, '2027-01-31T23:59:59Z', true],
  ['the first minute of the hours', { hours: { from: '09:00', until: '17:00' } }, '2027-02-01T09:00:00Z', true],
  ['the minute before', { hours: { from: '09:00', until: '17:00' } }, '2027-02-01T08:59:59Z', false],
  ['the minute after', { hours: { from: '09:00', until: '17:00' } }, '2027-02-01T17:00:00Z', false],
  ['up to midnight', { hours: { from: '09:00', until: '24:00' } }, '2027-02-01T23:59:59Z', true],
  [
    'past midnight, in the evening', { days: ['mon'], hours: { from: '22:00', until: '06:00' } },
    '2027-02-01T22:00:00Z', true
  ],
  [
    'past midnight, in the morning after', { days: ['mon'], hours: { from: '22:00', until: '06:00' } },
    '2027-02-02T05:59:00Z', true
  ],
  [
    'past midnight, in the morning before', { days: ['mon'], hours: { from: '22:00', until: '06:00' } },
    '2027-02-01T05:59:00Z', false
  ],
  [
    'past midnight, from Sunday to Monday', { days: ['sun'], hours: { from: '22:00', until: '06:00' } },
    '2027-02-01T05:59:00Z', true
  ],
  [
    '09:00 in Berlin is 08:00 UTC in winter', { hours: { from: '09:00', until: '10:00' }, zone: 'Europe/Berlin' },
    '2027-02-01T08:00:00Z', true
  ],
  [
    'and 07:00 UTC in summer', { hours: { from: '09:00', until: '10:00' }, zone: 'Europe/Berlin' },
    '2027-07-01T07:00:00Z', true
  ],
  ['and not 08:00', { hours: { from: '09:00', until: '10:00' }, zone: 'Europe/Berlin' }, '2027-07-01T08:00:00Z', false],
  [
    'an hour that comes twice counts twice: the first',
    { hours: { from: '02:00', until: '03:00' }, zone: 'Europe/Berlin' }, '2027-10-31T00:30:00Z', true
  ],
  ['and the second', { hours: { from: '02:00', until: '03:00' }, zone: 'Europe/Berlin' }, '2027-10-31T01:30:00Z', true],
  [
    'an hour that is left out does not come', { hours: { from: '02:00', until: '03:00' }, zone: 'Europe/Berlin' },
    '2027-03-28T01:00:00Z', false
  ],
  ['Monday has begun in Auckland', { days: ['mon'], zone: 'Pacific/Auckland' }, '2027-01-31T12:00:00Z', true],
  [
    'half an hour off', { hours: { from: '00:00', until: '00:30' }, zone: 'Asia/Kolkata' }, '2027-01-31T18:30:00Z', true
  ],
  [
    'three quarters off', { hours: { from: '00:00', until: '00:30' }, zone: 'Asia/Kathmandu' }, '2027-01-31T18:15:00Z',
    true
  ],
  ['all of it has to hold', { from: '2027-02-02T00:00:00Z', days: ['mon'] }, '2027-02-01T12:00:00Z', false]
]
for (const [what, window, instant, expected] of table) {
  tap.test(`time: ${what}`, async t => {
    t.equal(compileWindow(window).contains(at(instant)), expected)
  })
}

tap.test('midnight is minute 0, in every zone and asked twice', async t => {
  for (const zone of ['UTC', 'Europe/Berlin', 'America/New_York', 'Etc/UTC']) {
    const { contains } = compileWindow({ hours: { from: '00:00', until: '00:01' }, zone })
    const minutes = Array.from({ length: 1_440 }, (_, i) => new Date(Date.UTC(2027, 1, 1) + i * 60_000)).filter(
      contains
    )
    t.equal(minutes.length, 1, zone)
    t.equal(contains(new Date(minutes[0]!.getTime() + 59_999)), true)
    t.equal(contains(new Date(minutes[0]!.getTime() + 60_000)), false)
  }
})

tap.test('what is no window is told why', async t => {
  for (
    const [window, problem] of [
      [{}, /names no time/], [{ zone: 'Europe/Berlin' }, /names no time/], [{ from: 'tomorrow' }, /RFC 3339/],
      [{ from: '2027-02-30T25:00:00Z' }, /RFC 3339/], [{ until: '2027-01-01' }, /RFC 3339/],
      [{ from: '2027-01-02T00:00:00Z', until: '2027-01-01T00:00:00Z' }, /before/], [{ days: [] }, /empty/],
      [{ days: ['someday'] }, /not a day/], [{ hours: { from: '9:00', until: '10:00' } }, /HH:MM/],
      [{ hours: { from: '24:00', until: '10:00' } }, /HH:MM/], [{ hours: { from: '09:00', until: '24:01' } }, /HH:MM/],
      [{ hours: { from: '09:00', until: '09:00' } }, /same minute/],
      [{ days: ['mon'], zone: 'Mars/Olympus' }, /not a time zone/]
    ] as [TimeWindow, RegExp][]
  ) {
    t.match(problemOfWindow(window), problem, JSON.stringify(window))
    t.throws(() => compileWindow(window))
  }
})
