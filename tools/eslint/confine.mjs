/**
 * ESLint rule `switchyard/confine`: keeps a module, a global or a member (`Date.now`) inside the files that may use it.
 * One rule over one table, because ESLint's own no-restricted-* rules replace each other when several configs match a file.
 *
 * @typedef {object} Confinement
 * @property {string} name         what is confined, for the message
 * @property {RegExp} [module]     module specifiers this is about
 * @property {string} [global]     a global variable this is about
 * @property {string} [member]     `object.property` this is about
 * @property {string[]} [onlyIn]   globs of the files that may
 * @property {string[]} [notIn]    globs of the files that may not
 * @property {string[]} [typesIn]  globs of the files that may import types of it, in addition
 * @property {string[]} [except]   globs to which the entry does not apply
 * @property {string} why
 */
import { matchesGlob, relative, sep } from 'node:path';

const matchesAny = (file, globs = []) => globs.some((glob) => matchesGlob(file, glob));

function isForbidden(file, { onlyIn, notIn, except }) {
  if (matchesAny(file, except)) return false;
  return onlyIn ? !matchesAny(file, onlyIn) : matchesAny(file, notIn);
}

export const confine = {
  meta: {
    type: 'problem',
    docs: { description: 'Keep modules, globals and members inside the files that may use them' },
    schema: [{ type: 'array' }],
    messages: { confined: '{{name}}: {{why}}' },
  },
  create(context) {
    const file = relative(context.cwd, context.filename).split(sep).join('/');
    const active = context.options[0].filter((entry) => isForbidden(file, entry));
    if (active.length === 0) return {};
    const report = (node, { name, why }) => context.report({ node, messageId: 'confined', data: { name, why } });

    function checkModule(node, source, isTypeOnly) {
      if (source?.type !== 'Literal' || typeof source.value !== 'string') return;
      for (const entry of active) {
        if (!entry.module?.test(source.value)) continue;
        if (isTypeOnly && matchesAny(file, entry.typesIn)) continue;
        report(node, entry);
      }
    }

    const isShadowed = (scope, name) => {
      for (let current = scope; current; current = current.upper) {
        const variable = current.set.get(name);
        if (variable) return variable.defs.length > 0;
      }
      return false;
    };

    const isGlobal = (node, name) => node.type === 'Identifier' && node.name === name && !isShadowed(context.sourceCode.getScope(node), name);

    function checkIdentifier(node) {
      for (const entry of active) {
        if (entry.global !== node.name || !isValuePosition(node) || !isGlobal(node, entry.global)) continue;
        report(node, entry);
      }
    }

    function checkMember(node) {
      const property = node.computed ? node.property.value : node.property.name;
      for (const entry of active) {
        if (!entry.member) continue;
        const [object, name] = entry.member.split('.');
        if (property === name && isGlobal(node.object, object)) report(node, entry);
      }
    }

    return {
      ImportDeclaration: (node) => checkModule(node, node.source, node.importKind === 'type'),
      ExportNamedDeclaration: (node) => checkModule(node, node.source, node.exportKind === 'type'),
      ExportAllDeclaration: (node) => checkModule(node, node.source, node.exportKind === 'type'),
      ImportExpression: (node) => checkModule(node, node.source, false),
      Identifier: checkIdentifier,
      MemberExpression: checkMember,
    };
  },
};

/** False where an identifier only names something: a property, a key, a declared name, a type. */
function isValuePosition(node) {
  const { parent } = node;
  if (parent.type === 'MemberExpression') return parent.object === node || parent.computed;
  if (parent.type === 'Property') return parent.value === node || parent.computed;
  if (parent.type.startsWith('TS')) return /^TS(As|NonNull|Satisfies|TypeAssertion|Instantiation)/.test(parent.type);
  if (/^(PropertyDefinition|MethodDefinition)$/.test(parent.type)) return parent.value === node;
  return !/^(Import|Export)\w*Specifier$/.test(parent.type);
}
