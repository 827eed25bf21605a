/** A request to a guarded route of Fastify, as the guard judges it. */
import type { FastifyRequest } from 'fastify'
import { addressOf } from '../base/ip-address.ts'
import type { Resource } from '../domain/resources/resource.ts'
import type { Environment } from '../secrets/credential-text.ts'
import type { AdmissionDependencies, Call } from './admission.ts'
import { isSafe } from './person-session.ts'
import type { RouteRequirements } from './needs.ts'

export class RouteCall implements Call {
  readonly dependencies: AdmissionDependencies
  readonly requirements: RouteRequirements
  readonly resource: Resource | null
  readonly environment: Environment | null
  readonly request: FastifyRequest
  readonly now: Date

  constructor (
    dependencies: AdmissionDependencies, requirements: RouteRequirements, resource: Resource | null,
    environment: Environment | null, request: FastifyRequest
  ) {
    this.dependencies = dependencies
    this.requirements = requirements
    this.resource = resource
    this.environment = environment
    this.request = request
    this.now = dependencies.clock()
  }

  /** Read only if it matters: behind proxies it takes longer than the rest. */
  get address (): string {
    return addressOf(this.request)
  }

  get organizationId (): string | null {
    const { organization } = this.requirements
    return organization === null ? null : this.#parameter(organization)
  }

  get objectId (): string | null {
    const { object } = this.requirements
    return object === null ? null : this.#parameter(object.param)
  }

  get changes (): boolean {
    return !this.requirements.person && !isSafe(this.request.raw)
  }

  get webhookType (): string | null {
    return this.requirements.webhook?.type ?? null
  }

  get webhookToken (): string | null {
    const { webhook } = this.requirements
    return webhook === null ? null : this.#parameter(webhook.param)
  }

  #parameter (name: string): string {
    return (this.request.params as Record<string, string>)[name] ?? ''
  }
}
