import { readFileSync } from 'node:fs';
import ts from 'typescript';

const INDEX = new URL('../src/client/index.ts', import.meta.url);

/** What a reader wants to see before all else; then come functions, then the rest. */
const FIRST = ['openClient', 'ClientOptions', 'Client', 'PublishRequest', 'Publication'];

type Declared = ts.FunctionDeclaration | ts.InterfaceDeclaration | ts.TypeAliasDeclaration | ts.ClassDeclaration;

/** docs/reference/client.md, from the docstrings of what src/client/index.ts exports. */
export function clientPage(): string {
  const declared = exportedNames(INDEX).map(({ name, from }) => findDeclaration(name, from));
  const rank = (one: Declared): number => {
    const at = FIRST.indexOf(one.name!.text);
    return at === -1 ? FIRST.length + (ts.isFunctionDeclaration(one) ? 0 : 1) : at;
  };
  const sorted = declared.sort((a, b) => rank(a) - rank(b));
  return `# \`hydrant/client\`

What \`import { … } from 'hydrant/client'\` has. [The guide](../guide/device-client.md) says how it is used, [errors.md](errors.md) what the codes mean.

${sorted.map((one) => `- [\`${one.name!.text}\`](#${one.name!.text.toLowerCase()})`).join('\n')}

${sorted.map(section).join('\n\n')}

Generated from \`src/client/\` by \`npm run docs\`.
`;
}

/** What a module gives on under its own name, in its order. */
function exportedNames(module: URL): { name: string; from: URL }[] {
  return parse(module).statements.flatMap((statement) => {
    if (!ts.isExportDeclaration(statement) || !statement.moduleSpecifier || !statement.exportClause) return [];
    const from = new URL((statement.moduleSpecifier as ts.StringLiteral).text, module);
    const { elements } = statement.exportClause as ts.NamedExports;
    return elements.map(({ name }) => ({ name: name.text, from }));
  });
}

function findDeclaration(name: string, module: URL): Declared {
  for (const statement of parse(module).statements) {
    const isOne = ts.isFunctionDeclaration(statement) || ts.isClassDeclaration(statement) || ts.isInterfaceDeclaration(statement);
    if ((isOne || ts.isTypeAliasDeclaration(statement)) && statement.name?.text === name) return statement;
  }
  const passedOn = exportedNames(module).find((one) => one.name === name);
  if (!passedOn) throw new Error(`${module.pathname} has no ${name}`);
  return findDeclaration(name, passedOn.from);
}

function parse(module: URL): ts.SourceFile {
  return ts.createSourceFile(module.pathname, readFileSync(module, 'utf8'), ts.ScriptTarget.Latest, true);
}

function section(declared: Declared): string {
  const heading = `## \`${declared.name!.text}\``;
  if (ts.isFunctionDeclaration(declared) || ts.isTypeAliasDeclaration(declared))
    return [heading, `\`\`\`ts\n${headOf(declared)}\n\`\`\``, docOf(declared)].filter(Boolean).join('\n\n');
  const inherited = declared.heritageClauses?.map((clause) => ` ${clause.getText()}`).join('') ?? '';
  const members = (declared.members as ts.NodeArray<ts.TypeElement | ts.ClassElement>).filter(isPublic).map(memberLine);
  return [inherited ? `${heading}${inherited}` : heading, docOf(declared), members.join('\n')].filter(Boolean).join('\n\n');
}

function isPublic(member: ts.TypeElement | ts.ClassElement): boolean {
  return !(member.name && ts.isPrivateIdentifier(member.name));
}

function memberLine(member: ts.TypeElement | ts.ClassElement): string {
  const doc = docOf(member).replaceAll(/\n+/g, ' ');
  return `- \`${headOf(member).replace(/;$/, '')}\`${doc ? `: ${doc}` : ''}`;
}

/** A declaration without its body. */
function headOf(node: ts.Node): string {
  const { body } = node as { body?: ts.Node };
  const text = body ? node.getSourceFile().text.slice(node.getStart(), body.getStart()) : node.getText();
  const plain = text.replaceAll(/\/\*\*.*?\*\//gs, '').replace(/^export (async )?/, '');
  return plain
    .trim()
    .replaceAll(/\s+/g, ' ')
    .replaceAll(/([({]) | (?=[)])/g, (space, bracket: string | undefined) => (bracket === '{' ? space : (bracket ?? '')));
}

function docOf(node: ts.Node): string {
  const texts: string[] = [];
  for (const doc of ts.getJSDocCommentsAndTags(node).filter(ts.isJSDoc)) {
    texts.push(paragraph(doc.comment));
    for (const tag of doc.tags ?? []) texts.push(tagText(tag));
  }
  return texts.filter(Boolean).join('\n\n');
}

function tagText(tag: ts.JSDocTag): string {
  const text = paragraph(tag.comment);
  if (ts.isJSDocParameterTag(tag)) return `\`${tag.name.getText()}\`: ${text}`;
  return tag.tagName.text === 'throws' ? `*Throws* ${text}` : `*Returns* ${text}`;
}

function paragraph(comment: ts.JSDoc['comment']): string {
  return (ts.getTextOfJSDocComment(comment) ?? '').replaceAll(/(?<!\n)\n(?!\n)/g, ' ').trim();
}
