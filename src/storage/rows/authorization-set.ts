/** The condition on the rows of a set of authorizations. */
import type { AuthorizationSet } from '../../domain/authorizations/authorization.ts'
import type { Prisma } from '../engine/prisma.ts'
import { isBefore } from './rows.ts'

/** As of `AuthorizationSet`. */
export function conditionsOf ({ before, clientIds, ...exactly }: AuthorizationSet): Prisma.AuthorizationWhereInput {
  const clients = { clientId: { in: [...clientIds] } }
  return { AND: [exactly, clients, before === undefined ? {} : isBefore(before)] }
}
