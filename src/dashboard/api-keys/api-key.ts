/** An API key, as the API answers it. */
import type { Static } from 'typebox'
import type { ListedKey as WireListedKey, WireKey } from '../../management/schemas/api-keys.ts'
import type { Wire } from '../api.ts'

export type ApiKey = Wire<Static<typeof WireKey>>
export type ListedKey = Wire<Static<typeof WireListedKey>>
