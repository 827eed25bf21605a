/** The form of a trusted issuer: what was typed into it, its fields, and what the API takes of them. */
import { html } from 'ghtml'
import type { ApiRefusal, Me } from '../api.ts'
import { alertOf, problemAt, problemIn, type Overtaken, type Problem } from '../draft.ts'
import { boxes, choices, selectField, textArea, textField } from '../elements.ts'
import type { Submission, Visit } from '../visit.ts'
import type { Issuer } from './issuer.ts'
import {
  bodyOfReview, noReview, reviewFieldOf, reviewFields, reviewLabels, reviewOf, reviewPart, reviewSent,
  type ReviewSettings
} from './review-form.ts'

/** What can be changed later. Lists that are texts have a value a line. */
export interface Settings extends ReviewSettings {
  name: string
  jwks: string
  jwksUri: string
  ca: string
  audiences: string
  algorithms: readonly string[]
  maxAge: string
  /** '': as is usual on the platform. */
  singleUse: '' | 'once' | 'again'
}

/** What a new issuer has besides. */
export interface Origin { preset: string, profile: string, issuer: string, anchors: string, owner: string }

export interface Preset { name: string, issuer: string | null }

/** The algorithms that the API takes; a test compares them. */
const algorithms = [
  'RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'Ed25519', 'EdDSA'
]

const uses = [
  { value: 'once', label: 'Once', hint: 'By its jti, on all servers together. A copy of a used token gets nothing.' },
  { value: 'again', label: 'Again and again', hint: 'Until it expires, as Kubernetes and SPIFFE need it.' }
]

const ownFields = ['name', 'issuer', 'jwks', 'jwksUri', 'ca', 'audiences', 'maxAge', 'anchors', ...reviewFields]

export function settingsSent (submission: Submission): Settings {
  const { field, fields } = submission
  const singleUse = field('singleUse')
  return {
    ...reviewSent(submission),
    name: field('name').trim(),
    jwks: field('jwks').trim(),
    jwksUri: field('jwksUri').trim(),
    ca: linesOf(field('ca')).join('\n'),
    audiences: linesOf(field('audiences')).join('\n'),
    algorithms: fields('algorithm'),
    maxAge: field('maxAge').trim(),
    singleUse: singleUse === 'once' || singleUse === 'again' ? singleUse : '',
  }
}

export function originSent ({ field }: Submission): Origin {
  return {
    preset: field('preset') || 'kubernetes',
    profile: field('profile') || 'workload',
    issuer: field('issuer').trim(),
    anchors: linesOf(field('anchors')).join('\n'),
    owner: field('owner'),
  }
}

export const noSettings: Settings = {
  ...noReview, name: '', jwks: '', jwksUri: '', ca: '', audiences: '', algorithms: [], maxAge: '', singleUse: ''
}

export const noOrigin: Origin = { preset: 'kubernetes', profile: 'workload', issuer: '', anchors: '', owner: '' }

export function settingsOf (issuer: Issuer): Settings {
  const { name, jwks, jwksUri, ca, audiences, algorithms: taken, maxAge, singleUse } = issuer
  return {
    ...reviewOf(issuer),
    name,
    jwks: jwks === null ? '' : JSON.stringify(jwks, null, 2),
    jwksUri: jwksUri ?? '',
    ca: ca?.trim() ?? '',
    audiences: audiences.join('\n'),
    algorithms: taken,
    maxAge: String(maxAge),
    singleUse: singleUse ? 'once' : 'again',
  }
}

/** As the API takes a new issuer: what is empty is that of the platform. */
export function bodyOfNew (me: Me, origin: Origin, sent: Settings): object {
  const { preset, profile, issuer, anchors, owner } = origin
  const { name, jwks, jwksUri, ca, audiences, maxAge, singleUse } = sent
  return {
    organization: owner === 'deployment' ? null : me.member.organization,
    name,
    preset,
    profile,
    issuer: issuer || undefined,
    anchors: anchors === '' ? undefined : linesOf(anchors),
    jwks: jwks === '' ? undefined : parsed(jwks),
    jwksUri: jwksUri || undefined,
    ca: ca || undefined,
    tokenReview: bodyOfReview(sent),
    audiences: linesOf(audiences),
    algorithms: sent.algorithms.length === 0 ? undefined : sent.algorithms,
    maxAge: maxAge === '' ? undefined : secondsIn(maxAge),
    singleUse: singleUse === '' ? undefined : singleUse === 'once',
  }
}

/** As the API takes a change: the form has every setting, so each is sent. */
export function bodyOfChange (sent: Settings): object {
  const { name, jwks, jwksUri, ca, audiences, maxAge, singleUse } = sent
  const isInline = jwks !== '' && jwksUri === '' && ca === ''
  return {
    name,
    ...(jwks === '' ? {} : { jwks: parsed(jwks) }),
    ...(isInline ? {} : { jwksUri: jwksUri || null, ca: ca || null }),
    tokenReview: bodyOfReview(sent),
    audiences: linesOf(audiences),
    algorithms: sent.algorithms,
    maxAge: secondsIn(maxAge),
    ...(singleUse === '' ? {} : { singleUse: singleUse === 'once' }),
  }
}

/** What is now beside what was sent. */
export function overtaken (now: Settings, sent: Settings): Overtaken[] {
  const labels: Readonly<Record<keyof Settings, string>> = {
    name: 'Name',
    jwks: 'Keys',
    jwksUri: 'URL of its keys',
    ca: 'Authority of that URL',
    audiences: 'Further audiences',
    algorithms: 'Algorithms',
    maxAge: 'Longest life of a token',
    singleUse: 'Each token is taken',
    ...reviewLabels,
  }
  const textsOf = (settings: Settings) => ({
    ...settings,
    jwks: compact(settings.jwks),
    algorithms: settings.algorithms.join(' '),
    reviewerToken: settings.reviewerToken === '' ? 'as it is' : 'another'
  })
  const [before, after] = [textsOf(now), textsOf(sent)]
  return (Object.keys(labels) as (keyof Settings)[])
    .map(name => ({ name: labels[name], now: before[name], sent: after[name] }))
}

