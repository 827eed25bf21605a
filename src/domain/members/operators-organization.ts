/** The organization of the operators: made with its first owner at the first start of a deployment. */
import type { Clock } from '../../base/clock.ts'
import { Failure } from '../../base/errors.ts'
import { newId } from '../../secrets/random.ts'
import { auditEvent } from '../audit/event.ts'
import type { AuditPort } from '../audit/log.ts'
import { systemActor } from '../core/actor.ts'
import type { Transactional } from '../core/operation.ts'
import { noLimits } from '../tenancy/limits.ts'
import { operatorsId, type Organization, type OrganizationPort } from '../tenancy/organization.ts'
import { aboutMember } from './member.ts'
import type { Member, MemberPort } from './permissions.ts'

type Ports = AuditPort & MemberPort & OrganizationPort

/**
 * Creates the organization `Operators` with an operator as its one owner, unless the organization exists. Called at
 * every start, by several servers at once: one of them creates both.
 */
export async function seedOperators (store: Transactional<Ports>, clock: Clock): Promise<void> {
  if (await store.organizations.get(operatorsId) !== null) return
  try {
    await store.transaction(tx => createOperators(tx, clock()))
  } catch (error) {
    if (!(error instanceof Failure && error.code === 'conflict')) throw error
    // Another server was faster.
    if (await store.organizations.get(operatorsId) === null) throw error
  }
}

async function createOperators (tx: Ports, createdAt: Date): Promise<void> {
  if (await tx.organizations.get(operatorsId) !== null) return
  const organization: Organization = {
    id: operatorsId,
    name: 'Operators',
    status: 'active',
    features: [],
    ...noLimits,
    createdAt,
    suspendedAt: null,
    deletedAt: null,
    requiresProvider: false,
    unverifiedClients: 'allow',
    revision: 1
  }
  const owner: Member = {
    id: newId('mem'),
    organizationId: operatorsId,
    name: 'Operator',
    email: null,
    role: 'owner',
    scopes: null,
    operator: true,
    groups: [],
    createdAt,
    removedAt: null,
    revision: 1
  }
  await tx.organizations.insert(organization)
  await tx.members.insert(owner)
  await tx.audit.append(
    auditEvent(systemActor, createdAt, 'organization.created', {
      organizationId: operatorsId, subject: operatorsId, detail: { name: organization.name }
    })
  )
  await tx.audit.append(auditEvent(systemActor, createdAt, 'member.created', aboutMember(owner)))
}
