/** An OAuth client, as the API answers it, and its paths. */
import { html } from 'ghtml'
import type { Static } from 'typebox'
import type { WireClient } from '../../management/schemas/clients.ts'
import type { Wire } from '../api.ts'
import { badge } from '../elements.ts'
import { dashboardPath } from '../frame.ts'
import type { Visit } from '../visit.ts'

export type Client = Wire<Static<typeof WireClient>>

export const clientsPath = `${dashboardPath}/clients`
export const clientsWay = [{ name: 'Clients', href: clientsPath }]

/** The page of a client. Some ids are URLs. */
export function pageOf ({ clientId }: Pick<Client, 'clientId'>): string {
  return `${clientsPath}/${encodeURIComponent(clientId)}`
}

/** The page of the client that a request names. */
export function ownPage ({ parameter }: Pick<Visit, 'parameter'>): string {
  return pageOf({ clientId: parameter('id') })
}

/** The path of the client that a request names, on the API. */
export function apiPathOf ({ parameter }: Pick<Visit, 'parameter'>): string {
  return `/clients/${encodeURIComponent(parameter('id'))}`
}

export function clientOf (visit: Pick<Visit, 'api' | 'parameter'>): Promise<Client> {
  return visit.api.get<Client>(apiPathOf(visit))
}

/** Whether it has a secret that can be replaced. */
export function hasSecret ({ tokenEndpointAuthMethod }: Client): boolean {
  return tokenEndpointAuthMethod === 'client_secret_basic' || tokenEndpointAuthMethod === 'client_secret_post'
}

/** What is unusual about a client, as markup; '': nothing. */
export function stateOf ({ status }: Client): string {
  if (status === 'revoked') return html` !${badge('bad', 'Revoked')}`
  return status === 'disabled' ? html` !${badge('warn', 'Disabled')}` : ''
}

const origins = { operator: 'Made here', registered: 'Registered itself', hosted: 'Described by its host' } as const

export function originOf ({ origin }: Client): string {
  return html`${origins[origin]}`
}
