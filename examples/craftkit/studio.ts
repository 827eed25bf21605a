/**
 * The example's business: templates and their renders, per project and environment, in memory. Independent of
 * credentials.
 */
import { randomUUID } from 'node:crypto'

export interface Template { id: string, text: string }

export interface Render {
  id: string
  template: string
  /** The id of the credential that made it. */
  owner: string
  /** The end user; null: none. */
  endUser: string | null
  watermarked: boolean
  text: string
}

export interface Project {
  name: string
  webhookTarget: string | null
  templates: Map<string, Template>
  renders: Map<string, Render>
}

export interface Studio {
  /** A project in an environment, created with two templates on first use. */
  of (projectId: string | null, environment: string): Project
}

export function openStudio (): Studio {
  const projects = new Map<string, Project>()
  return {
    of (projectId, environment) {
      const name = `${projectId}/${environment}`
      const project = projects.get(name) ?? newProject()
      projects.set(name, project)
      return project
    },
  }
}

function newProject (): Project {
  const templates = [{ id: 'tpl_invoice', text: 'Invoice for {{customer}}' }, {
    id: 'tpl_letter', text: 'Dear {{customer}},'
  }]
  return {
    name: 'Untitled',
    webhookTarget: null,
    templates: new Map(templates.map(template => [template.id, template])),
    renders: new Map()
  }
}

export type Order = Omit<Render, 'id' | 'text'> & { values: Readonly<Record<string, string>> }

/** Renders a template of the project. Null: there is none with this id. */
export function render (project: Project, { values, ...order }: Order): Render | null {
  const template = project.templates.get(order.template)
  if (template === undefined) return null
  const filled = template.text.replace(
    /\{\{(\w+)\}\}/g, (_, name: string) => Object.hasOwn(values, name) ? values[name]! : ''
  )
  const made: Render = { id: `rnd_${randomUUID()}`, ...order, text: order.watermarked ? `TEST ${filled} TEST` : filled }
  project.renders.set(made.id, made)
  return made
}
