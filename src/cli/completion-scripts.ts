import type { Command, Option } from 'commander';

/** What completion needs to know of one command. */
interface Node {
  /** `config show`; empty for the program itself. */
  path: string;
  children: { name: string; summary: string }[];
  options: { flags: string[]; takes: 'nothing' | 'file' | 'folder' | 'text'; choices: string[]; summary: string }[];
}

const SCRIPTS = { bash: bashScript, zsh: zshScript, fish: fishScript };
export type Shell = keyof typeof SCRIPTS;
export const SHELLS = Object.keys(SCRIPTS) as Shell[];

/** The completion script of a shell, made from the command tree itself. */
export function completionScript(shell: Shell, program: Command): string {
  return SCRIPTS[shell](listNodes(program, ''));
}

function listNodes(command: Command, path: string): Node[] {
  const children = command.commands.filter((child) => child.name() !== 'help');
  const help = command.createHelp();
  const node: Node = {
    path,
    children: children.map((child) => ({ name: child.name(), summary: child.summary() })),
    options: help.visibleOptions(command).map(describeOption),
  };
  return [node, ...children.flatMap((child) => listNodes(child, path === '' ? child.name() : `${path} ${child.name()}`))];
}

function describeOption(option: Option): Node['options'][number] {
  const value = /<(\w+)/.exec(option.flags)?.[1];
  const takes = !option.required && !option.optional ? 'nothing' : value === 'file' ? 'file' : value === 'dir' ? 'folder' : 'text';
  const flags = [option.short, option.long].filter((flag) => flag !== undefined);
  return { flags, takes, choices: option.argChoices ?? [], summary: option.description };
}

function bashScript(nodes: Node[]): string {
  const words = nodes.map(
    (node) =>
      `    '${node.path}') words='${[...node.children.map((child) => child.name), ...node.options.flatMap((option) => option.flags)].join(' ')}' ;;`,
  );
  const values = nodes.flatMap((node) =>
    node.options
      .filter((option) => option.takes !== 'nothing')
      .map((option) => {
        const pattern = option.flags.map((flag) => `'${node.path} ${flag}'`).join('|');
        if (option.choices.length > 0)
          return `    ${pattern}) COMPREPLY=($(compgen -W '${option.choices.join(' ')}' -- "$current")); return ;;`;
        if (option.takes === 'text') return `    ${pattern}) return ;;`;
        return `    ${pattern}) compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen ${option.takes === 'file' ? '-f' : '-d'} -- "$current")); return ;;`;
      }),
  );
  return `# hydrant completion for bash: source <(hydrant completion bash)
_hydrant() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD - 1]}" path='' words='' i
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "$path \${COMP_WORDS[i]}" in
${pathCases(nodes, '      ')}
    esac
  done
  COMPREPLY=()
  case "$path $previous" in
${values.join('\n')}
  esac
  case "$path" in
${words.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _hydrant hydrant
`;
}

function pathCases(nodes: Node[], indent: string): string {
  return nodes
    .flatMap((node) =>
      node.children.map((child) => `${indent}'${node.path} ${child.name}') path='${`${node.path} ${child.name}`.trim()}' ;;`),
    )
    .join('\n');
}

function zshScript(nodes: Node[]): string {
  const cases = nodes.map((node) => {
    const commands = node.children.map((child) => `'${zshText(child.name)}:${zshText(child.summary)}'`);
    const specs = node.options.map((option) => {
      const group = option.flags.length > 1 ? `'(${option.flags.join(' ')})'{${option.flags.join(',')}}` : option.flags[0];
      return `${group}'[${zshText(option.summary)}]${zshValue(option)}'`;
    });
    const rest =
      commands.length > 0
        ? `'1: :((${node.children.map((child) => `${child.name}\\:"${zshText(child.summary)}"`).join(' ')}))'`
        : "'*: :_default'";
    return `    '${node.path}')\n      _arguments -s ${[...specs, rest].join(' \\\n        ')} ;;`;
  });
  return `#compdef hydrant
# hydrant completion for zsh: hydrant completion zsh > "\${fpath[1]}/_hydrant"
_hydrant() {
  local path_='' i depth=1
  for ((i = 2; i < CURRENT; i++)); do
    case "$path_ \${words[i]}" in
${pathCases(nodes, '      ').replaceAll("path='", "path_='").replaceAll(' ;;', ' depth=$i ;;')}
    esac
  done
  words=("\${(@)words[depth,-1]}")
  ((CURRENT -= depth - 1))
  case "$path_" in
${cases.join('\n')}
  esac
}
if [[ $funcstack[1] == _hydrant ]]; then _hydrant "$@"; else compdef _hydrant hydrant; fi
`;
}

function zshValue(option: Node['options'][number]): string {
  if (option.takes === 'nothing') return '';
  if (option.choices.length > 0) return `:value:(${option.choices.join(' ')})`;
  return option.takes === 'file' ? ':file:_files' : option.takes === 'folder' ? ':folder:_files -/' : ':value: ';
}

function zshText(text: string): string {
  return text.replaceAll("'", "'\\''").replace(/[[\]:"]/g, (c) => `\\${c}`);
}

function fishScript(nodes: Node[]): string {
  const lines = nodes.flatMap((node) => [
    ...node.children.map(
      (child) => `complete -c hydrant -f -n '__hydrant_at "${node.path}"' -a ${child.name} -d ${fishText(child.summary)}`,
    ),
    ...node.options.map((option) => {
      const flags = option.flags.map((flag) => (flag.startsWith('--') ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`)).join(' ');
      const value =
        option.takes === 'nothing'
          ? ''
          : option.choices.length > 0
            ? ` -x -a '${option.choices.join(' ')}'`
            : option.takes === 'text'
              ? ' -x'
              : ' -r -F';
      return `complete -c hydrant -n '__hydrant_at "${node.path}"' ${flags}${value} -d ${fishText(option.summary)}`;
    }),
  ]);
  const paths = nodes.flatMap((node) => node.children.map((child) => `"${`${node.path} ${child.name}`.trim()}"`));
  return `# hydrant completion for fish: hydrant completion fish > ~/.config/fish/completions/hydrant.fish
function __hydrant_at
  set -l at ''
  for word in (commandline -opc)[2..]
    set -l next (string trim -- "$at $word")
    contains -- $next ${paths.join(' ')}; and set at $next
  end
  test "$at" = "$argv[1]"
end
${lines.join('\n')}
`;
}

function fishText(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}
