/** Example values of schemas: the schema's own example, or one built from its parts. */

/** The keywords of JSON Schema that the routes use. */
export interface Schema {
  title?: string
  type?: string
  description?: string
  properties?: Record<string, Schema>
  required?: string[]
  items?: Schema
  anyOf?: Schema[]
  const?: unknown
  enum?: unknown[]
  examples?: unknown[]
  minimum?: number
  format?: string
  content?: Record<string, { schema: Schema }>
  [keyword: string]: unknown
}

/** An instance of the schema. An optional member is included only if it has an example of its own. */
export function exampleOf (schema: Schema): unknown {
  if (schema.examples !== undefined) return schema.examples[0]
  if (schema.const !== undefined) return schema.const
  if (schema.enum !== undefined) return schema.enum[0]
  if (schema.anyOf !== undefined) return exampleOfUnion(schema.anyOf)
  switch (schema.type) {
    case 'object': return exampleOfObject(schema)
    case 'array': return schema.items !== undefined && isIllustrated(schema.items) ? [exampleOf(schema.items)] : []
    case 'integer': case 'number': return schema.minimum ?? 0
    case 'boolean': return false
    case 'string': return schema.format === 'date-time' ? '2026-11-22T19:48:29.000Z' : 'text'
    default: return null
  }
}

function exampleOfUnion (schemas: Schema[]): unknown {
  const told = schemas.find(isIllustrated)
  if (told !== undefined) return exampleOf(told)
  return schemas.some(({ type }) => type === 'null') ? null : exampleOf(schemas[0] ?? {})
}

function exampleOfObject ({ properties = {}, required = [] }: Schema): Record<string, unknown> {
  const shown = Object.entries(properties).filter(([name, { examples }]) =>
    required.includes(name) || examples !== undefined
  )
  return Object.fromEntries(shown.map(([name, schema]) => [name, exampleOf(schema)]))
}

function isIllustrated ({ examples, enum: values, properties = {}, items }: Schema): boolean {
  return examples !== undefined || values !== undefined || Object.values(properties).some(isIllustrated) ||
    (items !== undefined && isIllustrated(items))
}
