/** How an issuer is trusted, and how its keys and settings are changed. */
import { html } from 'ghtml'
import type { ApiRefusal } from '../api.ts'
import { refusedChange, stateField, type Problem } from '../draft.ts'
import type { Screen } from '../frame.ts'
import { attemptField } from '../shown-once.ts'
import type { Outcome, Submission, Visit } from '../visit.ts'
import { apiPathOf, issuersPath, way, wayTo, type Issuer } from './issuer.ts'
import {
  bodyOfChange, bodyOfNew, newFields, noOrigin, noSettings, originSent, overtaken, presetsOf, problemOf, settingsFields,
  settingsOf, settingsSent, type Settings
} from './issuer-form.ts'

export async function creationScreen (visit: Visit): Promise<Screen> {
  return creating(newFields(visit.me, await presetsOf(visit), noOrigin, noSettings, null))
}

export async function mendedCreation (sent: Submission, refusal: ApiRefusal): Promise<Screen> {
  return creating(newFields(
    sent.me, await presetsOf(sent), originSent(sent), settingsSent(sent), problemOf(refusal)
  ))
}

function creating (fields: string): Screen {
  return {
    title: 'Trust an issuer',
    path: way,
    place: issuersPath,
    lead: 'Its workloads get nothing until a rule says what.',
    content: html`<form class="panel" method="post" action="${issuersPath}">!${attemptField()}
!${fields}
<p class="actions"><button type="submit" class="primary">Trust issuer</button>
<a class="button" href="${issuersPath}">Cancel</a></p></form>`
  }
}

export async function create (submission: Submission): Promise<Outcome> {
  const made = await submission.api.change<Issuer>('POST', '/trusted-issuers', {
    idempotencyKey: submission.field('attempt'),
    body: bodyOfNew(submission.me, originSent(submission), settingsSent(submission))
  })
  return { to: `${issuersPath}/${made.id}` }
}

export async function changeScreen (visit: Visit): Promise<Screen> {
  const { record: issuer, etag } = await visit.api.read<Issuer>(apiPathOf(visit))
  return changing(issuer, settingsOf(issuer), etag, null)
}

export async function change (submission: Submission): Promise<Outcome> {
  const { api, field, parameter } = submission
  await api.change('PATCH', apiPathOf(submission), {
    ifMatch: field('etag'), body: bodyOfChange(settingsSent(submission))
  })
  return { to: `${issuersPath}/${encodeURIComponent(parameter('id'))}` }
}

export async function mendedChange (submission: Submission, refusal: ApiRefusal): Promise<Screen> {
  const issuer = await submission.api.get<Issuer>(apiPathOf(submission))
  const sent = settingsSent(submission)
  return await refusedChange(refusal, {
    around: { path: wayTo(issuer), place: issuersPath },
    page: `${issuersPath}/${issuer.id}`,
    values: overtaken(settingsOf(issuer), sent),
    again: () => changing(issuer, sent, submission.field('etag'), problemOf(refusal))
  })
}

function changing (issuer: Issuer, sent: Settings, etag: string, problem: Problem | null): Screen {
  const page = `${issuersPath}/${issuer.id}`
  return {
    title: `Change ${issuer.name}`,
    path: wayTo(issuer),
    place: issuersPath,
    lead: 'From the next request on, on every server, the tokens that its workloads have are refused: they ask again.',
    content: html`<form class="panel" method="post" action="${page}/change">!${stateField(etag)}
!${settingsFields(issuer, sent, problem)}
<p class="actions"><button type="submit" class="primary">Change issuer</button>
<a class="button" href="${page}">Cancel</a></p></form>`
  }
}
