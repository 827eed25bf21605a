/** The URL of the server as the options of a guard have it. No error quotes it: it may hold a password. */
import { isLoopback } from '../../base/loopback.ts'

/** @throws Error for a text that is not the origin of a server, and for one that credentials would reach in clear. */
export function readServerUrl (text: string, allowPlainHttp: boolean): URL {
  const url = URL.parse(text)
  if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:')) {
    throw wrong('not the URL of a server: write https://auth.example.com')
  }
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    throw wrong('a URL with a user, a query or a fragment: use clientId and clientSecret')
  }
  if (url.pathname !== '/') {
    throw wrong('a URL with a path, and Latchkey has none: write its origin, such as https://auth.example.com')
  }
  if (url.protocol === 'http:' && !allowPlainHttp && !isLoopback(url.hostname)) {
    throw wrong(
      'not https, and credentials are sent there: use https, or set allowPlainHttp where the network is your own'
    )
  }
  return url
}

function wrong (what: string): Error {
  return new Error(`The option server of the guard is ${what}.`)
}
