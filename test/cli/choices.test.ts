/** What a flag can be is one list: the API's. The command line has no other, and the README shows the same. */
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { Command } from 'commander'
import tap from 'tap'
import { commands } from '../../src/cli/commands.ts'
import { errorStyleNames, styles } from '../../src/domain/resources/style.ts'
import { startServer, type Json } from '../support/test-server.ts'

const server = await startServer()
tap.teardown(server.close)
const document = (await server.send({ path: '/api/v1/openapi.json' })).json

/** Each flag with choices: the operation and the member or parameter that it becomes. */
const members: Record<string, [method: string, path: string, member: string]> = {
  'resource create --style': ['post', '/api/v1/resources', 'style'],
  'resource update --style': ['patch', '/api/v1/resources/{id}', 'style'],
  'resource create --algorithm': ['post', '/api/v1/resources', 'signingAlgorithm'],
  'resource update --algorithm': ['patch', '/api/v1/resources/{id}', 'signingAlgorithm'],
  'org credits --env': ['post', '/api/v1/organizations/{id}/credits', 'environment'],
  'member create --role': ['post', '/api/v1/members', 'role'],
  'member update --role': ['patch', '/api/v1/members/{id}', 'role'],
  'policy create --effect': ['post', '/api/v1/policies', 'effect'],
  'policy update --effect': ['patch', '/api/v1/policies/{id}', 'effect'],
  'key list --status': ['get', '/api/v1/api-keys', 'status'],
  'key create --env': ['post', '/api/v1/api-keys', 'environment'],
  'key create --access': ['post', '/api/v1/api-keys', 'access'],
  'key update --access': ['patch', '/api/v1/api-keys/{id}', 'access'],
  'key import --env': ['post', '/api/v1/api-keys/import', 'environment'],
  'key import --access': ['post', '/api/v1/api-keys/import', 'access'],
  'publishable-key create --env': ['post', '/api/v1/publishable-keys', 'environment'],
  'access-token list --status': ['get', '/api/v1/access-tokens', 'status'],
  'signing-key list --state': ['get', '/api/v1/signing-keys', 'state'],
  'signing-key list --algorithm': ['get', '/api/v1/signing-keys', 'algorithm'],
  'signing-key rotate --algorithm': ['post', '/api/v1/signing-keys/rotate', 'algorithm'],
  'replicas lost --state': ['get', '/api/v1/lost-changes', 'state'],
  'client create --auth-method': ['post', '/api/v1/clients', 'tokenEndpointAuthMethod'],
  'client create --assertion-profile': ['post', '/api/v1/clients', 'assertionProfile'],
  'client update --assertion-profile': ['patch', '/api/v1/clients/{id}', 'assertionProfile'],
}

function flagsOf (command: Command, path: string): [flag: string, choices: readonly string[]][] {
  const own = command.options.filter(({ argChoices }) => argChoices !== undefined)
  return [
    ...own.map(({ long, argChoices }): [string, string[]] => [`${path} ${long}`, argChoices!]),
    ...command.commands.flatMap(each => flagsOf(each, `${path} ${each.name()}`)),
  ]
}

function resolved (schema: Json | undefined): Json {
  const name = schema?.$ref?.split('/').at(-1)
  return name === undefined ? schema ?? {} : document.components.schemas[name]
}

function valuesOf ([method, path, member]: [string, string, string]): string[] | undefined {
  const { requestBody, parameters = [] } = document.paths[path]?.[method] ?? {}
  const parameter = parameters.find(({ name }: Json) => name === member)
  const body = resolved(requestBody?.content['application/json'].schema)
  return resolved(parameter?.schema ?? body.properties?.[member]).enum
}

tap.test('every flag with choices takes what the API takes, and no less', async t => {
  const flags = commands().flatMap(command => flagsOf(command, command.name()))
  t.strictSame(
    flags.map(([flag]) => flag).filter(flag => members[flag] === undefined),
    [],
    'flags that are compared with nothing'
  )
  for (const [flag, choices] of flags) {
    t.strictSame(
      [...choices].sort(),
      [...valuesOf(members[flag]!) ?? []].sort(),
      flag
    )
  }
})

tap.test('the README names every style that there is', async t => {
  const readme = readFileSync(join(resolve(import.meta.dirname, '../..'), 'README.md'), 'utf8')
  const [, sentence] = /The styles are ([^.]+)\./.exec(readme.replaceAll('\n', ' '))!
  t.strictSame([...sentence!.matchAll(/`([^`]+)`/g)].map(match => match[1]), [...errorStyleNames])
  t.strictSame(Object.keys(styles), [...errorStyleNames])
})
