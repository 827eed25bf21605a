import t from 'tap'
import { Type as TypeBox } from 'typebox'
import { Type } from '../../src/http/typebox-lite.ts'

/** Each builder, with and without options. */
const samples = (build: typeof Type) => ({
  Array: [build.Array(build.String()), build.Array(build.Integer(), { minItems: 1 })],
  Boolean: [build.Boolean(), build.Boolean({ description: 'a' })],
  Enum: [build.Enum(['a', 'b']), build.Enum(['a'], { title: 'A' })],
  Integer: [build.Integer(), build.Integer({ minimum: 1 })],
  Literal: [build.Literal('a', { description: 'a' }), build.Literal(1), build.Literal(true)],
  Null: [build.Null(), build.Null({ description: 'a' })],
  Number: [build.Number(), build.Number({ maximum: 0.5 })],
  Object: [
    build.Object({}),
    build.Object({ a: build.String(), b: build.Optional(build.String()), c: build.Integer() }, {
      additionalProperties: false
    }),
    build.Object({ a: build.Optional(build.Object({ b: build.String() })) })
  ],
  Optional: [build.Object({
    a: build.With(build.Optional(build.String()), { description: 'a' }),
    b: build.Optional(build.With(build.String(), { description: 'b' })),
    c: build.Unsafe(build.Optional(build.String())),
    d: build.Optional(build.Optional(build.String())),
  })],
  Partial: [
    build.Partial(build.Object({ a: build.String(), b: build.Optional(build.String()) })),
    build.Object({ ...build.Partial(build.Object({ a: build.String() })).properties, b: build.String() })
  ],
  Record: [
    build.Record(build.String(), build.Unknown()),
    build.Record(build.String({ pattern: '^[a-z]+$' }), build.String(), { maxProperties: 3 })
  ],
  String: [build.String(), build.String({ pattern: '^a$', maxLength: 1 })],
  Union: [build.Union([build.String(), build.Null()]), build.Union([build.String()], { description: 'a' })],
  Unknown: [build.Unknown(), build.Unknown({ description: 'a' })],
  Unsafe: [build.Unsafe<string>(build.String({ title: 'A' }))],
  With: [build.With(build.String({ title: 'A' }), { title: 'B', description: 'b' })],
})

t.test('a schema is what TypeBox makes of the same words, in every builder', async t => {
  const [ours, theirs] = [samples(Type), samples(TypeBox)]
  t.strictSame(Object.keys(ours).sort(), Object.keys(Type).sort(), 'no builder was left out')
  for (const [name, schemas] of Object.entries(ours)) {
    t.strictSame(
      JSON.parse(JSON.stringify(schemas)), JSON.parse(JSON.stringify(theirs[name as keyof typeof theirs])), name
    )
  }
})

t.test('what is optional in one object is not so wherever its schema is used', async t => {
  const text = Type.String()
  Type.Optional(text)
  t.strictSame(Type.Object({ text }).required, ['text'])
})
