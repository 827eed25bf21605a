/** One organization: its name and limits, and which ways in it takes. */
import { html } from 'ghtml'
import type { ApiRefusal, Me } from '../api.ts'
import { eventWords } from '../audit/words.ts'
import { alertOf, problemAt, refusedChange, stateField, type Problem } from '../draft.ts'
import { dayOf, facts, selectField, textField } from '../elements.ts'
import { dashboardPath, type Screen } from '../frame.ts'
import { historyOf } from '../history.ts'
import type { Outcome, Submission, Visit } from '../visit.ts'
import { creditsOf } from './credits.ts'
import {
  apiPathOf, limitOf, operatorsId, organizationsPath, organizationsWay, pageOf, stateOf, type Organization
} from './list.ts'

export function mayWrite ({ permissions }: Me, { status }: Organization): boolean {
  return permissions.includes('organizations:write') && status !== 'deleted'
}

export async function organizationScreen (visit: Visit): Promise<Screen> {
  const { api, me } = visit
  const { record: organization, etag } = await api.read<Organization>(apiPathOf(visit))
  const maySet = mayWrite(me, organization)
  return {
    title: organization.name,
    path: organizationsWay,
    place: organizationsPath,
    ...(maySet && me.deployment && organization.id !== operatorsId ? { action: actionOf(organization) } : {}),
    content: html`!${factsOf(organization)}
!${maySet ? changeForm(organization, etag, me) : ''}
!${maySet ? waysForms(organization) : ''}
!${await creditsOf(visit, organization)}
!${await historyOf(visit, organization.id, eventWords)}`
  }
}

function actionOf ({ id, status }: Organization): string {
  return html`<div class="actions">!${status === 'suspended'
? html`<form method="post" action="${organizationsPath}/${id}/resume">
<button type="submit" class="primary">Resume organization</button></form>`
: html`<a class="button danger" href="${organizationsPath}/${id}/suspend">Suspend</a>`}
<a class="button danger" href="${organizationsPath}/${id}/delete">Delete</a></div>`
}

function factsOf (organization: Organization): string {
  const { id, features, callsPerMonth, creditsPerMonth, callsPerMinute, createdAt } = organization
  return facts([
    ['State', stateOf(organization)],
    ['Calls a month', limitOf(callsPerMonth)],
    ['Credits a month', limitOf(creditsPerMonth)],
    ['Calls a minute', limitOf(callsPerMinute)],
    ['Features', features.length === 0 ? 'none' : html`!${features.map(feature => html`<code>${feature}</code> `)}`],
    ['Created', dayOf(createdAt)],
    ['Id', html`<code class="bare">${id}</code>`],
    ['Usage', html`<a href="${dashboardPath}/usage?organization=${id}">Show usage</a>`]
  ])
}

/** Limits are the operators' to set. */
const limits = [
  ['callsPerMonth', 'Calls a month'], ['creditsPerMonth', 'Credits a month'], ['callsPerMinute', 'Calls a minute']
] as const

type Draft = Readonly<Record<'name' | typeof limits[number][0], string>>

function draftOfOrganization ({ name, callsPerMonth, creditsPerMonth, callsPerMinute }: Organization): Draft {
  const text = (limit: number | null) => limit === null ? '' : String(limit)
  return {
    name,
    callsPerMonth: text(callsPerMonth),
    creditsPerMonth: text(creditsPerMonth),
    callsPerMinute: text(callsPerMinute)
  }
}

function draftOf ({ field }: Submission): Draft {
  const [callsPerMonth, creditsPerMonth, callsPerMinute] = limits.map(([name]) => field(name).trim())
  return {
    name: field('name').trim(),
    callsPerMonth: callsPerMonth!,
    creditsPerMonth: creditsPerMonth!,
    callsPerMinute: callsPerMinute!
  }
}

function changeForm (
  organization: Organization, etag: string, { deployment }: Me, draft = draftOfOrganization(organization),
  problem: Problem | null = null
): string {
  const offered = deployment ? limits : []
  return html`<form class="panel" method="post" action="${organizationsPath}/${organization.id}">!${stateField(etag)}
!${alertOf(problem, ['name', ...offered.map(([name]) => name)])}
!${textField({ name: 'name', label: 'Name', value: draft.name, required: true, problem: problemAt(problem, 'name') })}
!${offered.map(([name, label]) => textField({
  name, label: `${label} (empty: no limit)`, value: draft[name], problem: problemAt(problem, name)
}))}
<p class="actions"><button type="submit">Save</button></p></form>`
}

function waysForms ({ id, requiresProvider, unverifiedClients }: Organization): string {
  return html`<section class="panel"><h2>Who gets in</h2>
<form method="post" action="${organizationsPath}/${id}/require-provider">
<input type="hidden" name="required" value="${requiresProvider ? 'no' : 'yes'}">
<p>${requiresProvider
? 'Members sign in at trusted identity providers alone: no passkey and no link signs them in.'
: 'Members sign in with passkeys, links and trusted identity providers.'}</p>
!${id === operatorsId
? ''
: html`<p class="actions"><button type="submit">${requiresProvider
? 'Let passkeys and links sign in, too'
: 'Require a trusted provider'}</button></p>`}</form>
<form class="beside" method="post" action="${organizationsPath}/${id}/admit-clients">
!${selectField({
  name: 'unverified',
  label: 'Applications that registered themselves',
  options: clientRules,
  chosen: unverifiedClients
})}
<p><button type="submit">Save</button></p></form></section>`
}

const clientRules = [
  ['allow', 'Members decide about each'], ['approve', 'Approved ones alone act for members'],
  ['deny', 'None acts for members']
] as const

export async function change (submission: Submission): Promise<Outcome> {
  const { api, field, me } = submission
  const { name, ...asked } = draftOf(submission)
  const numbers = Object.fromEntries(Object.entries(asked).map(([limit, text]) =>
    [limit, text === '' ? null : numberOr(text)]))
  await api.change('PATCH', apiPathOf(submission), {
    ifMatch: field('etag'), body: { name, ...(me.deployment ? numbers : {}) }
  })
  return pageOf(submission)
}

/** What is no number is left to the API, which says so: as JSON it would be null, and lift the limit. */
function numberOr (text: string): number | string {
  return Number.isFinite(Number(text)) ? Number(text) : text
}

export async function mendedChange (submission: Submission, refusal: ApiRefusal): Promise<Screen> {
  const { api, field, me } = submission
  const organization = await api.get<Organization>(apiPathOf(submission))
  const page = `${organizationsPath}/${organization.id}`
  const around = {
    path: [...organizationsWay, { name: organization.name, href: page }], place: organizationsPath
  }
  const [now, sent] = [draftOfOrganization(organization), draftOf(submission)]
  const shown = [['name', 'Name'] as const, ...(me.deployment ? limits : [])]
  return await refusedChange(refusal, {
    around,
    page,
    values: shown.map(([name, label]) => ({ name: label, now: now[name], sent: sent[name] })),
    again: problem => ({
      title: 'Change organization', ...around, content: changeForm(organization, field('etag'), me, sent, problem)
    })
  })
}

export async function requireProvider (submission: Submission): Promise<Outcome> {
  const required = submission.field('required') === 'yes'
  await submission.api.change('POST', `${apiPathOf(submission)}/require-provider`, { body: { required } })
  return pageOf(submission)
}

export async function admitClients (submission: Submission): Promise<Outcome> {
  const body = { unverified: submission.field('unverified') }
  await submission.api.change('POST', `${apiPathOf(submission)}/admit-clients`, { body })
  return pageOf(submission)
}
