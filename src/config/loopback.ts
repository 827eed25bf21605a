/** Loopback, as variables need it: by the host of a URL. */
export { isLoopback } from '../base/loopback.ts'

/** The host of a URL; empty: the text is not a URL. */
export function hostOf (url: string): string {
  return URL.parse(url)?.hostname ?? ''
}
