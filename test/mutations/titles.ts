/** The titles of all tests, read from their sources, and a seeded draw of some of them. */
import { createHash } from 'node:crypto'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import ts from 'typescript'

/** A test by its file and its title as in the source: `${name}` stays `${name}`. */
export interface TitledTest {
  file: string
  title: string
  /** The titles of the enclosing blocks, the outermost first. */
  around: readonly string[]
}

/** All tests under `root`, file by file: titled blocks without further titled blocks in them. */
export function titledTests (root: string): TitledTest[] {
  const files = globSync('test/**/*.test.ts', { cwd: root }).sort()
  return files.flatMap(file => testsIn(join(root, file)).map(test => ({ file, ...test })))
}

/**
 * Draws `size` tests in a seeded order. The order is that of digests, so that a test that is added, removed or moved to
 * another file does not move any other.
 */
export function draw (tests: readonly TitledTest[], { seed, size }: { seed: string, size: number }): TitledTest[] {
  const ordered = tests.map(test => ({
    test, place: createHash('sha256').update(`${seed}\n${test.title}`).digest('hex')
  }))
  return ordered.sort((one, other) => one.place < other.place ? -1 : one.place > other.place ? 1 : 0).slice(0, size)
    .map(each => each.test)
}

/** Matches tap's name of a test with this title: placeholders filled in, the database's name before or behind it. */
export function nameOf (title: string): RegExp {
  const fixed = title.split(/\$\{[^}]*\}/).map(each => each.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
  const database = '\\[(sqlite|postgresql)\\]'
  return new RegExp(`^(${database} )?${fixed.join('.*')}( ${database})?$`, 's')
}

function testsIn (path: string): Omit<TitledTest, 'file'>[] {
  return innermost(ts.createSourceFile(path, readFileSync(path, 'utf8'), ts.ScriptTarget.Latest, true), [])
}

/** The innermost titled blocks at or below a node. */
function innermost (node: ts.Node, around: readonly string[]): Omit<TitledTest, 'file'>[] {
  const title = titleOf(node)
  const inside = title === null ? around : [...around, title]
  const inner: Omit<TitledTest, 'file'>[] = []
  ts.forEachChild(node, child => { inner.push(...innermost(child, inside)) })
  return title === null || inner.length > 0 ? inner : [{ title, around }]
}

/**
 * The title, if the node is a call of `test('…', …)` or `t.test('…', …)`; null for a wrapper that only forwards a
 * title.
 */
function titleOf (node: ts.Node): string | null {
  if (!ts.isCallExpression(node) || node.arguments.length < 2) return null
  const callee = ts.isPropertyAccessExpression(node.expression) ? node.expression.name : node.expression
  if (!ts.isIdentifier(callee) || callee.text !== 'test') return null
  const title = node.arguments[0]!
  if (!ts.isStringLiteral(title) && !ts.isTemplateLiteral(title)) return null
  const text = ts.isTemplateExpression(title) ? title.getText().slice(1, -1) : title.text
  return /[a-z]/i.test(text.replace(/\$\{[^}]*\}/g, '')) ? text : null
}
