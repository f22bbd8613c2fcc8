/** The scripts by which shells complete the command line; the words come from `__complete`, see completion.ts. */

/** Bash breaks words at `=` and `:` too: they are joined again, and of the answers only what is behind `=` is given back. */
const BASH = `# bash completion for PROGRAM
FUNCTION() {
  local words=() line=\${COMP_LINE:0:COMP_POINT} word blanks i
  for ((i = 0; i <= COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    blanks=\${line%%[![:space:]]*}
    line=\${line#"$blanks"}
    ((i < COMP_CWORD)) || word=$line
    line=\${line#"$word"}
    if [[ -n $blanks || i -eq 0 ]]; then words+=("$word"); else words[-1]+=$word; fi
  done
  local current=\${words[-1]} before= answer
  [[ $COMP_WORDBREAKS != *=* || $current != -*=* ]] || before=\${current%%=*}=
  COMPREPLY=()
  while IFS= read -r answer; do
    case $answer in
      :files) compopt -o filenames; mapfile -t -O "\${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "\${current#"$before"}") ;;
      :directories) compopt -o filenames; mapfile -t -O "\${#COMPREPLY[@]}" COMPREPLY < <(compgen -d -- "\${current#"$before"}") ;;
      :*) ;;
      *) answer=\${answer%%$'\\t'*}; COMPREPLY+=("\${answer#"$before"}") ;;
    esac
  done < <("\${words[0]}" __complete "\${words[@]:1}" 2>/dev/null)
}
complete -F FUNCTION PROGRAM
`;

const ZSH = `#compdef PROGRAM
# zsh completion for PROGRAM
FUNCTION() {
  local answer word paths=
  local -a candidates
  for answer in "\${(@f)$("\${(Q)words[1]}" __complete "\${(@Q)words[2,CURRENT-1]}" "\${(Q)PREFIX}" 2>/dev/null)}"; do
    case $answer in
      :*) paths=$answer ;;
      *)
        word=\${answer%%$'\\t'*}
        [[ $PREFIX != -*=* ]] || word=\${word#*=}
        word=\${word//:/\\\\:}
        if [[ $answer == *$'\\t'* ]]; then candidates+=("$word:\${answer#*$'\\t'}"); else candidates+=("$word"); fi
        ;;
    esac
  done
  [[ $PREFIX != -*=* ]] || compset -P '*='
  (( ! \${#candidates} )) || _describe -t words word candidates
  case $paths in
    :files) _files ;;
    :directories) _files -/ ;;
  esac
}
if [[ \${funcstack[1]} == FUNCTION ]]; then
  FUNCTION "$@"
else
  compdef FUNCTION PROGRAM
fi
`;

const FISH = `# fish completion for PROGRAM
function FUNCTION
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l before (string match -r -- '^-[^=]*=' $current)
    set -l value (string replace -r -- '^-[^=]*=' '' $current)
    for answer in ($words[1] __complete $words[2..] "$current" 2>/dev/null)
        switch $answer
            case ':files'
                for found in (__fish_complete_path "$value")
                    echo -- "$before$found"
                end
            case ':directories'
                for found in (__fish_complete_directories "$value" '')
                    echo -- "$before$found"
                end
            case ':*'
            case '*'
                echo -- $answer
        end
    end
end
complete -c PROGRAM -f -a '(FUNCTION)'
`;

const SCRIPTS = { bash: BASH, zsh: ZSH, fish: FISH } as const;

export type Shell = keyof typeof SCRIPTS;

/** @param programName the name under which users call the program */
export function completionScript(programName: string, shell: Shell): string {
  const name = /^[\w.+-]+$/.test(programName) ? programName : `'${programName.replaceAll("'", "'\\''")}'`;
  return SCRIPTS[shell].replaceAll(/\bFUNCTION\b|\bPROGRAM\b/g, (word) =>
    word === "PROGRAM" ? name : `_${programName.replaceAll(/\W/g, "_")}`,
  );
}
