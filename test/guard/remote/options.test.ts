/** Options of a remote guard that cannot be meant: refused when it is made, without their secrets. */
import tap from 'tap'
import { RemoteGuard } from '../../../packages/guard/src/index.ts'

const made = (server: string, more: object = {}): RemoteGuard =>
  new RemoteGuard({ server, clientId: 'cli_1', clientSecret: 's', resource: 'https://api.test', ...more })

const password = 'password-in-a-url'

const path = 'a URL with a path, and Latchkey has none: write its origin, such as https://auth.example.com.'
const plain = 'not https, and credentials are sent there: use https, or set allowPlainHttp where the network is your ' +
  'own.'

for (const [server, sentence] of [
  ['auth.example.com', 'not the URL of a server: write https://auth.example.com.'],
  ['ftp://auth.example.com', 'not the URL of a server: write https://auth.example.com.'],
  [`https://u:${password}@auth.test`, 'a URL with a user, a query or a fragment: use clientId and clientSecret.'],
  [`https://auth.test?x=${password}`, 'a URL with a user, a query or a fragment: use clientId and clientSecret.'],
  ['http://localhost:3000/foo', path],
  ['http://auth.example.com', plain],
  ['http://10.0.0.1:3000', plain]
] as const) {
  tap.test(`a server is refused: ${server.replace(password, '…')}`, async t => {
    t.throws(() => made(server), { message: `The option server of the guard is ${sentence}` })
  })
}

tap.test('https is taken, http on this machine, and elsewhere where it is allowed', async t => {
  for (const server of [
    'https://auth.example.com', 'https://auth.example.com/', 'http://localhost:3000', 'http://127.0.0.2:1',
    'http://[::1]:3000'
  ]) t.doesNotThrow(() => made(server), server)
  t.doesNotThrow(() => made('http://latchkey:3000', { allowPlainHttp: true }))
})
