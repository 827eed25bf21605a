/** A browser without a screen: follows redirects from host to host, and keeps the cookies of each. */
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http'

export interface Visit { status: number, url: string, headers: IncomingHttpHeaders, text: string }

export interface Browser {
  /** By host and name. */
  cookies: Map<string, Map<string, string>>
  /** Opens a URL, and follows redirects until a page or until `until` says to stop. */
  open (url: string, until?: (location: string) => boolean): Promise<Visit>
  /** One request, without following anything. */
  send (method: string, url: string, form?: Record<string, string>, headers?: Record<string, string>): Promise<Visit>
}

export function newBrowser (): Browser {
  const cookies = new Map<string, Map<string, string>>()
  const send: Browser['send'] = async (method, url, form, headers = {}) => {
    const { host } = new URL(url)
    const own = cookies.get(host) ?? new Map<string, string>()
    cookies.set(host, own)
    const body = form === undefined ? undefined : new URLSearchParams(form).toString()
    const visit = await exchange(method, url, {
      accept: 'text/html',
      ...(own.size > 0 && { cookie: Array.from(own, pair => pair.join('=')).join('; ') }),
      ...(body !== undefined && { 'content-type': 'application/x-www-form-urlencoded' }),
      ...headers
    }, body)
    for (const line of visit.headers['set-cookie'] ?? []) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(line)!
      if (/max-age=0|expires=thu, 01 jan 1970/i.test(line)) own.delete(name!)
      else own.set(name!, value!)
    }
    return visit
  }
  return {
    cookies,
    send,
    async open (url, until = () => false) {
      for (let at = url, hops = 0; ; hops++) {
        const visit = await send('GET', at)
        const { location } = visit.headers
        if (location === undefined || hops > 20) return visit
        at = new URL(location, at).href
        if (until(at)) return { ...visit, url: at }
      }
    },
  }
}

function exchange (method: string, url: string, headers: Record<string, string>, body = ''): Promise<Visit> {
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest(url, {
      method, headers: { ...headers, 'content-length': Buffer.byteLength(body) }
    }, incoming => {
      const chunks: Buffer[] = []
      incoming.on('data', chunk => chunks.push(chunk))
      incoming.on('error', reject)
      incoming.on('end', () => {
        const text = Buffer.concat(chunks).toString()
        resolve({ status: incoming.statusCode!, url, headers: incoming.headers, text })
      })
    })
    outgoing.on('error', reject)
    outgoing.end(body)
  })
}
