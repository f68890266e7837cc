import t from 'tap'
import ts from 'typescript'
import { sources } from '../sources.js'

const has = (node: ts.Node, kind: ts.SyntaxKind) =>
  ts.canHaveModifiers(node) && (ts.getModifiers(node) ?? []).some((modifier) => modifier.kind === kind)

/** Members of an interface, or public members of a class. Constructors need no docstring. */
function membersOf(node: ts.Node): readonly ts.Node[] {
  if (ts.isInterfaceDeclaration(node)) return node.members
  if (!ts.isClassDeclaration(node)) return []
  const isPublic = (member: ts.ClassElement) =>
    !has(member, ts.SyntaxKind.PrivateKeyword) && !(member.name && ts.isPrivateIdentifier(member.name))
  const isInternal = (member: ts.ClassElement) =>
    ts.isConstructorDeclaration(member) || ts.isClassStaticBlockDeclaration(member)
  return node.members.filter((member) => isPublic(member) && !isInternal(member))
}

/** Lists `file:line name` of each exported declaration, and each of its members, that has no docstring. */
function missingDocstrings(file: string, text: string): string[] {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true)
  // Names that `export { … }` lists apart from their declaration.
  const listed = new Set<string>()
  for (const node of source.statements)
    if (ts.isExportDeclaration(node) && !node.moduleSpecifier && node.exportClause)
      if (ts.isNamedExports(node.exportClause))
        for (const { name, propertyName } of node.exportClause.elements) listed.add((propertyName ?? name).text)

  // Overloads share a name: the declaration counts as documented if one of them has a docstring.
  const declarations = new Map<string, { line: number; documented: boolean }>()
  const add = (node: ts.Node, name: string) => {
    const line = source.getLineAndCharacterOfPosition(node.getStart(source)).line + 1
    const documented = ts.getJSDocCommentsAndTags(node).some(ts.isJSDoc)
    const known = declarations.get(name)
    declarations.set(name, { line: known?.line ?? line, documented: documented || (known?.documented ?? false) })
  }
  const nameOf = (node: ts.Node) => ts.getNameOfDeclaration(node as ts.Declaration)?.getText(source)
  for (const node of source.statements) {
    const isExported = (name: string) => has(node, ts.SyntaxKind.ExportKeyword) || listed.has(name)
    if (ts.isVariableStatement(node)) {
      for (const { name } of node.declarationList.declarations)
        if (isExported(name.getText(source))) add(node, name.getText(source))
    } else if (
      ts.isFunctionDeclaration(node) ||
      ts.isClassDeclaration(node) ||
      ts.isInterfaceDeclaration(node) ||
      ts.isTypeAliasDeclaration(node)
    ) {
      const name = nameOf(node) ?? 'default'
      if (!isExported(name)) continue
      add(node, name)
      for (const member of membersOf(node)) {
        const accessor = ts.isGetAccessor(member) || ts.isSetAccessor(member)
        add(member, `${name}.${nameOf(member) ?? (accessor ? 'accessor' : '(signature)')}`)
      }
    }
  }
  return [...declarations]
    .filter(([, { documented }]) => !documented)
    .map(([name, { line }]) => `${file}:${line} ${name}`)
}

t.test('every export, and every member of an exported interface or class, has a docstring', async (t) => {
  const files = sources()
  t.ok(files.size > 150, `${files.size} files were read`)
  t.strictSame(
    [...files].flatMap(([file, text]) => missingDocstrings(file, text)),
    [],
  )
})

t.test('declarations without a docstring are reported with file, line and name', async (t) => {
  const text = `
/** Has one. */
export const documented = 1
export const bare = 2
// A plain comment is no docstring.
export function plain(): void {}
/** The first overload is documented. */
export function twice(value: string): void
export function twice(value: number): void
export function twice(): void {}
export type Alias = { inline: number }
/** Has one. */
export interface Shape {
  area: number
  /** Has one. */
  name: string
}
/** Has one. */
export class Box {
  private hidden = 1
  #secret = 2
  width = 3
  constructor(readonly height: number) {}
  volume(): number { return this.hidden + this.#secret }
}
const later = 1
const local = 2
export { later }
export { other } from './other.js'
`
  t.strictSame(missingDocstrings('a.ts', text), [
    'a.ts:4 bare',
    'a.ts:6 plain',
    'a.ts:11 Alias',
    'a.ts:14 Shape.area',
    'a.ts:22 Box.width',
    'a.ts:24 Box.volume',
    'a.ts:26 later',
  ])
})
