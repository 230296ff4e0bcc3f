import { type Command, exitCodes, parseOptions, UsageError } from '../command.ts'

/** The command that teaches a shell all commands, itself among them. */
export function createCompletion(others: () => Promise<readonly Command[]>): Command {
  const completion: Command = {
    name: 'completion',
    summary: 'a script that lets bash, zsh or fish complete commands and options',
    help: `usage: lockstep completion bash|zsh|fish

Prints a script for the shell to read at its start.

examples:
  lockstep completion bash > ~/.local/share/bash-completion/completions/lockstep
  lockstep completion zsh > "\${fpath[1]}/_lockstep"
  lockstep completion fish > ~/.config/fish/completions/lockstep.fish`,
    async run(args, output) {
      const [shell] = parseOptions(args, {}, 1).positionals
      if (shell === undefined) throw new UsageError('name the shell: bash, zsh or fish')
      const name = (['bash', 'zsh', 'fish'] as const).find((known) => known === shell)
      if (name === undefined) throw new UsageError(`bash, zsh and fish are known, not ${JSON.stringify(shell)}`)
      output.out(scripts[name]([...(await others()), completion]))
      return exitCodes.done
    },
  }
  return completion
}

const scripts = { bash, zsh, fish }

function bash(commands: readonly Command[]): string {
  const cases = commands.map((command) => `    ${command.name}) words="${optionsOf(command).join(' ')}" ;;`)
  return `# lockstep completion for bash
_lockstep() {
  local current="\${COMP_WORDS[COMP_CWORD]}" words
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "help ${names(commands).join(' ')}" -- "$current"))
    return
  fi
  case "\${COMP_WORDS[1]}" in
    help) words="${names(commands).join(' ')}" ;;
${cases.join('\n')}
  esac
  if [[ "$current" == -* || "\${COMP_WORDS[1]}" == help ]]; then
    COMPREPLY=($(compgen -W "$words" -- "$current"))
  else
    COMPREPLY=($(compgen -f -- "$current"))
  fi
}
complete -F _lockstep lockstep`
}

function zsh(commands: readonly Command[]): string {
  const described = commands.map(({ name, summary }) => `    '${name}:${quoted(summary)}'`)
  const cases = commands.map((command) => `    ${command.name}) compadd -- ${optionsOf(command).join(' ')}; _files ;;`)
  return `#compdef lockstep
_lockstep() {
  local -a commands=(
${described.join('\n')}
  )
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  case "$words[2]" in
    help) _describe command commands ;;
${cases.join('\n')}
  esac
}
compdef _lockstep lockstep`
}

function fish(commands: readonly Command[]): string {
  const lines = commands.flatMap((command) => [
    `complete -c lockstep -n __fish_use_subcommand -f -a ${command.name} -d '${quoted(command.summary)}'`,
    ...optionsOf(command).map(
      (option) => `complete -c lockstep -n '__fish_seen_subcommand_from ${command.name}' -l ${option.slice(2)}`,
    ),
  ])
  return ['# lockstep completion for fish', ...lines].join('\n')
}

function names(commands: readonly Command[]): readonly string[] {
  return commands.map(({ name }) => name)
}

/** The options that its help names: a test holds help and parser together. */
function optionsOf({ help }: Command): readonly string[] {
  return [...new Set(help.match(/(?<![\w-])--[a-z][a-z-]*/g) ?? []), '--help'].toSorted()
}

/** Within single quotes, where a colon ends a name. */
function quoted(text: string): string {
  return text.replaceAll("'", '’').replaceAll(':', ' -')
}
