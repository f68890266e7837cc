/** The shells with completion. */
type Shell = 'bash' | 'zsh' | 'fish'

/*
 * Each script asks `millrace complete` for the words, and falls back on files. Words are never given to the shell to expand.
 */
const scripts: Readonly<Record<Shell, string>> = {
  bash: `# Completion of millrace in bash: eval "$(millrace completion bash)"
_millrace() {
  local word
  COMPREPLY=()
  while IFS= read -r word; do COMPREPLY+=("$word"); done < <(
    millrace complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null
  )
  case "\${COMPREPLY[0]-}" in *=) compopt -o nospace 2>/dev/null ;; esac
}
complete -o default -F _millrace millrace
`,
  zsh: `#compdef millrace
# Completion of millrace in zsh: eval "$(millrace completion zsh)"
_millrace() {
  local -a found
  found=("\${(@f)$(millrace complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  found=(\${found:#})
  if (( \${#found} == 0 )); then _files
  elif [[ \${found[1]} == *= ]]; then compadd -S '' -- "\${found[@]}"
  else compadd -- "\${found[@]}"; _files
  fi
}
compdef _millrace millrace
`,
  fish: `# Completion of millrace in fish: millrace completion fish | source
complete -c millrace -a '(millrace complete -- (commandline -opc)[2..-1] (commandline -ct) 2>/dev/null)'
`,
}

/** The script that makes a shell complete the commands of Millrace. */
export function completionScript(shell: Shell): string {
  return scripts[shell]
}