/** What is wrong, at the field of the form. */
export function problemOf (refusal: ApiRefusal): Problem {
  const problem = problemIn(refusal)
  const [name, member] = problem.field.split(/[./]/, 2)
  return { ...problem, field: name === 'tokenReview' ? reviewFieldOf(member) : name! }
}

/** The fields of a new issuer. */
export function newFields (
  me: Me, presets: readonly Preset[], origin: Origin, sent: Settings, problem: Problem | null
): string {
  const settings = ['audiences', 'algorithms', 'maxAge', 'singleUse', 'anchors']
  const isOpen = settings.includes(problem?.field ?? '')
  return html`!${nameField(sent, problem)}
!${selectField({
  name: 'preset',
  label: 'Platform',
  options: presets.map(({ name, issuer }) => [name, issuer === null ? name : `${name} (${issuer})`] as const),
  chosen: origin.preset
})}
!${textField({
  name: 'issuer',
  label: 'Issuer',
  value: origin.issuer,
  hint: 'The iss of its tokens. Empty: that of the platform. A trust domain of SPIFFE: spiffe://prod.acme.test',
  problem: problemAt(problem, 'issuer')
})}
!${choices('Its tokens are of', 'profile', [
  { value: 'workload', label: 'Workloads', hint: 'Rules say what each of them gets.' },
  { value: 'id-jag', label: 'People (ID-JAG)', hint: 'A client acts for a person, by the client\'s own grants.' }
], origin.profile)}
!${me.deployment
? choices('Trusted by', 'owner', [
  { value: '', label: 'The organization' }, { value: 'deployment', label: 'The deployment' }
], origin.owner)
: ''}
!${keyFields(sent, problem)}
!${reviewPart(sent, null, problem)}
<details!${isOpen ? ' open' : ''}><summary>Other than usual on the platform</summary>
!${tokenFields(sent, problem, [{ value: '', label: 'As is usual' }, ...uses])}
!${textArea({
  name: 'anchors',
  label: 'Claims that tenants cannot choose',
  value: origin.anchors,
  hint: 'JSON Pointers, one a line, as /sub. Each rule has a condition on one of them. Empty: those of the platform.',
  problem: problemAt(problem, 'anchors')
})}</details>`
}

/** The fields of an issuer that is there. */
export function settingsFields (
  { preset, profile, tokenReview }: Issuer, sent: Settings, problem: Problem | null
): string {
  const isCluster = preset === 'kubernetes' && profile === 'workload'
  return html`!${nameField(sent, problem)}
!${keyFields(sent, problem)}
!${isCluster ? reviewPart(sent, tokenReview?.hint ?? null, problem) : ''}
!${tokenFields(sent, problem, profile === 'id-jag' ? [] : uses)}`
}

function nameField ({ name }: Settings, problem: Problem | null): string {
  return html`!${alertOf(problem, ownFields)}
!${textField({ name: 'name', label: 'Name', value: name, required: true, problem: problemAt(problem, 'name') })}`
}

function keyFields ({ jwks, jwksUri, ca }: Settings, problem: Problem | null): string {
  return html`!${textArea({
  name: 'jwks',
  label: 'Keys',
  value: jwks,
  hint: 'A JWK Set or a SPIFFE bundle. Empty: its discovery document, or the URL below, says where they are.',
  problem: problemAt(problem, 'jwks')
})}
!${textField({
  name: 'jwksUri', label: 'URL of its keys', value: jwksUri, problem: problemAt(problem, 'jwksUri')
})}
!${textArea({
  name: 'ca',
  label: 'Authority of that URL',
  value: ca,
  hint: 'A certificate in PEM, where the host of the keys has none of a public authority.',
  problem: problemAt(problem, 'ca')
})}`
}

function tokenFields (
  { audiences, algorithms: taken, maxAge, singleUse }: Settings, problem: Problem | null,
  ways: Parameters<typeof choices>[2]
): string {
  return html`!${textArea({
  name: 'audiences',
  label: 'Further audiences',
  value: audiences,
  hint: 'Values of aud that are taken beside that of this server, one a line.',
  problem: problemAt(problem, 'audiences')
})}
<fieldset class="field beside"><legend>Algorithms</legend>
!${boxes('algorithm', algorithms.map(name => ({ value: name, label: name })), new Set(taken))}</fieldset>
!${textField({
  name: 'maxAge',
  label: 'Longest life of a token',
  value: maxAge,
  hint: 'Seconds from iat to exp: 60 to 86400.',
  problem: problemAt(problem, 'maxAge')
})}
!${ways.length === 0 ? '' : choices('Each token is taken', 'singleUse', ways, singleUse)}`
}

export function linesOf (text: string): string[] {
  return text.split(/\r?\n/).map(line => line.trim()).filter(line => line !== '')
}

/** What is no number, the API refuses in its own words. */
function secondsIn (text: string): number | string {
  return /^\d{1,9}$/.test(text) ? Number(text) : text
}

/** What is no JSON object, the API refuses in its own words. */
function parsed (text: string): object {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? value : {}
  } catch {
    return {}
  }
}

function compact (jwks: string): string {
  return jwks === '' ? '' : JSON.stringify(parsed(jwks))
}

export async function presetsOf ({ api }: Pick<Visit, 'api'>): Promise<readonly Preset[]> {
  return (await api.get<{ data: Preset[] }>('/trusted-issuer-presets')).data
}
