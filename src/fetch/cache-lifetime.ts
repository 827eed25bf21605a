/** How long an answer is kept, by its HTTP cache headers (RFC 9111) and within our bounds. */

/** Seconds. */
export interface LifetimeBounds {
  least: number
  most: number
  /** For an answer that does not say. */
  otherwise: number
}

/**
 * Seconds for which an answer is fresh. The least bound holds for `no-store`, too: each of our decisions reads the
 * document, and its host must not be asked for each.
 */
export function freshFor (headers: Headers, now: Date, bounds: LifetimeBounds): number {
  const { least, most, otherwise } = bounds
  const stated = statedLifetime(headers, now)
  const age = Math.max(0, Number(headers.get('age') ?? 0) || 0)
  return stated === null ? otherwise : Math.min(most, Math.max(least, stated - age))
}

/** RFC 9111 §4.2.1: `s-maxage`, else `max-age`, else `Expires`. Null: none of them, or none that can be read. */
function statedLifetime (headers: Headers, now: Date): number | null {
  const directives = cacheControl(headers.get('cache-control') ?? '')
  if (directives.has('no-store') || directives.has('no-cache')) return 0
  const given = directives.get('s-maxage') ?? directives.get('max-age')
  if (given !== undefined && /^\d{1,10}$/.test(given)) return Number(given)
  const expires = headers.get('expires')
  if (expires === null) return null
  // RFC 9111 §5.3: what is no date, such as 0, is in the past.
  const end = Date.parse(expires)
  const since = Date.parse(headers.get('date') ?? '')
  return Number.isNaN(end) ? 0 : (end - (Number.isNaN(since) ? now.getTime() : since)) / 1_000
}

/** The directives by their names in lower case; a repeated one counts as first sent (RFC 9111 §4.2.1). */
function cacheControl (text: string): ReadonlyMap<string, string> {
  const directives = new Map<string, string>()
  for (const part of text.split(',')) {
    const [name = '', value = ''] = part.split('=', 2)
    const key = name.trim().toLowerCase()
    if (!directives.has(key)) directives.set(key, value.trim().replace(/^"|"$/g, ''))
  }
  return directives
}
