/** An explanation of a refusal, as the API answers it. */
import type { Static } from 'typebox'
import type { WireExplanation, WireRequest } from '../../management/schemas/explain.ts'

export type Explanation = Static<typeof WireExplanation>

export type LoggedRequest = Static<typeof WireRequest>
