/**
 * What is declared: tenants and policies, as OpenCrane's custom resources are. Latchkey's records are projected from
 * them; the difference is drift. Kept in one file, which is replaced as a whole.
 */
import { readFileSync } from 'node:fs'
import { rename, writeFile } from 'node:fs/promises'
import { Refusal } from './control-plane.ts'

/** Names of datasets by the circle that they belong to. */
export interface Datasets { org: string[], team: string[], project: string[], personal: string[] }

export interface Tenant {
  name: string
  /** The id of its organization; absent: it is being created. */
  organization?: string
  displayName: string
  email: string
  team?: string
  /** US dollars a month; absent: no budget. */
  monthlyBudgetUsd?: number
  resources?: object
  skillAllowlist?: string[]
  policyRef?: string
  datasets: Datasets
  suspended: boolean
  createdAt: string
}

export interface Policy {
  name: string
  namespace?: string
  description?: string
  /** The tenants that it is about; absent: all. */
  tenantSelector?: { matchLabels?: Record<string, string>, matchTeam?: string }
  /** Of the network, not of access: kept, and enforced by the cluster. */
  domains?: object
  egressRules?: object[]
  /** Names of MCP servers. A denied one is denied; with `allow`, every one that it does not name is. */
  mcpServers?: { allow?: string[], deny?: string[] }
  createdAt: string
}

/** What an MCP server has besides the protected resource that it is. */
export interface Server {
  transport: string
  /** The tenants that may use it; empty: all. */
  grants: { tenant: string }[]
}

/** What is said of a skill bundle besides what the bundle says itself. */
export interface Skill { scope: string, tags?: string[], sourceName?: string }

/** Names of the API's own paths, which no tenant and no policy has. */
const reserved = ['drift', 'repair', 'global', 'accounts']

export class Declarations {
  readonly tenants = new Map<string, Tenant>()
  readonly policies = new Map<string, Policy>()
  /** By the id of the resource. */
  readonly servers = new Map<string, Server>()
  /** By the id of the bundle. */
  readonly skills = new Map<string, Skill>()
  readonly #file: string
  #changing: Promise<unknown> = Promise.resolve()

  /** `file`: made by the first change. */
  constructor (file: string) {
    this.#file = file
    this.#load(read(file))
  }

  /** As it is declared now: within a change, after every change before it. @throws Refusal TENANT_NOT_FOUND. */
  tenant (name: string): Tenant {
    const found = this.tenants.get(name)
    if (found === undefined) {
      throw new Refusal(404, 'TENANT_NOT_FOUND', `There is no tenant ${JSON.stringify(name)}.`)
    }
    return found
  }

  policy (name: string): Policy {
    const found = this.policies.get(name)
    if (found === undefined) {
      throw new Refusal(404, 'POLICY_NOT_FOUND', `There is no policy ${JSON.stringify(name)}.`)
    }
    return found
  }

  /** @throws Refusal VALIDATION_ERROR if the name is the API's own; CONFLICT if one has it. */
  requireFree (kind: 'tenants' | 'policies', name: string): void {
    if (reserved.includes(name)) {
      throw new Refusal(400, 'VALIDATION_ERROR', `name: ${name} is a path of this API; choose another name.`)
    }
    if (this[kind].has(name)) throw new Refusal(409, 'CONFLICT', `There is one named ${name} already; change that one.`)
  }

  /**
   * Makes one change after the other, each with its projection. Resolves once the file holds it; if it fails, what was
   * declared before is declared again.
   */
  async change<Result> (work: () => Promise<Result>): Promise<Result> {
    const turn = this.#changing.then(async () => {
      const before = structuredClone(this.#kept())
      try {
        const result = await work()
        await writeFile(`${this.#file}.new`, JSON.stringify(this.#kept()), { mode: 0o600 })
        await rename(`${this.#file}.new`, this.#file)
        return result
      } catch (error) {
        this.#load(before)
        throw error
      }
    })
    this.#changing = turn.catch(() => {})
    return await turn
  }

  #kept (): Kept {
    const { tenants, policies, servers, skills } = this
    return {
      tenants: [...tenants.values()],
      policies: [...policies.values()],
      servers: [...servers],
      skills: [...skills]
    }
  }

  #load ({ tenants, policies, servers, skills }: Kept): void {
    refill(this.tenants, tenants.map(tenant => [tenant.name, tenant]))
    refill(this.policies, policies.map(policy => [policy.name, policy]))
    refill(this.servers, servers)
    refill(this.skills, skills)
  }
}

interface Kept {
  tenants: Tenant[]
  policies: Policy[]
  servers: [id: string, server: Server][]
  skills: [id: string, skill: Skill][]
}

function refill<Value> (map: Map<string, Value>, entries: readonly (readonly [string, Value])[]): void {
  map.clear()
  for (const [name, value] of entries) map.set(name, value)
}

function read (file: string): Kept {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Kept
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    return { tenants: [], policies: [], servers: [], skills: [] }
  }
}
