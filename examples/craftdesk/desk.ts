/**
 * The example's business: projects and their tasks, per workspace and environment, in memory. Independent of
 * credentials.
 */

export interface Task { id: string, title: string, done: boolean }
export interface Project { id: string, name: string, tasks: Task[] }

export interface Desk {
  /** The projects of a workspace; none on first use. */
  of (workspaceId: string | null, environment: string): Map<string, Project>
}

export function openDesk (): Desk {
  const workspaces = new Map<string, Map<string, Project>>()
  return {
    of (workspaceId, environment) {
      const name = `${workspaceId}/${environment}`
      const projects = workspaces.get(name) ?? new Map<string, Project>()
      workspaces.set(name, projects)
      return projects
    },
  }
}

/** Numbered within its workspace: prj_1, prj_2, … */
export function startProject (projects: Map<string, Project>, name: string): Project {
  const project: Project = { id: `prj_${projects.size + 1}`, name, tasks: [] }
  projects.set(project.id, project)
  return project
}

export function addTask ({ id, tasks }: Project, title: string): Task {
  const task: Task = { id: `${id}_tsk_${tasks.length + 1}`, title, done: false }
  tasks.push(task)
  return task
}
