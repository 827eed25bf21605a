/** The two pages about signing in: the person's own, and the organization's. */
import type { Me } from '../api.ts'
import { tabs } from '../elements.ts'
import { dashboardPath } from '../frame.ts'

export const signInPath = `${dashboardPath}/sign-in`
export const providersPath = `${signInPath}/providers`

export function signInTabs ({ permissions }: Me, path: string): string {
  const pages = [['You', signInPath] as const, ['Organization', providersPath] as const]
  return tabs('Sign-in', permissions.includes('identity-providers:read') ? pages : pages.slice(0, 1), path)
}
