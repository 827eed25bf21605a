/** `latchkey org-template …`: limits and features of the organizations that partners' keys provision. */
import { Command, Option } from 'commander'
import { segment } from '../api.ts'
import { calling, pageQuery, repeated, showPage, withPageFlags, type ListFlags, type Page } from '../command.ts'
import { limitChangeOf, limitsText, withLimitFlags, type LimitFlags, type Limits } from '../flags/limit-flags.ts'
import { fieldLines, instant, words } from '../print.ts'

interface Template extends Limits { id: string, name: string, features: string[], createdAt: string, createdBy: string }
interface TemplateFlags extends LimitFlags { feature?: string[] }

export function organizationTemplateCommands (): Command {
  const template = new Command('org-template').description('plans of the organizations that partners provision')
  withLimitFlags(template.command('create').description('create a template').argument('<name>'))
    .addOption(
      new Option('--feature <name>', 'a feature of its organizations; repeat it for several').argParser(repeated)
    )
    .action(
      calling<Template, TemplateFlags>(showTemplate, (api, { feature, ...flags }, name) =>
        api.post('/organization-templates', { name, features: feature, ...limitChangeOf(flags) }))
    )
  withPageFlags(template.command('list').description('list the templates, newest first'), { org: false })
    .action(
      calling<Page<Template>, ListFlags>(
        showTemplates, (api, flags) => api.get('/organization-templates', pageQuery(flags))
      )
    )
  template.command('show').description('show a template').argument('<id>')
    .action(calling(showTemplate, (api, _flags, id) => api.get(pathOf(id))))
  template.command('delete').description('delete a template: keys that name it provision nothing any more')
    .argument('<id>')
    .action(calling(() => 'It is deleted.\n', (api, _flags, id) => api.delete(pathOf(id))))
  return template
}

function pathOf (id: string): string {
  return `/organization-templates/${segment(id)}`
}

function showTemplate (template: Template): string {
  return fieldLines([
    ['id', template.id],
    ['name', template.name],
    ['features', words(template.features)],
    ['limits', limitsText(template)],
    ['created', `${instant(template.createdAt)} by ${template.createdBy}`],
  ])
}

const showTemplates = showPage<Template>(
  ['ID', 'NAME', 'LIMITS', 'CREATED'],
  template => [template.id, template.name, limitsText(template) ?? 'none', instant(template.createdAt)],
  'There is no template yet. Create one: npx latchkey org-template create NAME'
)
