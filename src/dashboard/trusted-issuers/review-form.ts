/** The part of an issuer's form about its cluster: whether it is asked before each token, where, and by whose token. */
import { html } from 'ghtml'
import { problemAt, type Problem } from '../draft.ts'
import { textArea, textField } from '../elements.ts'
import type { Submission } from '../visit.ts'
import type { Issuer } from './issuer.ts'

/** As it was typed. `reviewUrl` '': the cluster is not asked. `reviewerToken` '': the present one; it is not shown. */
export interface ReviewSettings { reviewUrl: string, reviewerToken: string, reviewCa: string }

export const noReview: ReviewSettings = { reviewUrl: '', reviewerToken: '', reviewCa: '' }

export const reviewFields: readonly string[] = Object.keys(noReview)

export const reviewLabels: Readonly<Record<keyof ReviewSettings, string>> = {
  reviewUrl: 'URL of the API server',
  reviewerToken: 'Token of the account that asks',
  reviewCa: 'Authority of the API server',
}

export function reviewSent ({ field }: Submission): ReviewSettings {
  return {
    reviewUrl: field('reviewUrl').trim(),
    reviewerToken: field('reviewerToken').trim(),
    reviewCa: field('reviewCa').trim().replaceAll('\r', ''),
  }
}

export function reviewOf ({ tokenReview: review }: Issuer): ReviewSettings {
  return { reviewUrl: review?.url ?? '', reviewerToken: '', reviewCa: review?.ca?.trim() ?? '' }
}

/** As the API takes it; null: the cluster is not asked. */
export function bodyOfReview ({ reviewUrl, reviewerToken, reviewCa }: ReviewSettings): object | null {
  if (reviewUrl === '' && reviewerToken === '') return null
  return { url: reviewUrl, ...(reviewerToken === '' ? {} : { token: reviewerToken }), ca: reviewCa || null }
}

/** The field of the form for a member of `tokenReview` that the API has something against; undefined: of the whole. */
export function reviewFieldOf (member: string | undefined): keyof ReviewSettings {
  if (member === 'token') return 'reviewerToken'
  return member === 'ca' ? 'reviewCa' : 'reviewUrl'
}

/** `hint`: how the present token ends; null: there is none. */
export function reviewPart (
  { reviewUrl, reviewCa }: ReviewSettings, hint: string | null, problem: Problem | null
): string {
  const isOpen = reviewUrl !== '' || reviewFields.includes(problem?.field ?? '')
  return html`<details!${isOpen ? ' open' : ''}><summary>Ask a cluster of
Kubernetes before each token (TokenReview)</summary>
!${textField({
  name: 'reviewUrl',
  label: reviewLabels.reviewUrl,
  value: reviewUrl,
  hint: 'Empty: it is not asked, and the token of a deleted service account is taken until it expires.',
  placeholder: 'https://cluster.acme.test:6443',
  problem: problemAt(problem, 'reviewUrl')
})}
!${textField({
  name: 'reviewerToken',
  label: reviewLabels.reviewerToken,
  type: 'password',
  hint: hint === null
    ? 'The account has the ClusterRole system:auth-delegator. Its token is kept sealed, and not shown here again.'
    : `Empty: the present one, which ends in ${hint}.`,
  problem: problemAt(problem, 'reviewerToken')
})}
!${textArea({
  name: 'reviewCa',
  label: reviewLabels.reviewCa,
  value: reviewCa,
  hint: 'A certificate in PEM, where it is none of a public authority or of that of the keys.',
  problem: problemAt(problem, 'reviewCa')
})}</details>`
}
