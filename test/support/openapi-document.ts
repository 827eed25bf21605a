/** Checks answers against the served OpenAPI document: a route may answer only with what it documents. */
import type { ValidateFunction } from 'ajv'
import { Ajv2020 } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import type { Json } from './test-server.ts'

/** An operation of the document, with its path. */
export interface Operation extends Json { method: string, path: string, operationId: string }

export interface Judged { status: number, headers: Record<string, unknown>, text: string }

/** Every operation of a document. */
export function operationsOf (document: Json): Operation[] {
  return Object.entries(document.paths as Json).flatMap(([path, methods]) =>
    Object.entries(methods as Json).map(([method, operation]) => ({ ...operation, method: method.toUpperCase(), path }))
  )
}

/**
 * The faults of an answer, a sentence each: an undocumented status, an undocumented content type, a body that does not
 * match its schema or has further members. Null: the document has no such operation.
 */
export function judgeOf (served: Json): (method: string, target: string, answer: Judged) => string[] | null {
  const document = closed(served) as Json
  const ajv = new Ajv2020({ strict: false, allErrors: true })
  addFormats.default(ajv)
  ajv.addSchema({ $id: 'openapi', ...document })
  const operations = operationsOf(document).map(operation => ({ ...operation, pattern: patternOf(operation.path) }))
    .sort((one, other) => one.path.split('{').length - other.path.split('{').length)
  const compiled = new Map<string, ValidateFunction>()
  const validatorAt = (pointer: string): ValidateFunction => {
    const known = compiled.get(pointer) ?? ajv.compile({ $ref: `openapi#${pointer}` })
    compiled.set(pointer, known)
    return known
  }

  return (method, target, { status, headers, text }) => {
    const path = target.split('?')[0]!
    const operation = isRouted(path, status)
      ? operations.find(each => each.method === method && each.pattern.test(path))
      : undefined
    if (operation === undefined) return null
    const { pointer, response } = responseOf(document, operation, status)
    if (response === undefined) return [`${operation.operationId} does not announce ${status}: ${text.slice(0, 300)}`]
    const type = String(headers['content-type'] ?? '').split(';')[0]!
    if (response.content === undefined) {
      return text === ''
        ? []
        : [`${operation.operationId} announces no body for ${status}`]
    }
    if (response.content[type] === undefined) {
      return [`${operation.operationId} does not announce ${type} for ${status}`]
    }
    if (!type.endsWith('json')) return []
    const validate = validatorAt(`${pointer}/content/${escaped(type)}/schema`)
    return documentsIn(type, text).flatMap(value =>
      validate(value)
        ? []
        : (validate.errors ?? []).map(error =>
          `${operation.operationId} ${status}: ${error.instancePath} ${error.message} ${
            JSON.stringify(error.params)
          }: ${JSON.stringify(value).slice(0, 300)}`
          )
    )
  }
}

function responseOf (
  document: Json, { path, method, responses }: Operation, status: number
): { pointer: string, response: Json | undefined } {
  const response = responses[status]
  if (response?.$ref === undefined) {
    return { pointer: `/paths/${escaped(path)}/${method.toLowerCase()}/responses/${status}`, response }
  }
  const name = String(response.$ref).replace('#/components/responses/', '')
  return { pointer: `/components/responses/${name}`, response: document.components.responses[name] }
}

/** NDJSON has a value on each line. */
function documentsIn (type: string, text: string): unknown[] {
  return type.endsWith('ndjson')
    ? text.split('\n').filter(line => line !== '').map(line => JSON.parse(line))
    : [JSON.parse(text)]
}

/** The last parameter of a path may contain slashes. */
function patternOf (path: string): RegExp {
  return new RegExp(
    `^${path.replace(/[.*+?^$()|[\]\\]/g, '\\$&').replace('{path}', '.+').replace(/\{\w+\}/g, '[^/]+')}$`
  )
}

/** A path that is too long, or cannot be decoded, reaches no operation. */
function isRouted (path: string, status: number): boolean {
  try {
    return status !== 431 && path.split('/').every(step => decodeURIComponent(step).length <= 1_536)
  } catch {
    return false
  }
}

function escaped (name: string): string {
  return encodeURIComponent(name.replaceAll('~', '~0').replaceAll('/', '~1'))
}

/** The same document with objects closed to further members. */
function closed (schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(closed)
  if (typeof schema !== 'object' || schema === null) return schema
  const inner = Object.fromEntries(Object.entries(schema).map(([keyword, value]) => [keyword, closed(value)]))
  return inner.type === 'object' && inner.properties !== undefined && inner.additionalProperties === undefined
    ? { ...inner, additionalProperties: false }
    : inner
}
