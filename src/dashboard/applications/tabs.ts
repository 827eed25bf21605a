/** The pages about applications that act for members. */
import { html } from 'ghtml'
import type { Me } from '../api.ts'
import { dashboardPath } from '../frame.ts'

export const applicationsPath = `${dashboardPath}/applications`
export const consentsPath = `${applicationsPath}/consents`
export const approvalsPath = `${applicationsPath}/approvals`
export const registrationPath = `${applicationsPath}/registration`
export const applicationsWay = [{ name: 'Applications of members', href: applicationsPath }]

const pages = [
  { name: 'In use', path: applicationsPath, scope: 'authorizations:read' },
  { name: 'Remembered', path: consentsPath, scope: 'authorizations:read' },
  { name: 'Approved', path: approvalsPath, scope: 'client-approvals:read' },
  { name: 'Registration', path: registrationPath, scope: 'registration-tokens:read' },
]

export function tabs (current: string, { permissions }: Me): string {
  return html`<nav class="tabs" aria-label="Applications">!${pages
    .filter(({ scope }) => permissions.includes(scope))
    .map(({ name, path }) => html`
<a href="${path}"!${path === current ? ' aria-current="page"' : ''}>${name}</a>`)}</nav>`
}
