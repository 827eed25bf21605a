/** An organization that is deleted for good, by operators. */
import { html } from 'ghtml'
import { count } from '../elements.ts'
import { endingAt } from '../ending.ts'
import type { Listing } from '../list.ts'
import type { Dashboard } from '../visit.ts'
import { apiPathOf, organizationsPath, organizationsWay, type Organization } from './list.ts'

/** `keys`: active ones; null: the person may not count them. */
interface Deleted extends Organization { keys: number | null }

export function organizationDeletion (app: Dashboard): void {
  endingAt<Deleted>(app, '/organizations/:id/delete', {
    place: organizationsPath,
    verb: 'delete',
    takesReason: false,
    load: async asked => {
      const organization = await asked.api.get<Organization>(apiPathOf(asked))
      const keys = asked.me.permissions.includes('api-keys:read')
        ? await asked.api.get<Listing<unknown>>('/api-keys', {
          organization: organization.id, status: 'active', limit: 1, total: 'true'
        })
        : null
      return { ...organization, keys: keys?.pagination.total ?? null }
    },
    about: ({ id, name, keys }) => ({
      name,
      title: `Delete ${name}`,
      path: [...organizationsWay, { name, href: `${organizationsPath}/${id}` }],
      lead: 'From the next request on, on every server, each of its credentials is refused, and each credential for ' +
        'its APIs. This cannot be undone.',
      warning: html`Its members cannot sign in any more!${keys === null || keys === 0
        ? ''
        : html`, and <strong>${keys === 1 ? 'one API key' : `${count(keys)} API keys`} of it will fail</strong>`}. To
stop it for a while, <a href="${organizationsPath}/${id}/suspend">suspend it</a> instead.`,
      button: 'Delete organization',
      keep: `${organizationsPath}/${id}`,
    }),
    end: async submission => {
      await submission.api.change('DELETE', apiPathOf(submission))
      return { to: organizationsPath }
    },
  })
}
