/** The guarded routes of this process with what each requires, so that one can be asked about without a request. */
import type { Environment } from '../secrets/credential-text.ts'
import type { RouteRequirements } from './needs.ts'

/** A route as a guard has it. */
export interface GuardedRoute {
  requirements: RouteRequirements
  /** The one environment that is served; null: both. */
  environment: Environment | null
}

/** A route with the values of its path parameters. */
export interface FoundRoute extends GuardedRoute { parameters: Readonly<Record<string, string>> }

export class GuardedRoutes {
  readonly #byResource = new Map<string, GuardedRoute[]>()

  /** `resourceId` null: the route takes credentials of any resource, and cannot be asked about. */
  learn (resourceId: string | null, route: GuardedRoute): void {
    if (resourceId === null) return
    const routes = this.#byResource.get(resourceId) ?? []
    this.#byResource.set(resourceId, routes)
    routes.push(route)
  }

  /**
   * The route of a resource with this name: as declared, `GET /v1/invoices/:id`, or a request to it,
   * `GET /v1/invoices/17`. Null: no guard of this process has it.
   */
  find (resourceId: string, name: string): FoundRoute | null {
    const routes = this.#byResource.get(resourceId) ?? []
    const declared = routes.find(({ requirements: { route } }) => route === name)
    if (declared !== undefined) return { ...declared, parameters: {} }
    for (const route of routes) {
      const parameters = parametersOf(route.requirements.route, name)
      if (parameters !== null) return { ...route, parameters }
    }
    return null
  }
}

/** The parameters with which a request is one to a route; null: it is not. */
function parametersOf (route: string, request: string): Record<string, string> | null {
  const [[methods = '', pattern = ''], [method = '', path = '']] = [route.split(' '), request.split(' ')]
  const [steps, names] = [path.split('?', 1)[0]!.split('/'), pattern.split('/')]
  if (!methods.split(',').includes(method) || steps.length !== names.length) return null
  const parameters: Record<string, string> = {}
  for (const [index, name] of names.entries()) {
    const step = steps[index]!
    if (name.startsWith(':') && step !== '') parameters[name.slice(1)] = step
    else if (name !== step) return null
  }
  return parameters
}
