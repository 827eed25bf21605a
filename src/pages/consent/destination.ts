/** Where the browser goes after a decision, as people recognize it. */
import { placeOf } from '../../domain/client-metadata/redirect-uri.ts'

export interface Destination {
  /** The host, or the scheme of a program. */
  name: string
  /** Where the program that gets the answer runs; null: at the host of that name. */
  place: ReturnType<typeof placeOf>
}

export function destinationOf (redirectUri: string): Destination {
  const { protocol, hostname, host } = new URL(redirectUri)
  const place = placeOf(redirectUri)
  return { place, name: place === null ? host : place === 'computer' ? hostname : protocol }
}
