/** The word that the scripts begin their question with: `cardwire __complete SHELL WORD…`. */
export const COMPLETE = "__complete";

/** Shells that can complete. */
export const completingShells = ["bash", "zsh", "fish"] as const;
export type CompletingShell = (typeof completingShells)[number];

const bash = `# bash completion for cardwire. Made by: cardwire completion bash

_cardwire() {
  # What is typed up to the cursor, as words. Bash has cut them at ':', '=' and '@' (COMP_WORDBREAKS), with or without
  # bash-completion; pieces with no blank between them belong together.
  local rest=\${COMP_LINE:0:COMP_POINT} piece trimmed i
  local -a words=()
  for ((i = 0; i <= COMP_CWORD; i++)); do
    piece=\${COMP_WORDS[i]}
    trimmed=\${rest#"\${rest%%[![:space:]]*}"}
    ((i == COMP_CWORD)) && piece=$trimmed
    if ((i == 0)) || [[ $trimmed != "$rest" ]]; then
      words+=("$piece")
    else
      words[\${#words[@]} - 1]+=$piece
    fi
    rest=\${trimmed#"$piece"}
  done
  local current=\${words[\${#words[@]} - 1]} prefix='' breaks=\${COMP_WORDBREAKS//[^:=@]/}
  # Only what stands behind the last of these is replaced.
  [[ -n $breaks && $current == *[$breaks]* ]] && prefix=\${current%"\${current##*[$breaks]}"}
  prefix=\${prefix%@} # readline leaves this one to us (rl_special_prefixes)

  local -a answer=()
  mapfile -t answer < <("\${words[0]}" ${COMPLETE} bash "\${words[@]:1}" </dev/null 2>/dev/null)
  ((\${#answer[@]} > 0)) || return
  local action=\${answer[\${#answer[@]} - 1]} line
  unset "answer[\${#answer[@]}-1]"
  COMPREPLY=()
  case $action in
    ':files '*)
      local before=\${current:0:\${action#:files }}
      [[ $before == "$prefix" ]] && before=''
      compopt -o filenames 2>/dev/null
      while IFS= read -r line; do
        COMPREPLY+=("$before$line")
      done < <(compgen -f -- "\${current:\${action#:files }}")
      ;;
    ':program '*)
      local first=$((\${action#:program } + 1))
      if ((\${#words[@]} == first + 1)); then
        mapfile -t COMPREPLY < <(compgen -c -- "$current")
      elif declare -F _command_offset >/dev/null; then
        for ((i = 0; i < COMP_CWORD; i++)); do
          [[ \${COMP_WORDS[i]} == -- ]] && break
        done
        _command_offset $((i + 1))
      else
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
      fi
      ;;
    *)
      for line in "\${answer[@]}"; do
        line=\${line%%$'\\t'*}
        COMPREPLY+=("\${line#"$prefix"}")
      done
      ;;
  esac
}
complete -F _cardwire cardwire
`;

const zsh = `#compdef cardwire
# zsh completion for cardwire. Made by: cardwire completion zsh

_cardwire() {
  local -a typed answer described
  local action line
  typed=("\${(@Q)words[1,CURRENT-1]}" "\${(Q)PREFIX}")
  answer=("\${(@f)$("\${typed[1]}" ${COMPLETE} zsh "\${(@)typed[2,-1]}" </dev/null 2>/dev/null)}")
  action=$answer[-1]
  answer[-1]=()
  case $action in
    (':files '*)
      compset -p \${action#:files }
      _files
      ;;
    (':program '*)
      local first=$((\${action#:program } + 2))
      shift $((first - 1)) words
      ((CURRENT -= first - 1))
      _normal
      ;;
    (*)
      for line in $answer; do
        if [[ $line == *$'\\t'* ]]; then
          described+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}")
        else
          described+=("\${line//:/\\\\:}")
        fi
      done
      (( $#described )) && _describe cardwire described
      ;;
  esac
}

# In a file of fpath it is the function itself; sourced, it has to be told.
if [[ $funcstack[1] == _cardwire ]]; then
  _cardwire "$@"
else
  (( $+functions[compdef] )) || { autoload -Uz compinit && compinit; }
  compdef _cardwire cardwire
fi
`;

const fish = `# fish completion for cardwire. Made by: cardwire completion fish

function __cardwire_complete
    set -l typed (commandline -opc)
    set -l current (commandline -ct)
    set -l answer ($typed[1] ${COMPLETE} fish $typed[2..-1] $current </dev/null 2>/dev/null)
    set -l action (string split ' ' -- $answer[-1])
    switch "$action[1]"
        case :files
            set -l before (string sub -l $action[2] -- $current)
            for path in (__fish_complete_path (string sub -s (math $action[2] + 1) -- $current))
                echo $before$path
            end
        case :program
            set -l rest $typed[(math $action[2] + 2)..-1]
            complete -C (string join ' ' -- (string escape -- $rest) $current)
        case '*'
            string join \\n -- $answer[1..-2]
    end
end
complete -c cardwire -f -a '(__cardwire_complete)'
`;

const scripts: Readonly<Record<CompletingShell, string>> = { bash, zsh, fish };

/** The script that makes that shell complete cardwire's command lines. */
export const completionScript = (shell: CompletingShell): string => scripts[shell];
