/** Cookies of sign-ins that are under way: however many pages begin one, the browser's requests stay readable. */
import tap from 'tap'
import { startJourney } from '../support/provider-journey.ts'

const journey = await startJourney()
tap.teardown(journey.close)
const { server } = journey

tap.test('sign-ins with long addresses to return to do not fill the headers that a server reads', async t => {
  const cookies = new Map<string, string>()
  const begin = async (returnTo: string) => await fetch(
    `${server.url}/api/v1/auth/login?${new URLSearchParams({ provider: 'up', return_to: returnTo })}`,
    { redirect: 'manual', headers: { cookie: Array.from(cookies, pair => pair.join('=')).join('; ') } }
  )
  for (let i = 0; i < 12; i++) {
    const answer = await begin(`/${'a'.repeat(1_999)}`)
    t.equal(answer.status, 303)
    for (const [name, value, isCleared] of answer.headers.getSetCookie().map(readCookie)) {
      if (isCleared) cookies.delete(name)
      else cookies.set(name, value)
    }
  }
  t.ok(cookies.size > 1, 'several tabs')
})

function readCookie (header: string): [name: string, value: string, isCleared: boolean] {
  const [pair] = header.split(';')
  const end = pair!.indexOf('=')
  return [pair!.slice(0, end), pair!.slice(end + 1), header.includes('Max-Age=0')]
}
