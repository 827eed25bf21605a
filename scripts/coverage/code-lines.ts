/** Finds the lines of a TypeScript source that execute, and the function that each belongs to. */
import ts from 'typescript'

/** By its number, from 1, each line on which code begins: the name of the function around it. */
export type CodeLines = Map<number, string>

/** The lines of code of a source; none in one that only declares types. */
export function codeLines (text: string): CodeLines {
  const source = ts.createSourceFile('source.ts', text, ts.ScriptTarget.Latest, true)
  const lines: CodeLines = new Map()
  const visit = (node: ts.Node, around: string): void => {
    if (isErased(node)) return
    const name = nameOf(node, around)
    const line = source.getLineAndCharacterOfPosition(node.getStart(source)).line + 1
    if (node !== source && !lines.has(line)) lines.set(line, name)
    ts.forEachChild(node, child => visit(child, name))
  }
  visit(source, topLevel)
  return lines
}

const topLevel = '(top level)'

/** Whether a node does not execute: it is gone when types are stripped, or the end of the file. */
function isErased (node: ts.Node): boolean {
  return node.kind === ts.SyntaxKind.EndOfFileToken || ts.isTypeNode(node) ||
    ts.isInterfaceDeclaration(node) || ts.isTypeAliasDeclaration(node) ||
    (ts.isImportDeclaration(node) && node.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword) ||
    (ts.isExportDeclaration(node) && node.isTypeOnly)
}

/** A function in a function keeps the outer name before its own: `outer.inner`. */
function nameOf (node: ts.Node, around: string): string {
  const own = ownName(node)
  if (own === null) return around
  return around === topLevel ? own : `${around}.${own}`
}

/** Null: the node is not a function or class with a name. */
function ownName (node: ts.Node): string | null {
  if (ts.isConstructorDeclaration(node)) return 'constructor'
  const holdsFunction = (ts.isVariableDeclaration(node) || ts.isPropertyAssignment(node)) && node.initializer &&
    (ts.isArrowFunction(node.initializer) || ts.isFunctionExpression(node.initializer))
  if (holdsFunction || ts.isFunctionLike(node) || ts.isClassLike(node)) return node.name?.getText() ?? null
  return null
}
