/** What callers get credentials for: APIs and MCP servers, as the API answers them, and their paths. */
import { html } from 'ghtml'
import type { Static } from 'typebox'
import type { WireServer } from '../../management/routes/mcp-servers.ts'
import type { WireResource } from '../../management/routes/resources.ts'
import { may, type Me, type Wire } from '../api.ts'
import { namesOf } from '../choice.ts'
import { badge } from '../elements.ts'
import { dashboardPath, type Screen } from '../frame.ts'
import type { Visit } from '../visit.ts'
import { identityApi, managementApi } from './built-in.ts'

export type Api = Wire<Static<typeof WireResource>>
export type McpServer = Wire<Static<typeof WireServer>>
/** What both have. */
export type Declared = Pick<Api, keyof Api & keyof McpServer>

/** One of the two collections. */
export interface Kind {
  /** The path on the API, and its scopes. */
  collection: '/resources' | '/mcp-servers'
  reads: string
  writes: string
  path: string
  nouns: readonly [string, string]
  title: string
}

export const apis: Kind = {
  collection: '/resources',
  reads: 'resources:read',
  writes: 'resources:write',
  path: `${dashboardPath}/apis`,
  nouns: ['API', 'APIs'],
  title: 'APIs',
}

export const mcpServers: Kind = {
  collection: '/mcp-servers',
  reads: 'mcp-servers:read',
  writes: 'mcp-servers:write',
  path: `${dashboardPath}/mcp-servers`,
  nouns: ['MCP server', 'MCP servers'],
  title: 'MCP servers',
}

/** The path of what a request names, on the API. */
export function apiPathOf ({ collection }: Kind, { parameter }: Pick<Visit, 'parameter'>): string {
  return `${collection}/${encodeURIComponent(parameter('id'))}`
}

/** The page of what a request names. */
export function ownPage ({ path }: Kind, { parameter }: Pick<Visit, 'parameter'>): string {
  return `${path}/${encodeURIComponent(parameter('id'))}`
}

/** The path above a page of one of them. */
export function wayTo ({ title, path }: Kind, { name, id }: Declared): Screen['path'] {
  return [{ name: title, href: path }, { name, href: `${path}/${id}` }]
}

/** Whether a person may change it: what belongs to the deployment is not for organizations to change. */
export function mayChange (me: Me, { writes }: Kind, { organization, revokedAt, id }: Declared): boolean {
  const isBuiltIn = id === managementApi || id === identityApi
  return revokedAt === null && !isBuiltIn && may(me, writes) && (organization !== null || me.deployment)
}

/** What is unusual about it, as markup; '': nothing. */
export function stateOf ({ revokedAt }: Declared): string {
  return revokedAt === null ? '' : html` !${badge('bad', 'Revoked')}`
}

/** Whose it is, as markup: operators see those of all organizations. */
export async function ownersOf (
  visit: Pick<Visit, 'api' | 'me'>, declared: readonly Declared[]
): Promise<(of: Declared) => string> {
  const own = visit.me.member.organization
  const others = declared.map(({ organization }) => organization).filter(each => each !== own)
  const names = await namesOf(visit, 'organizations', others)
  return ({ organization }) => {
    if (organization === null) return badge('plain', 'The deployment')
    return organization === own ? 'This organization' : html`${names.get(organization) ?? organization}`
  }
}
